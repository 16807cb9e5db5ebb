/* Storms of signals during a fetch that three threads wait for; says how many were handled, and on which threads.
 *
 * signals open: the program's threads take them. signals blocked: none of them does, until the fetch has ended. */
#include "program.h"

#include <sys/prctl.h>
#include <sys/time.h>

enum { WAITERS = 3, EVERY_US = 500, NAME_BYTES = 16 };

static atomic_int handled, handled_by_fetch;
static atomic_bool over;

static void handle(int signal) {
  char name[NAME_BYTES] = "";
  (void)signal;
  prctl(PR_GET_NAME, name);
  handled++;
  if (!strncmp(name, "bankhub", 7)) handled_by_fetch++;
}

static void take(int signal) {
  struct sigaction action = {.sa_handler = handle};
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
  say_get("get", token, BANKHUB_TIMEOUT_DEFAULT);
  return NULL;
}

static void *storm(void *unused) {
  while (!over) {
    kill(getpid(), SIGUSR1);
    pause_us(EVERY_US);
  }
  return unused;
}

int main(int count, char **words) {
  bool blocked = count > 1 && !strcmp(words[1], "blocked");
  bankhub_token *token = open_handle();
  pthread_t waiters[WAITERS];
  take(SIGALRM);
  take(SIGUSR1);
  /* Begun by a thread that blocks nothing: whatever the fetch blocks is its own doing. */
  set_going(token);
  if (blocked) mask(SIG_BLOCK);
  struct itimerval timer = {{0, EVERY_US}, {0, EVERY_US}}, none = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &timer, NULL);
  pthread_t storming = start(storm, NULL);
  for (int i = 0; i < WAITERS; i++) waiters[i] = start(wait_for_token, token);
  for (int i = 0; i < WAITERS; i++) pthread_join(waiters[i], NULL);
  say("handled %d %d", handled, handled_by_fetch);
  if (blocked) mask(SIG_UNBLOCK);
  over = true;
  pthread_join(storming, NULL);
  setitimer(ITIMER_REAL, &none, NULL);
  say("handled %d %d", handled, handled_by_fetch);
  return 0;
}
