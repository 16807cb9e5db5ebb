/* The limit, which no token cache can be faster than, and the library as a C program calls it. */
#define _GNU_SOURCE
#include <bankhub.h>
#include <dlfcn.h>
#include <string.h>
#include <time.h>

static __typeof__(bankhub_token_get) *get;
static __typeof__(bankhub_token_generation) *generation;
static bankhub_token *without_store, *with_store;

/* 0: the library at `path` is loaded, and has a token from `base_url`, without a store and with one. */
int hot_open(const char *path, const char *base_url, const char *store) {
  bankhub_config config = {.size = sizeof config, .client_id = "id", .client_secret = "secret", .base_url = base_url};
  bankhub_access_token access;
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  __typeof__(bankhub_token_new) *new = library ? dlsym(library, "bankhub_token_new") : NULL;
  if (!new || new(&config, &without_store, NULL))
    return 1;
  config.store = store;
  if (new(&config, &with_store, NULL))
    return 1;
  get = dlsym(library, "bankhub_token_get");
  generation = dlsym(library, "bankhub_token_generation");
  return get(without_store, BANKHUB_TIMEOUT_DEFAULT, &access, NULL) |
         get(with_store, BANKHUB_TIMEOUT_DEFAULT, &access, NULL);
}

static int get_from(const bankhub_token *token, uint64_t calls) {
  bankhub_access_token access;
  int status = 0;
  while (calls--)
    status |= get(token, 0, &access, NULL);
  return status;
}

/* 0: every call returned the token. */
int hot_get(uint64_t calls) {
  return get_from(without_store, calls);
}

/* The same of a handle with a store. */
int hot_get_with_store(uint64_t calls) {
  return get_from(with_store, calls);
}

/* 0: every call returned a generation. */
int hot_generation(uint64_t calls) {
  int status = 0;
  while (calls--)
    status |= generation(without_store) == 0;
  return status;
}

static int64_t coarse(clockid_t clock) {
  struct timespec time;
  clock_gettime(clock, &time);
  return time.tv_sec * 1000000000 + time.tv_nsec;
}

/* Whether a coarse clock has reached an end. The compiler cannot leave a call of another library out. */
static int is_over(void) {
  return (coarse(CLOCK_MONOTONIC_COARSE) == INT64_MAX) | (coarse(CLOCK_REALTIME_COARSE) == INT64_MAX);
}

/* The limit of a call that copies nothing; 0. */
int limit_clocks(uint64_t calls) {
  int over = 0;
  while (calls--)
    over |= is_over();
  return over;
}

/* The limit of one that copies a token of 40 bytes. */
int limit_clocks_and_copy(uint64_t calls) {
  char held[40] = "0123456789abcdef0123456789abcdef0123456", copy[sizeof held];
  int over = 0;
  while (calls--) {
    over |= is_over();
    __asm__ volatile("" : : "r"(held) : "memory"); /* The compiler must read it again: it may have changed. */
    memcpy(copy, held, sizeof held);
    __asm__ volatile("" : : "r"(copy) : "memory"); /* The compiler must write it: somebody may read it. */
  }
  return over;
}
