/* Simulates suspends, changes of the wall clock, and clocks that cannot be read. Its clock_gettime replaces that of
 * libc, also for the library. Prints the result of a first call, and of a call after each change; after each, it waits
 * for the end of the fetch.
 *
 * clocks CHANGE...: `sleep`, `wall` or `run` (all clocks go on), and a number of seconds, as in sleep+600 or wall-60;
 * or `refuse` and the number of a clock, as in refuse+7 */
#include "program.h"

#include <dlfcn.h>

enum { LIMIT_US = 5000000, POLL_US = 1000 };

static atomic_llong slept_s, wall_s, run_s, refused;

int clock_gettime(clockid_t clock, struct timespec *time) {
  static int (*read_clock)(clockid_t, struct timespec *);
  if (!read_clock) *(void **)&read_clock = dlsym(RTLD_NEXT, "clock_gettime");
  if (refused >> clock & 1) {
    memset(time, 0x55, sizeof *time); /* a caller that does not check the result would see any time */
    errno = EPERM;
    return -1;
  }
  int failed = read_clock(clock, time);
  time->tv_sec += run_s;
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
    long long number = atoll(words[i] + name);
    if (!strncmp(words[i], "sleep", name)) slept_s += number;
    if (!strncmp(words[i], "wall", name)) wall_s += number;
    if (!strncmp(words[i], "run", name)) run_s += number;
    if (!strncmp(words[i], "refuse", name)) refused |= 1LL << number;
    print_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
    wait_for_fetch(handle);
  }
  return 0;
}
