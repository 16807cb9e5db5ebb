/* Says which environment variables are read while a handle is made, and which while it is used: its getenv and
 * secure_getenv stand before those of libc, for the library too. */
#include "program.h"

#include <dlfcn.h>

static const char *_Atomic doing = "preparing";

static char *read_variable(const char *function, const char *name) {
  char *(*read)(const char *);
  *(void **)&read = dlsym(RTLD_NEXT, function);
  say("%s %s", doing, name);
  return read(name);
}

char *getenv(const char *name) { return read_variable("getenv", name); }

char *secure_getenv(const char *name) { return read_variable("secure_getenv", name); }

int main(void) {
  bankhub_access_token token;
  bankhub_stats stats = {.size = sizeof stats};
  alarm(PROGRAM_LIMIT_S);
  bankhub_config from_environment = config();
  doing = "opening";
  bankhub_token *handle = open_with(&from_environment);
  doing = "using";
  bankhub_token_get(handle, BANKHUB_TIMEOUT_DEFAULT, &token, NULL);
  bankhub_token_generation(handle);
  bankhub_token_invalidate(handle, token.value, NULL);
  say_get("get", handle, BANKHUB_TIMEOUT_DEFAULT);
  bankhub_token_stats(handle, &stats);
  bankhub_token_free(handle);
  return 0;
}
