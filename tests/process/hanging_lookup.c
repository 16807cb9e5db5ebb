/* Makes the lookup of the server's name hang. Its getaddrinfo replaces that of libc, also for the library. Prints the
 * results of calls meanwhile, and of a call after the lookup is released and resolves to loopback; and the number of
 * lookups and threads so far.
 *
 * hanging_lookup REQUEST_TIMEOUT_MS */
#include "program.h"

#include <dlfcn.h>
#include <netdb.h>

enum { SHORT_TIMEOUT_MS = 20, POLL_US = 20000, LIMIT_US = 10000000 };
/* Longer than the backoff after a failed fetch. */
enum { MEANWHILE_US = 1500000 };

static atomic_bool hanging = true;
static atomic_int lookups, threads;

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  int (*look_up)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  *(void **)&look_up = dlsym(RTLD_NEXT, "getaddrinfo");
  (void)name;
  for (lookups++; hanging;) pause_us(POLL_US);
  return look_up("127.0.0.1", service, hints, found);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*run)(void *), void *argument) {
  int (*create)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
  *(void **)&create = dlsym(RTLD_NEXT, "pthread_create");
  threads++;
  return create(thread, attributes, run, argument);
}

static void print_counts(const char *when) { print("%s %d %d", when, lookups, threads); }

static void free_during_lookup(bankhub_token *handle) {
  start_fetch(handle);
  while (lookups == 0) pause_us(POLL_US);
  bankhub_token_free(handle);
  print_get("freed", handle, BANKHUB_TIMEOUT_DEFAULT);
}

int main(int count, char **words) {
  if (count < 2) return 2;
  alarm(PROGRAM_LIMIT_S);
  bankhub_config named = config();
  named.flags = BANKHUB_ALLOW_HTTP;
  named.request_timeout_ms = (uint32_t)atoi(words[1]);
  bankhub_token *handle = open_with(&named);
  free_during_lookup(open_with(&named));
  print_get("short_timeout", handle, SHORT_TIMEOUT_MS);
  print_get("long_timeout", handle, BANKHUB_TIMEOUT_DEFAULT);
  for (long long begun = now_us(); now_us() - begun < MEANWHILE_US; pause_us(POLL_US))
    print_get("meanwhile", handle, BANKHUB_TIMEOUT_DEFAULT);
  print_counts("hanging");
  hanging = false;
  for (long long begun = now_us(); now_us() - begun < LIMIT_US; pause_us(POLL_US)) {
    bankhub_access_token token;
    if (bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL) == BANKHUB_OK) break;
  }
  print_get("released", handle, 0);
  print_counts("total");
  return 0;
}
