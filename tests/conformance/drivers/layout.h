/* The structs and constants of bankhub.h as the C compiler sees them. */
#include "bankhub.h"
#include "line.h"

#define CONFIG_FIELDS(X, S) \
  X(S, size) X(S, client_id) X(S, client_secret) X(S, base_url) X(S, ca_file) X(S, proxy) X(S, store) \
  X(S, connect_timeout_ms) X(S, request_timeout_ms) X(S, get_timeout_ms) X(S, refresh_ahead_s) \
  X(S, flags) X(S, reserved)

#define ACCESS_TOKEN_FIELDS(X, S) X(S, generation) X(S, expires_at) X(S, reserved) X(S, length) X(S, value)

#define ERROR_FIELDS(X, S) X(S, status) X(S, http_status) X(S, retry_after_ms) X(S, reserved) X(S, message)

/* The fields that the verb `stats` prints. */
#define STATS_NUMBERS(X, S) \
  X(S, generation) X(S, expires_at) X(S, refresh_at) X(S, next_attempt_at) X(S, last_success_at) X(S, last_failure_at) \
  X(S, requests) X(S, successes) X(S, failures) X(S, consecutive_failures) X(S, rejections) X(S, ignored_rejections) \
  X(S, waiters) X(S, fetching)

#define NUMBERS(X) \
  X(ABI_MAJOR) X(ABI_MINOR) X(ALLOW_HTTP) X(TOKEN_CAPACITY) X(MESSAGE_CAPACITY) X(TIMEOUT_DEFAULT) \
  X(OK) X(INVALID_ARGUMENT) X(UNAUTHENTICATED) X(RATE_LIMITED) X(UNAVAILABLE) X(BAD_RESPONSE) X(DEADLINE) X(CLOSED) \
  X(INTERNAL)

static inline void layout(void) {
#define SIZE(S) put_number("sizeof." #S, sizeof(S));
#define OFFSET(S, F) put_number("offsetof." #S "." #F, offsetof(S, F));
#define CONSTANT(N) put_number("const.BANKHUB_" #N, BANKHUB_##N);
  printf("ok");
  SIZE(bankhub_config) CONFIG_FIELDS(OFFSET, bankhub_config)
  SIZE(bankhub_access_token) ACCESS_TOKEN_FIELDS(OFFSET, bankhub_access_token)
  SIZE(bankhub_error) ERROR_FIELDS(OFFSET, bankhub_error)
  SIZE(bankhub_stats) STATS_NUMBERS(OFFSET, bankhub_stats)
  OFFSET(bankhub_stats, size) OFFSET(bankhub_stats, reserved) OFFSET(bankhub_stats, last_error)
  NUMBERS(CONSTANT)
  put_text("const.BANKHUB_SANDBOX_URL", BANKHUB_SANDBOX_URL);
  put_text("const.BANKHUB_PRODUCTION_URL", BANKHUB_PRODUCTION_URL);
}
