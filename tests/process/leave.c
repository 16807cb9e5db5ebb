/* Leaves the process at a random moment of a fetch, by exit or by the end of main; says with which code it ended, and
 * how many milliseconds after it had decided to.
 *
 * leave ROUNDS WITHIN_US */
#include "program.h"

#include <sys/mman.h>

enum { CODE = 7, WAITERS = 3, WAYS = 3 };

static long long *left_at; /* shared with the parent */

static void *wait_for_token(void *handle) {
  bankhub_access_token token;
  bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL);
  return NULL;
}

static void *exit_beside_main(void *unused) {
  *left_at = now_us();
  exit(CODE);
  return unused;
}

/* In a process where nothing of the library has run yet. Returns what main is to return. */
static int begin_and_leave(int way, long long after_us) {
  bankhub_token *handle = open_handle();
  for (int i = 0; i < WAITERS; i++) start(wait_for_token, handle);
  set_going(handle);
  pause_us(after_us);
  if (way == 0) {
    start(exit_beside_main, NULL);
    for (;;) pause();
  }
  *left_at = now_us();
  if (way == 1) exit(CODE);
  return CODE;
}

int main(int count, char **words) {
  if (count < 3) return 2;
  alarm(PROGRAM_LIMIT_S);
  left_at = mmap(NULL, sizeof *left_at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (left_at == MAP_FAILED) die("mmap");
  for (int i = 0; i < atoi(words[1]); i++) {
    long long after_us = chance(atoll(words[2]));
    pid_t child = fork_child();
    if (child == 0) return begin_and_leave(i % WAYS, after_us);
    int code = wait_for(child);
    say("left %d %lld", code, (now_us() - *left_at) / 1000);
  }
  return 0;
}
