/* Sends many signals during a fetch that three threads wait for. Prints how many were handled, and how many of those on
 * the fetch thread.
 *
 * signals open: the threads of the program handle them. signals blocked: none does, until the fetch has ended. */
#include "program.h"

#include <sys/prctl.h>
#include <sys/time.h>

enum { WAITERS = 3, EVERY_US = 500, NAME_BYTES = 16 };

static atomic_int handled, handled_by_fetch;
static atomic_bool stopped;

static void count_signal(int signal) {
  char name[NAME_BYTES] = "";
  (void)signal;
  prctl(PR_GET_NAME, name);
  handled++;
  if (!strncmp(name, "bankhub", 7)) handled_by_fetch++;
}

static void handle_signal(int signal) {
  struct sigaction action = {.sa_handler = count_signal};
  if (sigaction(signal, &action, NULL)) die("sigaction");
}

static void mask(int how) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGALRM);
  sigaddset(&signals, SIGUSR1);
  pthread_sigmask(how, &signals, NULL);
}

static void *wait_for_token(void *token) {
  print_get("get", token, BANKHUB_TIMEOUT_DEFAULT);
  return NULL;
}

static void *send_signals(void *unused) {
  while (!stopped) {
    kill(getpid(), SIGUSR1);
    pause_us(EVERY_US);
  }
  return unused;
}

int main(int count, char **words) {
  bool blocked = count > 1 && !strcmp(words[1], "blocked");
  bankhub_token *token = open_handle();
  pthread_t waiters[WAITERS];
  handle_signal(SIGALRM);
  handle_signal(SIGUSR1);
  /* The thread that starts the fetch blocks no signal, so the fetch thread itself blocks those it blocks. */
  start_fetch(token);
  if (blocked) mask(SIG_BLOCK);
  struct itimerval timer = {{0, EVERY_US}, {0, EVERY_US}}, none = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &timer, NULL);
  pthread_t sending = start(send_signals, NULL);
  for (int i = 0; i < WAITERS; i++) waiters[i] = start(wait_for_token, token);
  for (int i = 0; i < WAITERS; i++) pthread_join(waiters[i], NULL);
  print("handled %d %d", handled, handled_by_fetch);
  if (blocked) mask(SIG_UNBLOCK);
  stopped = true;
  pthread_join(sending, NULL);
  setitimer(ITIMER_REAL, &none, NULL);
  print("handled %d %d", handled, handled_by_fetch);
  return 0;
}
