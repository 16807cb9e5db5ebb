/* Forbids this process a clock, with a real seccomp filter. Its clock_gettime, which replaces that of libc also for the
 * library, always asks the kernel, as that of a libc without vDSO does. Prints the result of two calls.
 *
 * sandboxed_clocks WHEN ERRNO CLOCK: forbids it `before` or `after` a handle has been opened and has a token */
#include "program.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
  memset(time, 0x55, sizeof *time); /* a caller that does not check the result would see any time */
  return (int)syscall(SYS_clock_gettime, clock, time);
}

static void forbid(unsigned clock, unsigned error) {
  struct sock_filter steps[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_clock_gettime, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args)), /* its lower half */
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, clock, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog filter = {sizeof steps / sizeof *steps, steps};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) die("seccomp");
  struct timespec time;
  if (!clock_gettime((clockid_t)clock, &time)) die("the clock is still there");
}

int main(int count, char **words) {
  if (count != 4) die("arguments");
  alarm(PROGRAM_LIMIT_S);
  unsigned error = (unsigned)atoi(words[2]), clock = (unsigned)atoi(words[3]);
  bool before = !strcmp(words[1], "before");
  if (before) forbid(clock, error);
  bankhub_token *handle = open_handle();
  print_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
  if (!before) forbid(clock, error);
  bankhub_stats stats = {.size = sizeof stats};
  bankhub_token_stats(handle, &stats);
  print("lives %lld", (long long)(stats.expires_at - time(NULL)));
  print("due %lld", (long long)(stats.refresh_at - time(NULL)));
  print_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
  return 0;
}
