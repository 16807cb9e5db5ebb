/* Forks beside the first bankhub_token_new of a process, at every moment of it in turn; says what a call in the child
 * and one in the parent get then.
 *
 * first TRIES */
#include "program.h"

#include <sys/mman.h>

static long long *call_us; /* how long the call took in the try before; shared by all processes */
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

/* In a process where nothing of the library has run yet. */
static void fork_beside(int try, int tries) {
  bankhub_token *handle;
  /* From before the call on: a fork takes its time, too, until it copies the process. */
  long long now = now_us(), spread_us = 2 * *call_us;
  call_at = now + spread_us / 2;
  pthread_t opener = start(open_first, &handle);
  wait_until(now + spread_us * try / tries);
  pid_t child = fork_child();
  if (child == 0) {
    say_get("child", open_handle(), BANKHUB_TIMEOUT_DEFAULT);
    exit(0);
  }
  reap(child);
  pthread_join(opener, NULL);
  say_get("parent", handle, BANKHUB_TIMEOUT_DEFAULT);
}

int main(int count, char **words) {
  if (count < 2) return 2;
  alarm(PROGRAM_LIMIT_S);
  call_us = mmap(NULL, sizeof *call_us, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (call_us == MAP_FAILED) die("mmap");
  for (int i = 0; i < atoi(words[1]); i++) {
    pid_t child = fork_child();
    if (child == 0) {
      fork_beside(i, atoi(words[1]));
      return 0;
    }
    reap(child);
  }
  return 0;
}
