/* The conformance driver for C (../PROTOCOL.md): reads requests, makes the calls, prints the replies. */
#include <pthread.h>

#include "bankhub.h"
#include "layout.h"
#include "line.h"

/* Memory is filled with JUNK before a call, so that bytes that the library does not write are visible. */
enum { JUNK = 0xA5, BUFFER_BYTES = 8192, CACHES = 4096, CALLS = 1024 };

typedef struct call {
  pthread_t thread;
  bankhub_token *handle;
  uint32_t timeout_ms;
  bankhub_status status;
  bankhub_error error, *error_or_null;
  bankhub_access_token token, *token_or_null;
} call;

static struct { char name[64]; bankhub_token *handle; } caches[CACHES];
static call calls[CALLS];
static int cache_count, call_count;

static void put_result(bankhub_status status, const bankhub_error *error) {
  printf(status == BANKHUB_OK ? "ok" : "error status=%d", (int)status);
  put_number("http_status", error->http_status), put_number("retry_after_ms", (long long)error->retry_after_ms);
  put_text("type", bankhub_status_name(status)), put_text("message", error->message);
  put_number("error.status", error->status);
  put_nonzero("error.reserved_nonzero", error->reserved, sizeof error->reserved);
}

static void put_call(call *call) {
  put_result(call->status, &call->error);
  put_text("value", call->token.value), put_number("generation", (long long)call->token.generation);
  put_number("expires_at", call->token.expires_at), put_number("length", (long long)call->token.length);
  put_nonzero("reserved_nonzero", call->token.reserved, sizeof call->token.reserved);
  bankhub_access_token_wipe(&call->token);
  put_nonzero("wiped_nonzero", &call->token, sizeof call->token);
}

static bankhub_token *handle_of(const char *name) {
  for (int i = cache_count; i-- > 0;)
    if (!strcmp(caches[i].name, name)) return caches[i].handle;
  return (bankhub_token *)(uintptr_t)(*name == '@' ? strtoull(name + 1, NULL, 10) : 0);
}

static bankhub_error *error_for(bankhub_error *error) {
  memset(error, is_null("error") ? 0 : JUNK, sizeof *error);
  error->message[BANKHUB_MESSAGE_CAPACITY - 1] = 0;
  return is_null("error") ? NULL : error;
}

static call *prepare(call *call, const char *timeout) {
  call->handle = handle_of(word(1));
  call->timeout_ms = strcmp(timeout, "default") ? (uint32_t)strtoul(timeout, NULL, 10) : BANKHUB_TIMEOUT_DEFAULT;
  call->error_or_null = error_for(&call->error);
  call->token_or_null = is_null("out") ? NULL : &call->token;
  memset(&call->token, JUNK, sizeof call->token);
  call->token.value[BANKHUB_TOKEN_CAPACITY - 1] = 0;
  return call;
}

static void *get(void *prepared) {
  call *call = prepared;
  call->status = bankhub_token_get(call->handle, call->timeout_ms, call->token_or_null, call->error_or_null);
  return call;
}

static void keep(const char *name, bankhub_status status, bankhub_token *handle) {
  if (status != BANKHUB_OK || cache_count >= CACHES) return;
  snprintf(caches[cache_count].name, sizeof caches->name, "%s", name);
  caches[cache_count++].handle = handle;
}

static void make(const char *name) {
  static union { bankhub_config config; unsigned char bytes[BUFFER_BYTES]; } buffer;
  bankhub_token *handle = (bankhub_token *)(uintptr_t)JUNK;
  bankhub_error error, *error_or_null = error_for(&error);
  buffer.config = (bankhub_config){
      number("size", sizeof(bankhub_config)), option("client_id"), option("client_secret"), option("base_url"),
      option("ca_file"), option("proxy"), option("store"), (uint32_t)number("connect_timeout_ms", 0),
      (uint32_t)number("request_timeout_ms", 0), (uint32_t)number("get_timeout_ms", 0),
      (uint32_t)number("refresh_ahead_s", 0), (uint32_t)number("flags", number("allow_http", 0) * BANKHUB_ALLOW_HTTP),
      (uint32_t)number("reserved", 0)};
  buffer.bytes[sizeof(bankhub_config)] = (unsigned char)number("tail", 0);
  bankhub_status status =
      bankhub_token_new(is_null("config") ? NULL : &buffer.config, is_null("out") ? NULL : &handle, error_or_null);
  keep(name, status, handle);
  put_result(status, &error);
  printf(" handle=%llu", (unsigned long long)(uintptr_t)handle);
}

