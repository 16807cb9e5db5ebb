/* Forks during the first bankhub_token_new of a process, at a later moment of it in each try. Prints the results of a
 * call in the child and of one in the parent.
 *
 * fork_during_first_call TRIES */
#include "program.h"

#include <sys/mman.h>

static long long *call_us; /* the duration of the call in the previous try; shared by all processes */
static long long call_at;

static void wait_until(long long us) {
  while (now_us() < us) {}
}

static void *open_first(void *opened) {
  wait_until(call_at);
  *(bankhub_token **)opened = open_handle();
  *call_us = now_us() - call_at;
  return NULL;
}

/* Runs in a process that has not called the library yet. */
static void fork_during_call(int try, int tries) {
  bankhub_token *handle;
  /* Begins before the call, because a fork takes some time until it copies the process. */
  long long now = now_us(), spread_us = 2 * *call_us;
  call_at = now + spread_us / 2;
  pthread_t opener = start(open_first, &handle);
  wait_until(now + spread_us * try / tries);
  pid_t child = fork_child();
  if (child == 0) {
    print_get("child", open_handle(), BANKHUB_TIMEOUT_DEFAULT);
    exit(0);
  }
  reap(child);
  pthread_join(opener, NULL);
  print_get("parent", handle, BANKHUB_TIMEOUT_DEFAULT);
}

int main(int count, char **words) {
  if (count < 2) return 2;
  alarm(PROGRAM_LIMIT_S);
  call_us = mmap(NULL, sizeof *call_us, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (call_us == MAP_FAILED) die("mmap");
  for (int i = 0; i < atoi(words[1]); i++) {
    pid_t child = fork_child();
    if (child == 0) {
      fork_during_call(i, atoi(words[1]));
      return 0;
    }
    reap(child);
  }
  return 0;
}
