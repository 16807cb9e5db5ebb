/* Gets a token, uses it, recovers from its revocation, and shows that 64 threads cause one token request. */
#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "bankhub.h"

enum { THREADS = 64, HTTP_TIMEOUT_S = 10 };

static bankhub_token *new_cache(void);
static void get(bankhub_token *cache, bankhub_access_token *token);
static void print_token(const bankhub_access_token *token);
static void recover_from_revocation(bankhub_token *cache, const char *revoke_url);
static unsigned long long requests_of_threads(void);
static long get_company(const bankhub_access_token *token, long expected);
static long send_request(CURL *request);

int main(void) {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  bankhub_token *cache = new_cache();
  bankhub_access_token token;
  get(cache, &token);
  print_token(&token);
  printf("resource: %ld\n", get_company(&token, 200));
  bankhub_access_token_wipe(&token);
  if (getenv("BANKHUB_DEMO_REVOKE_URL")) recover_from_revocation(cache, getenv("BANKHUB_DEMO_REVOKE_URL"));
  bankhub_token_free(cache);
  printf("threads: %llu\n", requests_of_threads());
  curl_global_cleanup();
  return 0;
}

static void fail(const char *what, const char *why) {
  fprintf(stderr, "demo: %s: %s\n", what, why);
  exit(1);
}

static bankhub_token *new_cache(void) {
  bankhub_config config = {.size = sizeof config,
                           .client_id = getenv("BANKHUB_CLIENT_ID"),
                           .client_secret = getenv("BANKHUB_CLIENT_SECRET"),
                           .base_url = getenv("BANKHUB_BASE_URL")}; /* NULL: the Bank Hub's sandbox */
  bankhub_token *cache;
  bankhub_error error;
  if (bankhub_token_new(&config, &cache, &error) != BANKHUB_OK) fail(bankhub_status_name(error.status), error.message);
  return cache;
}

static void get(bankhub_token *cache, bankhub_access_token *token) {
  bankhub_error error;
  if (bankhub_token_get(cache, BANKHUB_TIMEOUT_DEFAULT, token, &error) != BANKHUB_OK)
    fail(bankhub_status_name(error.status), error.message);
}

/* Does not print the whole token, because a reader of the output could use it. */
static void print_token(const bankhub_access_token *token) {
  char expires[32];
  time_t expires_at = (time_t)token->expires_at;
  strftime(expires, sizeof expires, "%Y-%m-%d %H:%M:%S UTC", gmtime(&expires_at));
  if (token->length < 16) fail("token", "it is too short to be masked");
  printf("token: %.4s…%s\n", token->value, token->value + token->length - 4);
  printf("expires: %s\n", expires);
}

/* Reports the rejected token, gets another one, and sends the request once more. */
static void recover_from_revocation(bankhub_token *cache, const char *revoke_url) {
  CURL *request = curl_easy_init();
  curl_easy_setopt(request, CURLOPT_URL, revoke_url);
  curl_easy_setopt(request, CURLOPT_POSTFIELDS, "");
  send_request(request);

  bankhub_access_token token;
  get(cache, &token);
  long before = get_company(&token, 401);

  bankhub_error error;
  if (bankhub_token_invalidate(cache, token.value, &error) != BANKHUB_OK)
    fail(bankhub_status_name(error.status), error.message);
  get(cache, &token);
  printf("revoked: %ld, then %ld\n", before, get_company(&token, 200));
  bankhub_access_token_wipe(&token);
}

static void *get_in_thread(void *cache) {
  bankhub_access_token token;
  get(cache, &token);
  bankhub_access_token_wipe(&token);
  return NULL;
}

static unsigned long long requests_of_threads(void) {
  bankhub_token *cache = new_cache();
  pthread_t threads[THREADS];
  for (int i = 0; i < THREADS; i++)
    if (pthread_create(&threads[i], NULL, get_in_thread, cache) != 0) fail("pthread_create", "no thread could start");
  for (int i = 0; i < THREADS; i++) pthread_join(threads[i], NULL);
  bankhub_stats stats = {.size = sizeof stats};
  bankhub_status status = bankhub_token_stats(cache, &stats);
  if (status != BANKHUB_OK) fail("stats", bankhub_status_name(status));
  bankhub_token_free(cache);
  return stats.requests;
}

static long get_company(const bankhub_access_token *token, long expected) {
  const char *base_url = getenv("BANKHUB_BASE_URL");
  char url[512];
  snprintf(url, sizeof url, "%s/v1/company", base_url && *base_url ? base_url : BANKHUB_SANDBOX_URL);
  CURL *request = curl_easy_init();
  curl_easy_setopt(request, CURLOPT_URL, url);
  curl_easy_setopt(request, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
  curl_easy_setopt(request, CURLOPT_XOAUTH2_BEARER, token->value);
  long status = send_request(request);
  if (status == expected) return status;
  fprintf(stderr, "demo: the API answered %ld, expected %ld\n", status, expected);
  exit(1);
}

static size_t ignore(char *body, size_t size, size_t count, void *context) {
  (void)body, (void)context;
  return size * count;
}

/* Sends and frees the request, and returns the status of the response. */
static long send_request(CURL *request) {
  long status = 0;
  curl_easy_setopt(request, CURLOPT_TIMEOUT, (long)HTTP_TIMEOUT_S);
  curl_easy_setopt(request, CURLOPT_WRITEFUNCTION, ignore);
  CURLcode code = curl_easy_perform(request);
  if (code != CURLE_OK) fail("request", curl_easy_strerror(code));
  curl_easy_getinfo(request, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_cleanup(request);
  return status;
}
