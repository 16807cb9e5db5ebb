/* A process that may have no more threads (RLIMIT_NPROC) or descriptors (RLIMIT_NOFILE). Prints the result of a call
 * under the limit, and of one after the limit is lifted.
 *
 * resource_limits threads|descriptors */
#include "program.h"

#include <sys/resource.h>

enum { NOBODY = 65534, RECOVERY_LIMIT_US = 5000000, POLL_US = 10000 };

static void print_error(const bankhub_token *handle, uint32_t timeout_ms) {
  bankhub_access_token token;
  bankhub_error error;
  bankhub_status status = bankhub_token_get(handle, timeout_ms, &token, &error);
  print("refused %s %llu %s", bankhub_status_name(status), (unsigned long long)error.retry_after_ms, error.message);
}

int main(int count, char **words) {
  if (count < 2) return 2;
  int resource = strcmp(words[1], "threads") ? RLIMIT_NOFILE : RLIMIT_NPROC;
  struct rlimit allowed, none;
  bankhub_access_token token;
  alarm(PROGRAM_LIMIT_S);
  bankhub_token *handle = open_handle(), *other = open_handle();
  /* The limit of threads does not apply to root. */
  if (geteuid() == 0 && setuid(NOBODY)) die("setuid");
  getrlimit(resource, &allowed);
  none = (struct rlimit){0, allowed.rlim_max};
  if (setrlimit(resource, &none)) die("setrlimit");
  print_error(handle, BANKHUB_TIMEOUT_DEFAULT);
  print_error(other, 0);
  if (setrlimit(resource, &allowed)) die("setrlimit");
  for (long long begun = now_us(); now_us() - begun < RECOVERY_LIMIT_US; pause_us(POLL_US))
    if (bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL) == BANKHUB_OK) break;
  print_get("lifted", handle, 0);
  return 0;
}
