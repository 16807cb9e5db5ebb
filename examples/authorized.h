/* Sends a libcurl request with a token, and once more if an API answers 401, except after a redirect. Copy this file
 * into your program. It needs libcurl 7.83 or later: an older one may send the token along a redirect to another port.
 */
#ifndef AUTHORIZED_H
#define AUTHORIZED_H

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>

#include "bankhub.h"

enum { UNAUTHORIZED = 401, HELD_BYTES_MAX = CURL_MAX_WRITE_SIZE };

/* One request of one thread. Set everything else on `curl` as usual: method, body and timeout. The timeout is that of
 * each attempt; the wait for a token ends by the timeout of the cache. For a request that has an Authorization header,
 * use curl_easy_perform instead. With libcurl's cookies on (CURLOPT_COOKIEFILE), those of a 401 go along with the
 * second request. */
struct authorized {
  CURL *curl;
  const bankhub_token *cache;
  const char *base_url;      /* of the cache; only its origin (scheme, host, port) gets the token */
  int repeatable;            /* whether the body can be sent again: no body or POSTFIELDS, but no read callback */
  curl_write_callback write; /* receives the body of the response */
  void *context;             /* passed to `write` */

  char *held; /* the start of the body of the first 401; it is dropped if the request is sent again */
  size_t held_bytes;
};

/* The status of the response is that of `curl`. If there is no token, nothing is sent, `error` says why, and the
 * function returns CURLE_LOGIN_DENIED. */
static CURLcode perform_authorized(struct authorized *request, const char *url, bankhub_error *error);

static int same_part(CURLU *one, CURLU *other, CURLUPart part) {
  char *first = NULL, *second = NULL;
  int same = curl_url_get(one, part, &first, CURLU_DEFAULT_PORT) == CURLUE_OK &&
             curl_url_get(other, part, &second, CURLU_DEFAULT_PORT) == CURLUE_OK && curl_strequal(first, second);
  curl_free(first);
  curl_free(second);
  return same;
}

static int same_origin(const char *url, const char *base_url) {
  CURLU *one = curl_url(), *other = curl_url();
  int same = one && other && curl_url_set(one, CURLUPART_URL, url, 0) == CURLUE_OK &&
             curl_url_set(other, CURLUPART_URL, base_url, 0) == CURLUE_OK &&
             same_part(one, other, CURLUPART_SCHEME) && same_part(one, other, CURLUPART_HOST) &&
             same_part(one, other, CURLUPART_PORT);
  curl_url_cleanup(one);
  curl_url_cleanup(other);
  return same;
}

/* Whether the response is a 401 to the token. After a redirect to another origin, libcurl has not sent the token. */
static int rejected(const struct authorized *request) {
  long status = 0;
  char *url = NULL;
  curl_easy_getinfo(request->curl, CURLINFO_RESPONSE_CODE, &status);
  curl_easy_getinfo(request->curl, CURLINFO_EFFECTIVE_URL, &url);
  return status == UNAUTHORIZED && url && same_origin(url, request->base_url);
}

/* Whether there is a response. With CURLOPT_FAILONERROR, a 401 is CURLE_HTTP_RETURNED_ERROR. */
static int has_response(CURLcode code) { return code == CURLE_OK || code == CURLE_HTTP_RETURNED_ERROR; }

static size_t hold_back(char *data, size_t size, size_t count, void *context) {
  struct authorized *request = (struct authorized *)context;
  if (!rejected(request)) return request->write(data, size, count, request->context);
  size_t space = HELD_BYTES_MAX - request->held_bytes, bytes = size * count < space ? size * count : space;
  char *held = (char *)realloc(request->held, request->held_bytes + bytes + 1);
  if (!held) return 0;
  memcpy(held + request->held_bytes, data, bytes);
  request->held = held;
  request->held_bytes += bytes;
  return size * count;
}

static CURLcode perform_with(struct authorized *request, const bankhub_access_token *token) {
  curl_easy_setopt(request->curl, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER);
  curl_easy_setopt(request->curl, CURLOPT_XOAUTH2_BEARER, token->value);
  CURLcode code = curl_easy_perform(request->curl);
  curl_easy_setopt(request->curl, CURLOPT_XOAUTH2_BEARER, NULL);
  return code;
}

/* Reports the token as rejected. Whether there is another token and the request may be sent again: a request that was
 * redirected has had its effect, and must not be sent twice. */
static int replace(const struct authorized *request, bankhub_access_token *token) {
  uint64_t generation = token->generation;
  long redirects = 0;
  curl_easy_getinfo(request->curl, CURLINFO_REDIRECT_COUNT, &redirects);
  bankhub_token_invalidate(request->cache, token->value, NULL);
  return request->repeatable && redirects == 0 &&
         bankhub_token_get(request->cache, BANKHUB_TIMEOUT_DEFAULT, token, NULL) == BANKHUB_OK &&
         token->generation != generation;
}

static void receive_with(CURL *curl, curl_write_callback write, void *context) {
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, context);
}

static CURLcode perform_authorized(struct authorized *request, const char *url, bankhub_error *error) {
  bankhub_access_token token;
  curl_easy_setopt(request->curl, CURLOPT_URL, url);
  receive_with(request->curl, request->write, request->context);
  memset(error, 0, sizeof *error);
  if (!same_origin(url, request->base_url)) return curl_easy_perform(request->curl);
  if (bankhub_token_get(request->cache, BANKHUB_TIMEOUT_DEFAULT, &token, error) != BANKHUB_OK)
    return CURLE_LOGIN_DENIED;
  receive_with(request->curl, hold_back, request);
  CURLcode code = perform_with(request, &token);
  receive_with(request->curl, request->write, request->context);
  if (has_response(code) && rejected(request)) {
    if (replace(request, &token)) {
      request->held_bytes = 0;
      code = perform_with(request, &token);
      if (has_response(code) && rejected(request)) bankhub_token_invalidate(request->cache, token.value, NULL);
    }
    size_t bytes = request->held_bytes;
    if (bytes && request->write(request->held, 1, bytes, request->context) != bytes) code = CURLE_WRITE_ERROR;
  }
  bankhub_access_token_wipe(&token);
  free(request->held);
  request->held = NULL;
  request->held_bytes = 0;
  return code;
}

#endif
