/* Prints how many microseconds pass from dlopen to the first token: first_token LIBRARY BASE_URL [CA_FILE] */
#define _GNU_SOURCE
#include <bankhub.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static long long microseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * 1000000LL + time.tv_nsec / 1000;
}

int main(int count, char **words) {
  static bankhub_access_token access;
  bankhub_error error;
  bankhub_token *token;
  bankhub_config config = {.size = sizeof config,
                           .client_id = getenv("BANKHUB_CLIENT_ID"),
                           .client_secret = getenv("BANKHUB_CLIENT_SECRET"),
                           .base_url = words[2],
                           .ca_file = count > 3 ? words[3] : NULL,
                           .proxy = ""};
  long long begun = microseconds();
  void *library = dlopen(words[1], RTLD_NOW | RTLD_LOCAL);
  if (!library)
    return fprintf(stderr, "%s\n", dlerror()), 1;
  __typeof__(bankhub_token_new) *new;
  __typeof__(bankhub_token_get) *get;
  *(void **)&new = dlsym(library, "bankhub_token_new");
  *(void **)&get = dlsym(library, "bankhub_token_get");
  if (new(&config, &token, &error) || get(token, BANKHUB_TIMEOUT_DEFAULT, &access, &error))
    return fprintf(stderr, "%s\n", error.message), 1;
  printf("%lld\n", microseconds() - begun);
}
