/* Looks up hub.test in SLOW_LOOKUP_MS milliseconds, and finds loopback. Its getaddrinfo is preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

int getaddrinfo(const char *name, const char *service, const struct addrinfo *hints, struct addrinfo **found) {
  int (*look_up)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
  *(void **)&look_up = dlsym(RTLD_NEXT, "getaddrinfo");
  if (!name || strcmp(name, "hub.test") != 0) return look_up(name, service, hints, found);
  const char *milliseconds = getenv("SLOW_LOOKUP_MS");
  long ms = milliseconds ? atol(milliseconds) : 0;
  nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
  return look_up("127.0.0.1", service, hints, found);
}
