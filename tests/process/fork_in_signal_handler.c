/* Forks in a signal handler that interrupts calls of the library at random moments. Prints the number of forks, and of
 * children that ended with code 0.
 *
 * fork_in_signal_handler alone FORKS: interrupts calls of all kinds.
 * fork_in_signal_handler freeing FORKS: interrupts calls on a handle that another thread frees, again and again.
 *
 * It does not fork during an allocation: glibc's fork waits for the locks of its allocator, and forever if its own
 * thread holds one. */
#include "program.h"

#include <sys/time.h>

enum { EVERY_US = 4000, CALLS = 50 };

static volatile sig_atomic_t forked, ended_well;
static bankhub_config from_environment;
static bankhub_token *_Atomic freed_handle;

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

static void *free_repeatedly(void *unused) {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPROF);
  if (pthread_sigmask(SIG_BLOCK, &signals, NULL)) die("pthread_sigmask");
  while (true) {
    freed_handle = open_with(&from_environment);
    bankhub_token_free(freed_handle);
  }
  return unused;
}

int main(int count, char **words) {
  struct itimerval timer = {{0, EVERY_US}, {0, EVERY_US}};
  if (count < 3) return 2;
  alarm(PROGRAM_LIMIT_S);
  from_environment = config();
  bool freeing = !strcmp(words[1], "freeing");
  if (freeing) start(free_repeatedly, NULL);
  /* Not SIGALRM, because it ends this program if it hangs. */
  signal(SIGPROF, fork_here);
  setitimer(ITIMER_PROF, &timer, NULL);
  while (forked < atoi(words[2])) {
    bankhub_token *handle = freeing ? freed_handle : open_with(&from_environment);
    call(handle);
    if (!freeing) bankhub_token_free(handle);
  }
  setitimer(ITIMER_PROF, &(struct itimerval){{0, 0}, {0, 0}}, NULL);
  print("forked %d", (int)forked);
  print("ended_well %d", (int)ended_well);
  return 0;
}