static void from_env(const char *name) {
  bankhub_token *handle;
  bankhub_error error;
  bankhub_config config = {.size = sizeof config, .client_id = getenv("BANKHUB_CLIENT_ID"),
                           .client_secret = getenv("BANKHUB_CLIENT_SECRET"), .base_url = getenv("BANKHUB_BASE_URL"),
                           .ca_file = getenv("BANKHUB_CA_FILE"), .store = getenv("BANKHUB_STORE")};
  bankhub_status status = bankhub_token_new(&config, &handle, &error);
  keep(name, status, handle);
  put_result(status, &error);
}

static void join(void) {
  printf("ok count=%d", call_count);
  for (int i = 0; i < call_count; i++) pthread_join(calls[i].thread, NULL), printf("\n"), put_call(&calls[i]);
  call_count = 0;
}

static void stats(bankhub_token *handle) {
  static union { bankhub_stats stats; unsigned char bytes[BUFFER_BYTES]; } buffer;
  static const bankhub_error no_error;
  long long written = BUFFER_BYTES;
  memset(&buffer, JUNK, sizeof buffer);
  buffer.stats.size = number("size", sizeof(bankhub_stats));
  bankhub_status status = bankhub_token_stats(handle, is_null("out") ? NULL : &buffer.stats);
  while (buffer.bytes[written - 1] == JUNK) written--;
  put_result(status, &no_error), put_number("written", written);
#define FIELD(S, F) put_number(#F, (long long)buffer.S.F);
  if (status != BANKHUB_OK) return;
  STATS_NUMBERS(FIELD, stats) FIELD(stats, last_error.status) FIELD(stats, last_error.http_status)
  put_text("last_error.message", buffer.stats.last_error.message);
}

static void start(int count) {
  for (; count > 0 && call_count < CALLS; count--, call_count++)
    pthread_create(&calls[call_count].thread, NULL, get, prepare(&calls[call_count], word(3)));
  printf("ok");
}

static void put_generation(bankhub_token *handle) {
  printf("ok"), put_number("generation", (long long)bankhub_token_generation(handle));
}

static void about(int status) {
  printf("ok"), put_number("abi_version", bankhub_abi_version()), put_text("version", bankhub_version());
  put_text("status_name", bankhub_status_name(status));
}

static void reply(const char *verb, bankhub_token *handle) {
  bankhub_error error, *error_or_null = error_for(&error);
  if (!strcmp(verb, "layout")) layout();
  else if (!strcmp(verb, "new")) make(word(1));
  else if (!strcmp(verb, "from_env")) from_env(word(1));
  else if (!strcmp(verb, "get") || !strcmp(verb, "token")) put_call(get(prepare(&calls[call_count], word(2))));
  else if (!strcmp(verb, "start")) start(atoi(word(2)));
  else if (!strcmp(verb, "join")) join();
  else if (!strcmp(verb, "generation")) put_generation(handle);
  else if (!strcmp(verb, "invalidate")) put_result(bankhub_token_invalidate(handle, word(2), error_or_null), &error);
  else if (!strcmp(verb, "stats")) stats(handle);
  else if (!strcmp(verb, "close")) bankhub_token_free(handle), printf("ok");
  else if (!strcmp(verb, "about")) about(atoi(word(1)));
  else printf("unknown");
}

int main(void) {
  static char line[LINE_BYTES];
  for (printf("ready c\n"), fflush(stdout); fgets(line, sizeof line, stdin); printf("\n"), fflush(stdout)) {
    read_words(line);
    reply(words[0], word_count > 1 ? handle_of(words[1]) : NULL);
  }
}
