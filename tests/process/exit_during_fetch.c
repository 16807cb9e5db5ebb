/* Ends the process at a random moment of a fetch, by exit or by returning from main. Prints its exit code, and the
 * milliseconds that the exit took.
 *
 * exit_during_fetch ROUNDS WITHIN_US */
#include "program.h"

#include <sys/mman.h>

enum { CODE = 7, WAITERS = 3, WAYS = 3 };

static long long *exit_at; /* shared with the parent */

static void *wait_for_token(void *handle) {
  bankhub_access_token token;
  bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL);
  return NULL;
}

static void *exit_on_thread(void *unused) {
  *exit_at = now_us();
  exit(CODE);
  return unused;
}

/* Runs in a process that has not called the library yet. Returns the result of main. */
static int fetch_and_exit(int way, long long after_us) {
  bankhub_token *handle = open_handle();
  for (int i = 0; i < WAITERS; i++) start(wait_for_token, handle);
  start_fetch(handle);
  pause_us(after_us);
  if (way == 0) {
    start(exit_on_thread, NULL);
    for (;;) pause();
  }
  *exit_at = now_us();
  if (way == 1) exit(CODE);
  return CODE;
}

int main(int count, char **words) {
  if (count < 3) return 2;
  alarm(PROGRAM_LIMIT_S);
  exit_at = mmap(NULL, sizeof *exit_at, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (exit_at == MAP_FAILED) die("mmap");
  for (int i = 0; i < atoi(words[1]); i++) {
    long long after_us = random_below(atoll(words[2]));
    pid_t child = fork_child();
    if (child == 0) return fetch_and_exit(i % WAYS, after_us);
    int code = wait_for(child);
    print("exited %d %lld", code, (now_us() - *exit_at) / 1000);
  }
  return 0;
}
