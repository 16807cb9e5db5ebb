/* Forks from a signal handler that interrupts calls of the library at random moments; says what became of each child.
 *
 * handler alone FORKS: calls of all kinds are interrupted.
 * handler beside FORKS: calls on a handle that another thread frees meanwhile, again and again. */
#include "program.h"

#include <sys/time.h>

enum { EVERY_US = 4000, CALLS = 50 };

static volatile sig_atomic_t forked, ended_well;
static bankhub_config from_environment;
static bankhub_token *_Atomic freed_beside;

static void fork_here(int signal) {
  int status = -1;
  pid_t child = fork();
  (void)signal;
  if (child == 0) _exit(0);
  if (waitpid(child, &status, 0) == child && status == 0) ended_well++;
  forked++;
}

static void call(const bankhub_token *handle) {
  bankhub_stats stats = {.size = sizeof stats};
  for (int i = 0; i < CALLS; i++) bankhub_token_stats(handle, &stats);
}

static void *free_beside(void *unused) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPROF);
  if (pthread_sigmask(SIG_BLOCK, &signals, NULL)) die("pthread_sigmask");
  while (true) {
    freed_beside = open_with(&from_environment);
    bankhub_token_free(freed_beside);
  }
  return unused;
}

int main(int count, char **words) {
  struct itimerval timer = {{0, EVERY_US}, {0, EVERY_US}};
  if (count < 3) return 2;
  alarm(PROGRAM_LIMIT_S);
  from_environment = config();
  bool beside = !strcmp(words[1], "beside");
  if (beside) start(free_beside, NULL);
  /* Not SIGALRM, which ends this program if it hangs. */
  signal(SIGPROF, fork_here);
  setitimer(ITIMER_PROF, &timer, NULL);
  while (forked < atoi(words[2])) {
    bankhub_token *handle = beside ? freed_beside : open_with(&from_environment);
    call(handle);
    if (!beside) bankhub_token_free(handle);
  }
  setitimer(ITIMER_PROF, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
  say("forked %d", (int)forked);
  say("ended_well %d", (int)ended_well);
  return 0;
}
