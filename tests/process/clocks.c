/* Simulates suspends and changes of the wall clock. Its clock_gettime replaces that of libc, also for the library.
 * Prints the result of a first call, and of a call after each change; after each, it waits for the end of the fetch.
 *
 * clocks CHANGE...: `sleep` or `wall`, and a number of seconds, as in sleep+600 or wall-60 */
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

static void wait_for_fetch(const bankhub_token *handle) {
  bankhub_stats stats = {.size = sizeof stats};
  for (long long begun = now_us(); now_us() - begun < LIMIT_US; pause_us(POLL_US)) {
    bankhub_token_stats(handle, &stats);
    if (!stats.fetching) return;
  }
  die("the fetch does not end");
}

int main(int count, char **words) {
  alarm(PROGRAM_LIMIT_S);
  bankhub_token *handle = open_handle();
  print_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
  for (int i = 1; i < count; i++) {
    size_t name = strcspn(words[i], "+-");
    atomic_llong *changed = !strncmp(words[i], "sleep", name) ? &slept_s : &wall_s;
    *changed += atoll(words[i] + name);
    print_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
    wait_for_fetch(handle);
  }
  return 0;
}
