/* Closes the library (dlclose) at a random moment of a fetch, and opens it again after the fetch. Prints the result of
 * a call then, and whether the library is still mapped after it was closed again.
 *
 * dlclose_during_fetch LIBRARY ROUNDS WITHIN_US; not linked with the library. */
#include "program.h"

#include <dlfcn.h>

static const char *file;
static void *library;
static bankhub_token *handle;

static void *symbol(const char *name) {
  void *found = dlsym(library, name);
  if (!found) die(name);
  return found;
}

static void load(void) {
  library = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  if (!library) die(file);
}

static bankhub_status get(uint32_t timeout_ms) {
  bankhub_status (*function)(const bankhub_token *, uint32_t, bankhub_access_token *, bankhub_error *);
  bankhub_access_token token;
  *(void **)&function = symbol("bankhub_token_get");
  return function(handle, timeout_ms, &token, NULL);
}

static void *begin_fetch(void *unused) {
  bankhub_status (*new)(const bankhub_config *, bankhub_token **, bankhub_error *);
  bankhub_config from_environment = config();
  load();
  *(void **)&new = symbol("bankhub_token_new");
  if (new(&from_environment, &handle, NULL) != BANKHUB_OK) die("bankhub_token_new");
  get(0);
  return unused;
}

static void *get_token(void *unused) {
  load();
  print("get %d", get(BANKHUB_TIMEOUT_DEFAULT));
  return unused;
}

static void unload(void) {
  if (dlclose(library)) die("dlclose");
}

/* Each call is on a thread that ends: destructors of thread-local data may keep the library from being unmapped. */
static void fetch_and_unload(long long after_us, long long fetch_us) {
  pthread_join(start(begin_fetch, NULL), NULL);
  pause_us(after_us);
  unload();
  pause_us(fetch_us);
  pthread_join(start(get_token, NULL), NULL);
  unload();
  print("mapped %d", dlopen(file, RTLD_NOW | RTLD_NOLOAD) != NULL);
}

int main(int count, char **words) {
  if (count < 4) return 2;
  alarm(PROGRAM_LIMIT_S);
  file = words[1];
  for (int i = 0; i < atoi(words[2]); i++) {
    long long within_us = atoll(words[3]), after_us = random_below(within_us);
    pid_t child = fork_child();
    if (child == 0) {
      fetch_and_unload(after_us, within_us);
      exit(0);
    }
    reap(child);
  }
  return 0;
}
