/* Forks from a signal handler that interrupts calls of the library at random moments; says what became of each child.
 *
 * handler FORKS; the environment says which server. */
#include "program.h"

#include <sys/time.h>

enum { EVERY_US = 20000 };

static volatile sig_atomic_t forked, ended_well;

static void fork_here(int signal) {
  int status = -1;
  pid_t child = fork();
  (void)signal;
  if (child == 0) _exit(0);
  if (waitpid(child, &status, 0) == child && status == 0) ended_well++;
  forked++;
}

int main(int count, char **words) {
  struct itimerval timer = {{0, EVERY_US}, {0, EVERY_US}};
  bankhub_config from_environment = config();
  bankhub_stats stats = {.size = sizeof stats};
  if (count < 2) return 2;
  alarm(PROGRAM_LIMIT_S);
  /* Not SIGALRM, which ends this program if it hangs. */
  signal(SIGPROF, fork_here);
  setitimer(ITIMER_PROF, &timer, NULL);
  while (forked < atoi(words[1])) {
    bankhub_token *handle = open_with(&from_environment);
    for (int i = 0; i < 50; i++) bankhub_token_stats(handle, &stats);
    bankhub_token_free(handle);
  }
  setitimer(ITIMER_PROF, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
  say("forked %d", (int)forked);
  say("ended_well %d", (int)ended_well);
  return 0;
}
