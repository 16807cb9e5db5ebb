/* Calls every function of the library on threads with a stack of the given size: with a valid token, and without one.
 * Prints a line for each. A stack that is too small ends the program.
 *
 * small_stack BYTES STORE */
#include "program.h"

static bankhub_token *handle;
static bankhub_access_token token;
static bankhub_error error;
static bankhub_stats stats = {.size = sizeof stats};
static bankhub_config chosen;
static bankhub_token *made;

static void *make_new(void *unused) {
  if (bankhub_token_new(&chosen, &made, &error)) print("failure %s", error.message);
  return unused;
}
static void *make_wrong(void *unused) {
  bankhub_token *none;
  bankhub_config wrong = chosen;
  wrong.base_url = "ftp://example.org";
  bankhub_token_new(&wrong, &none, &error);
  wrong.base_url = NULL;
  wrong.ca_file = "/nowhere.pem";
  bankhub_token_new(&wrong, &none, &error);
  return unused;
}
static void *fetch(void *unused) {
  if (bankhub_token_get(made, BANKHUB_TIMEOUT_DEFAULT, &token, &error)) print("failure %s", error.message);
  return unused;
}
static void *get(void *unused) {
  bankhub_token_get(handle, 0, &token, &error);
  return unused;
}
static void *fail(void *unused) {
  bankhub_token_get(made, 0, &token, &error);
  bankhub_token_get(NULL, 0, &token, &error);
  return unused;
}
static void *invalidate(void *unused) {
  bankhub_token_invalidate(handle, token.value, &error);
  return unused;
}
static void *refresh(void *unused) {
  bankhub_token_generation(handle);
  bankhub_abi_version();
  bankhub_version();
  bankhub_status_name(0);
  return unused;
}
static void *read_stats(void *unused) {
  bankhub_token_stats(handle, &stats);
  return unused;
}
static void *free_handle(void *unused) {
  bankhub_token_free(made);
  return unused;
}
static void *wipe(void *unused) {
  bankhub_access_token_wipe(&token);
  return unused;
}

static const struct {
  const char *name;
  void *(*run)(void *);
} functions[] = {{"new", make_new},       {"wrong", make_wrong}, {"fetch", fetch},
                 {"stats", read_stats},   {"get", get},          {"generation", refresh},
                 {"invalidate", invalidate}, {"free", free_handle}, {"fail", fail}, {"wipe", wipe}};

int main(int count, char **words) {
  if (count < 3) return 2;
  alarm(PROGRAM_LIMIT_S);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  if (pthread_attr_setstacksize(&attributes, (size_t)atol(words[1]))) die("pthread_attr_setstacksize");
  chosen = config();
  chosen.store = words[2];
  for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
    pthread_t thread;
    if (pthread_create(&thread, &attributes, functions[i].run, NULL)) die("pthread_create");
    pthread_join(thread, NULL);
    if (!strcmp(functions[i].name, "new")) handle = made;
    print("done %s", functions[i].name);
  }
  return 0;
}
