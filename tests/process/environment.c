/* Prints the environment variables that are read while a handle is opened, and while it is used. Its getenv and
 * secure_getenv replace those of libc, also for the library. */
#include "program.h"

#include <dlfcn.h>

static const char *_Atomic phase = "preparing";

static char *read_variable(const char *function, const char *name) {
  char *(*read)(const char *);
  *(void **)&read = dlsym(RTLD_NEXT, function);
  print("%s %s", phase, name);
  return read(name);
}

char *getenv(const char *name) { return read_variable("getenv", name); }

char *secure_getenv(const char *name) { return read_variable("secure_getenv", name); }

int main(void) {
  bankhub_access_token token;
  bankhub_stats stats = {.size = sizeof stats};
  alarm(PROGRAM_LIMIT_S);
  bankhub_config from_environment = config();
  phase = "opening";
  bankhub_token *handle = open_with(&from_environment);
  phase = "using";
  bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL);
  bankhub_token_generation(handle);
  bankhub_token_invalidate(handle, token.value, NULL);
  print_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
  bankhub_token_stats(handle, &stats);
  bankhub_token_free(handle);
  return 0;
}
