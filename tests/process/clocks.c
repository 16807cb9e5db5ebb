/* Suspends the machine and sets its wall clock, as far as this process can tell: its clock_gettime stands before that
 * of libc, for the library too. Says what a call gets first, and after each change once no fetch is in flight any more.
 *
 * clocks CHANGE...: `sleep` or `wall`, and by how many seconds, as in sleep+600 or wall-60 */
#include "program.h"

#include <dlfcn.h>

enum { LIMIT_US = 5000000, POLL_US = 1000 };

static atomic_llong slept_s, wall_s;

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*read_clock)(clockid_t, struct timespec *);
  if (!read_clock) *(void **)&read_clock = dlsym(RTLD_NEXT, "clock_gettime");
  int failed = read_clock(clock, time);
  if (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE) time->tv_sec += slept_s + wall_s;
  if (clock == CLOCK_BOOTTIME) time->tv_sec += slept_s;
  return failed;
}

static void settle(const bankhub_token *handle) {
  bankhub_stats stats = {.size = sizeof stats};
  for (long long begun = now_us(); now_us() - begun < LIMIT_US; pause_us(POLL_US)) {
    bankhub_token_stats(handle, &stats);
    if (!stats.fetching) return;
  }
  die("a fetch that does not end");
}

int main(int count, char **words) {
  alarm(PROGRAM_LIMIT_S);
  bankhub_token *handle = open_handle();
  say_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
  for (int i = 1; i < count; i++) {
    size_t name = strcspn(words[i], "+-");
    atomic_llong *changed = !strncmp(words[i], "sleep", name) ? &slept_s : &wall_s;
    *changed += atoll(words[i] + name);
    say_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
    settle(handle);
  }
  return 0;
}
