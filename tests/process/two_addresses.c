/* Resolves the name of the server to two addresses; nothing listens on the first one. Its getaddrinfo replaces that of
 * libc, also for the library. Prints the result of a call. */
#include "program.h"

#include <dlfcn.h>
#include <netdb.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  int (*look_up)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  *(void **)&look_up = dlsym(RTLD_NEXT, "getaddrinfo");
  struct addrinfo *alive = NULL;
  (void)name;
  int failed = look_up("127.0.0.2", service, hints, found) || look_up("127.0.0.1", service, hints, &alive);
  for (struct addrinfo *last = failed ? NULL : *found; last; last = last->ai_next)
    if (!last->ai_next) {
      last->ai_next = alive;
      break;
    }
  return failed;
}

int main(void) {
  alarm(PROGRAM_LIMIT_S);
  bankhub_config named = config();
  named.flags = BANKHUB_ALLOW_HTTP;
  print_get("second", open_with(&named), BANKHUB_TIMEOUT_DEFAULT);
}
