/* Forks from a signal handler that interrupts calls of the library at random moments; says what became of each child.
 *
 * handler alone FORKS: calls of all kinds are interrupted.
 * handler beside FORKS: calls on a handle that another thread frees meanwhile, again and again.
 *
 * No allocation is interrupted: glibc's fork waits for the locks of its allocator, and for good if its own thread has
 * one. */
#include "program.h"

#include <sys/time.h>

enum { EVERY_US = 4000, CALLS = 50 };

static volatile sig_atomic_t forked, ended_well;
static bankhub_config from_environment;
static bankhub_token *_Atomic freed_beside;

static _Thread_local volatile sig_atomic_t allocating;

void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *__libc_memalign(size_t, size_t), __libc_free(void *);

static void *allocated(void *block) {
  allocating = false;
  return block;
}

void *malloc(size_t size) {
  allocating = true;
  return allocated(__libc_malloc(size));
}

void *calloc(size_t count, size_t size) {
  allocating = true;
  return allocated(__libc_calloc(count, size));
}

void *realloc(void *block, size_t size) {
  allocating = true;
  return allocated(__libc_realloc(block, size));
}

int posix_memalign(void **block, size_t alignment, size_t size) {
  allocating = true;
  *block = allocated(__libc_memalign(alignment, size));
  return *block ? 0 : ENOMEM;
}

void free(void *block) {
  allocating = true;
  __libc_free(block);
  allocating = false;
}

static void fork_here(int signal) {
  int status = -1;
  (void)signal;
  if (allocating) return;
  pid_t child = fork();
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
