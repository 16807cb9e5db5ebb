/* Requests the company from the API with libcurl, and recovers if the token is revoked. */
#include <stdio.h>

#include "authorized.h"

enum { TIMEOUT_S = 10 };

static size_t print(char *data, size_t size, size_t count, void *context) {
  (void)context;
  return fwrite(data, size, count, stdout) * size;
}

int main(void) {
  const char *base_url = getenv("BANKHUB_BASE_URL");
  bankhub_config config = {.size = sizeof config,
                           .client_id = getenv("BANKHUB_CLIENT_ID"),
                           .client_secret = getenv("BANKHUB_CLIENT_SECRET"),
                           .base_url = base_url};
  bankhub_token *cache;
  bankhub_error error;
  char url[512];
  if (bankhub_token_new(&config, &cache, &error) != BANKHUB_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 1;
  }
  curl_global_init(CURL_GLOBAL_DEFAULT);
  struct authorized request = {.curl = curl_easy_init(),
                               .cache = cache,
                               .base_url = base_url && *base_url ? base_url : BANKHUB_SANDBOX_URL,
                               .repeatable = 1,
                               .write = print};
  snprintf(url, sizeof url, "%s/v1/company", request.base_url);
  curl_easy_setopt(request.curl, CURLOPT_TIMEOUT, (long)TIMEOUT_S);
  CURLcode code = perform_authorized(&request, url, &error);
  if (code != CURLE_OK) fprintf(stderr, "%s\n", error.status ? error.message : curl_easy_strerror(code));
  curl_easy_cleanup(request.curl);
  curl_global_cleanup();
  bankhub_token_free(cache);
  return code != CURLE_OK;
}
