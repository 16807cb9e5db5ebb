/* Forks with handlers (pthread_atfork) that call the library. The program registers them before it loads the library
 * (dlopen).
 *
 * atfork LIBRARY; not linked with the library. */
#include "program.h"

#include <dlfcn.h>

static bankhub_status (*new)(const bankhub_config *, bankhub_token **, bankhub_error *);
static bankhub_status (*stats)(const bankhub_token *, bankhub_stats *);

static void call(const char *where) {
  bankhub_stats numbers = {.size = sizeof numbers};
  bankhub_config from_environment = config();
  bankhub_token *handle;
  print("new %s %d", where, new(&from_environment, &handle, NULL));
  print("stats %s %d", where, stats(handle, &numbers));
}

static void before(void) { call("before"); }
static void in_parent(void) { call("parent"); }

int main(int count, char **words) {
  if (count < 2) return 2;
  alarm(PROGRAM_LIMIT_S);
  if (pthread_atfork(before, in_parent, NULL)) die("pthread_atfork");
  void *library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
  if (!library) die(words[1]);
  *(void **)&new = dlsym(library, "bankhub_token_new");
  *(void **)&stats = dlsym(library, "bankhub_token_stats");
  pid_t child = fork_child();
  if (child == 0) _exit(0);
  reap(child);
  return 0;
}
