// bankhub for C++17: RAII, exceptions and the types of std over bankhub.h. Header-only; link with -lbankhub.
//
// Threads: any number of threads may call a TokenCache at once. Only one thread may move or destroy it, and no other
//   thread may use it then.
// Failures: an exception derived from bankhub::Error, one class for each status of bankhub.h. A function whose name
//   starts with try_ returns the Error instead. No Error contains a secret. In a program compiled without exceptions,
//   a function that would throw aborts.

#ifndef BANKHUB_HPP
#define BANKHUB_HPP

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "bankhub.h"

namespace bankhub {

struct Config;
struct Stats;
class Error;
class Token;
template <class Value>
class Result;

/// Keeps one valid token. Make one per client id and share it.
///
/// A move moves the token too. Every call of a moved-from cache fails with InvalidArgument.
class TokenCache {
 public:
  /// Sends no request, but reads `ca_file`, the system's trusted roots and the proxy variables of the environment.
  ///
  /// Throws InvalidArgument, whose message names the wrong field, or InternalError.
  explicit TokenCache(const Config &config);

  /// Makes a cache from the environment: BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET, which are required, and
  /// BANKHUB_BASE_URL, BANKHUB_STORE and BANKHUB_CA_FILE. A variable that is empty counts as not set, and on Linux so
  /// does every one in a setuid program. Throws the same errors as the constructor.
  static TokenCache from_env();

  static Result<TokenCache> try_new(const Config &config) noexcept;

  /// Throws only std::bad_alloc.
  static Result<TokenCache> try_from_env();

  /// Returns a valid token at once if there is one. Otherwise it waits for the one token request that serves all
  /// callers, for at most `get_timeout` of the config. If there is a store and the token is due, it first waits for
  /// the token of another process, for at most 100 ms.
  ///
  /// Throws any Error.
  Token get() const;

  /// get() with a timeout of its own, which is rounded up to milliseconds. With zero or less it never waits. The
  /// timeout ends the wait, not the request.
  template <class Rep, class Period>
  Token get(std::chrono::duration<Rep, Period> timeout) const;

  Result<Token> try_get() const noexcept;

  template <class Rep, class Period>
  Result<Token> try_get(std::chrono::duration<Rep, Period> timeout) const noexcept;

  /// The generation of the token that get() would return at once. 0: there is none, or another process may be about to
  /// replace it. Never blocks. Starts a refresh that is due.
  std::uint64_t generation() const noexcept { return bankhub_token_generation(handle_.get()); }

  /// Reports that an API answered 401 to this token. The cache replaces it if it is still the current token.
  /// Never blocks.
  ///
  /// Throws Closed or InternalError.
  void invalidate(const Token &rejected) const;

  /// The same for the text of a token. Any other text changes nothing. Throws InvalidArgument if it contains a NUL.
  void invalidate(std::string_view rejected) const;

  Result<void> try_invalidate(const Token &rejected) const noexcept;
  Result<void> try_invalidate(std::string_view rejected) const noexcept;

  /// The statistics of the cache. Never blocks. Throws Closed or InternalError.
  Stats stats() const;

  Result<Stats> try_stats() const noexcept;

  /// Ends the cache and wipes its token. Waiting calls throw Closed at once, and so does every later call. The
  /// destructor does the same.
  void close() noexcept { bankhub_token_free(handle_.get()); }

 private:
  struct Free {
    void operator()(bankhub_token *handle) const noexcept { bankhub_token_free(handle); }
  };

  explicit TokenCache(bankhub_token *handle) noexcept : handle_(handle) {}

  Token copy(std::uint32_t timeout_ms) const;
  Result<Token> try_copy(std::uint32_t timeout_ms) const noexcept;

  // close() does not reset it: it is a number, and calls with a closed one return Closed.
  std::unique_ptr<bankhub_token, Free> handle_;
};

/// The settings of a cache. The first two are required. Every other field has a default, which is also what an empty
/// text means, but for `proxy`.
struct Config {
  std::string client_id;                        ///< not empty, no ':' and no control characters
  std::string client_secret;                    ///< not empty, no control characters
  std::optional<std::string> base_url;          ///< "https://host[:port][/path]"; default BANKHUB_SANDBOX_URL
  std::optional<std::string> ca_file;           ///< a PEM file of certificates to trust in addition to the system's
  std::optional<std::string> proxy;             ///< "http://[user:password@]host[:port]"; "": none; default HTTPS_PROXY
  std::optional<std::string> store;             ///< to share the token: "file:/DIR", "redis://…" and more
  std::chrono::milliseconds connect_timeout{};  ///< for connect and TLS handshake; 0: 5 s
  std::chrono::milliseconds request_timeout{};  ///< for one token request, from start to last byte; 0: 10 s
  std::chrono::milliseconds get_timeout{};      ///< for get() without a timeout of its own; 0: 30 s
  std::chrono::seconds refresh_ahead{};         ///< how long before a token expires it is refreshed; 0: ttl/10
  bool allow_http = false;                      ///< allow plain http beyond loopback, without encryption
};

/// One access token. The value is in the object itself, not on the heap, so that no copy is left after it is wiped.
class Token {
 public:
  Token(const Token &) = default;
  Token &operator=(const Token &) = default;
  ~Token() { bankhub_access_token_wipe(&native_); }

  /// The text to send after "Authorization: Bearer ": 1 to 4,095 characters of visible ASCII (0x21 to 0x7E). It is
  /// valid as long as this object. It is a secret.
  std::string_view value() const noexcept { return {native_.value, native_.length}; }

  /// value(), NUL-terminated.
  const char *c_str() const noexcept { return native_.value; }

  /// Never 0; grows with every new token of its cache.
  std::uint64_t generation() const noexcept { return native_.generation; }

  /// When the token request was sent, plus the ttl.
  std::chrono::system_clock::time_point expires_at() const noexcept {
    return std::chrono::system_clock::time_point(std::chrono::seconds(native_.expires_at));
  }

 private:
  friend class TokenCache;
  Token() = default;

  bankhub_access_token native_ = {};
};

/// Says why a call failed. It uses no heap.
class Error : public std::exception {
 public:
  explicit Error(const bankhub_error &native) noexcept : native_(native) {}

  /// Throws this error as the class of its status.
  [[noreturn]] void raise() const;

  /// One sentence for an operator, without any secret.
  const char *what() const noexcept override { return native_.message; }

  /// BANKHUB_INVALID_ARGUMENT or another constant of bankhub.h.
  bankhub_status status() const noexcept { return native_.status; }

  /// The HTTP status of the response that caused the error; 0: there was none.
  int http_status() const noexcept { return native_.http_status; }

  /// The time until the next token request may be sent. Zero: no known wait; status() tells whether a retry can help.
  std::chrono::milliseconds retry_after() const noexcept { return std::chrono::milliseconds(native_.retry_after_ms); }

 private:
  bankhub_error native_;
};

/// An argument is wrong; the message names it. The same call fails again.
struct InvalidArgument : Error {
  explicit InvalidArgument(const Error &error) : Error(error) {}
};

/// The server refuses the client id or secret, or the client is disabled.
struct Unauthenticated : Error {
  explicit Unauthenticated(const Error &error) : Error(error) {}
};

/// The server received too many requests. retry_after() says when the next one may be sent.
struct RateLimited : Error {
  explicit RateLimited(const Error &error) : Error(error) {}
};

/// The server could not be reached, or it failed. Try again later.
struct Unavailable : Error {
  explicit Unavailable(const Error &error) : Error(error) {}
};

/// The server sent a response that the API does not document.
struct BadResponse : Error {
  explicit BadResponse(const Error &error) : Error(error) {}
};

/// The timeout of the call passed first. The message names the last failure.
struct DeadlineExceeded : Error {
  explicit DeadlineExceeded(const Error &error) : Error(error) {}
};

/// The cache was closed.
struct Closed : Error {
  explicit Closed(const Error &error) : Error(error) {}
};

/// A defect of the library, a thread that could not start, or a library that is too old.
struct InternalError : Error {
  explicit InternalError(const Error &error) : Error(error) {}
};

/// A value or an Error, like std::expected<Value, Error> of C++23.
template <class Value>
class [[nodiscard]] Result {
 public:
  Result(Value value) noexcept : outcome_(std::move(value)) {}
  Result(const Error &error) noexcept : outcome_(error) {}

  bool has_value() const noexcept { return outcome_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// Only if there is a value.
  Value &operator*() noexcept { return *std::get_if<0>(&outcome_); }
  const Value &operator*() const noexcept { return *std::get_if<0>(&outcome_); }
  Value *operator->() noexcept { return std::get_if<0>(&outcome_); }
  const Value *operator->() const noexcept { return std::get_if<0>(&outcome_); }

  /// Returns the value, or throws the error as the class of its status.
  const Value &value() const &;
  Value value() &&;

  /// Only if there is no value.
  const Error &error() const noexcept { return *std::get_if<1>(&outcome_); }

 private:
  std::variant<Value, Error> outcome_;
};

/// Success or an Error.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() noexcept = default;
  Result(const Error &error) noexcept : error_(error) {}

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }

  /// Throws the error, if there is one, as the class of its status.
  void value() const {
    if (error_) error_->raise();
  }

  /// Only if there is an error.
  const Error &error() const noexcept { return *error_; }

 private:
  std::optional<Error> error_;
};

/// The counters and times of a cache: for monitoring, not for deciding when to call get(). Contains no secret.
struct Stats {
  /// Empty: not known.
  using Moment = std::optional<std::chrono::system_clock::time_point>;

  std::uint64_t generation;  ///< of the token that get() would return at once; 0: none
  Moment expires_at;         ///< when that token expires
  Moment refresh_at;         ///< when its refresh in the background is due
  Moment next_attempt_at;    ///< no token request is sent before this time
  Moment last_success_at;
  Moment last_failure_at;
  std::uint64_t requests;              ///< token requests sent
  std::uint64_t successes;             ///< token requests that returned a usable token
  std::uint64_t failures;              ///< token requests that failed
  std::uint64_t consecutive_failures;  ///< failures since the last success
  std::uint64_t rejections;            ///< calls of invalidate() with the current token
  std::uint64_t ignored_rejections;    ///< calls of invalidate() with any other text
  std::uint64_t waiters;               ///< callers blocked in get() now
  bool fetching;                       ///< whether a fetch is in flight
  std::optional<Error> last_error;     ///< of the last failed fetch, else of the store, until it works again
};

namespace detail {

/// An error of this header. The values are arguments of std::snprintf.
template <class... Values>
Error error(bankhub_status status, const char *format, Values... values) noexcept {
  bankhub_error native = {};
  native.status = status;
  std::snprintf(native.message, sizeof native.message, format, values...);
  return Error(native);
}

/// Refuses an older minor version, which has the same soname.
inline Result<void> check_library() noexcept {
  const auto found = bankhub_abi_version();
  const auto major = static_cast<int>(found >> 16), minor = static_cast<int>(found & 0xffff);
  if (major == BANKHUB_ABI_MAJOR && minor >= BANKHUB_ABI_MINOR) return {};
  return error(BANKHUB_INTERNAL,
               "libbankhub %s does not fit: it has ABI %d.%d, this program needs %d.%d or a later %d.x; install that",
               bankhub_version(), major, minor, BANKHUB_ABI_MAJOR, BANKHUB_ABI_MINOR, BANKHUB_ABI_MAJOR);
}

/// In C a NUL ends the text, so that the rest would be lost.
inline Result<void> check_text(const char *field, std::string_view value) noexcept {
  if (value.find('\0') == value.npos) return {};
  return error(BANKHUB_INVALID_ARGUMENT, "%s contains a NUL character; remove it", field);
}

/// Converts the fields of a Config to those of C. `checked` is the error of the first field that C cannot represent.
struct Fields {
  Result<void> checked = check_library();

  const char *text(const char *field, const std::string &value) noexcept {
    if (checked) checked = check_text(field, value);
    return value.c_str();
  }

  const char *text(const char *field, const std::optional<std::string> &value) noexcept {
    return value ? text(field, *value) : nullptr;
  }

  std::uint32_t number(const char *field, std::int64_t value) noexcept {
    if (checked && (value < 0 || value > UINT32_MAX)) {
      checked = error(BANKHUB_INVALID_ARGUMENT, "%s is %lld; expected 0 to %lld", field, static_cast<long long>(value),
                      static_cast<long long>(UINT32_MAX));
    }
    return static_cast<std::uint32_t>(value);
  }
};

/// The caller of a setuid program must not choose where the secret goes.
inline std::optional<std::string> variable(const char *name) {
#if defined(__linux__) && defined(_GNU_SOURCE)
  const char *value = secure_getenv(name);
#else
  const char *value = std::getenv(name);
#endif
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

/// Rounds up. It uses a double, because no duration overflows it. NaN becomes 0.
template <class Rep, class Period>
std::uint32_t milliseconds(std::chrono::duration<Rep, Period> timeout) noexcept {
  const std::chrono::duration<double, std::milli> wanted(timeout);
  constexpr double longest = BANKHUB_TIMEOUT_DEFAULT - 1;
  return wanted.count() > 0 ? static_cast<std::uint32_t>(std::min(std::ceil(wanted.count()), longest)) : 0;
}

inline Stats::Moment moment(std::int64_t unix_seconds) noexcept {
  if (unix_seconds == 0) return std::nullopt;
  return std::chrono::system_clock::time_point(std::chrono::seconds(unix_seconds));
}

}  // namespace detail

inline void Error::raise() const {
#ifdef __cpp_exceptions
  switch (status()) {
    case BANKHUB_INVALID_ARGUMENT: throw InvalidArgument(*this);
    case BANKHUB_UNAUTHENTICATED: throw Unauthenticated(*this);
    case BANKHUB_RATE_LIMITED: throw RateLimited(*this);
    case BANKHUB_UNAVAILABLE: throw Unavailable(*this);
    case BANKHUB_BAD_RESPONSE: throw BadResponse(*this);
    case BANKHUB_DEADLINE: throw DeadlineExceeded(*this);
    case BANKHUB_CLOSED: throw Closed(*this);
    case BANKHUB_INTERNAL: throw InternalError(*this);
    default: throw *this;  // a status that only a later library has
  }
#else
  std::abort();
#endif
}

template <class Value>
const Value &Result<Value>::value() const & {
  if (!has_value()) error().raise();
  return **this;
}

template <class Value>
Value Result<Value>::value() && {
  if (!has_value()) error().raise();
  return std::move(**this);
}

inline TokenCache::TokenCache(const Config &config) : TokenCache(try_new(config).value()) {}

inline Result<TokenCache> TokenCache::try_new(const Config &config) noexcept {
  detail::Fields fields;
  bankhub_config native = {};
  native.size = sizeof native;
  native.client_id = fields.text("client_id", config.client_id);
  native.client_secret = fields.text("client_secret", config.client_secret);
  native.base_url = fields.text("base_url", config.base_url);
  native.ca_file = fields.text("ca_file", config.ca_file);
  native.proxy = fields.text("proxy", config.proxy);
  native.store = fields.text("store", config.store);
  native.connect_timeout_ms = fields.number("connect_timeout", config.connect_timeout.count());
  native.request_timeout_ms = fields.number("request_timeout", config.request_timeout.count());
  native.get_timeout_ms = fields.number("get_timeout", config.get_timeout.count());
  native.refresh_ahead_s = fields.number("refresh_ahead", config.refresh_ahead.count());
  native.flags = config.allow_http ? BANKHUB_ALLOW_HTTP : 0u;
  if (!fields.checked) return fields.checked.error();
  bankhub_token *handle = nullptr;
  bankhub_error error;
  if (bankhub_token_new(&native, &handle, &error) != BANKHUB_OK) return Error(error);
  return TokenCache(handle);
}

inline TokenCache TokenCache::from_env() { return try_from_env().value(); }

inline Result<TokenCache> TokenCache::try_from_env() {
  for (const auto name : {"BANKHUB_CLIENT_ID", "BANKHUB_CLIENT_SECRET"}) {
    if (!detail::variable(name)) {
      return detail::error(BANKHUB_INVALID_ARGUMENT, "%s is not set in the environment", name);
    }
  }
  Config config;
  config.client_id = *detail::variable("BANKHUB_CLIENT_ID");
  config.client_secret = *detail::variable("BANKHUB_CLIENT_SECRET");
  config.base_url = detail::variable("BANKHUB_BASE_URL");
  config.store = detail::variable("BANKHUB_STORE");
  config.ca_file = detail::variable("BANKHUB_CA_FILE");
  return try_new(config);
}

inline Token TokenCache::get() const { return copy(BANKHUB_TIMEOUT_DEFAULT); }

inline Result<Token> TokenCache::try_get() const noexcept { return try_copy(BANKHUB_TIMEOUT_DEFAULT); }

template <class Rep, class Period>
Token TokenCache::get(std::chrono::duration<Rep, Period> timeout) const {
  return copy(detail::milliseconds(timeout));
}

template <class Rep, class Period>
Result<Token> TokenCache::try_get(std::chrono::duration<Rep, Period> timeout) const noexcept {
  return try_copy(detail::milliseconds(timeout));
}

// Does not use try_copy, because to move a token takes longer than to get it.
inline Token TokenCache::copy(std::uint32_t timeout_ms) const {
  Token token;
  bankhub_error error;
  if (bankhub_token_get(handle_.get(), timeout_ms, &token.native_, &error) != BANKHUB_OK) Error(error).raise();
  return token;
}

inline Result<Token> TokenCache::try_copy(std::uint32_t timeout_ms) const noexcept {
  Result<Token> token{Token()};
  bankhub_error error;
  if (bankhub_token_get(handle_.get(), timeout_ms, &token->native_, &error) != BANKHUB_OK) token = Error(error);
  return token;
}

inline void TokenCache::invalidate(const Token &rejected) const { try_invalidate(rejected).value(); }

inline void TokenCache::invalidate(std::string_view rejected) const { try_invalidate(rejected).value(); }

inline Result<void> TokenCache::try_invalidate(const Token &rejected) const noexcept {
  bankhub_error error;
  if (bankhub_token_invalidate(handle_.get(), rejected.native_.value, &error) != BANKHUB_OK) return Error(error);
  return {};
}

inline Result<void> TokenCache::try_invalidate(std::string_view rejected) const noexcept {
  if (const auto checked = detail::check_text("rejected", rejected); !checked) return checked;
  Token copy;  // NUL-terminated, and wiped at the end
  if (rejected.size() < sizeof copy.native_.value) rejected.copy(copy.native_.value, rejected.size());
  return try_invalidate(copy);
}

inline Stats TokenCache::stats() const { return try_stats().value(); }

inline Result<Stats> TokenCache::try_stats() const noexcept {
  bankhub_stats native = {};
  native.size = sizeof native;
  const auto status = bankhub_token_stats(handle_.get(), &native);
  if (status != BANKHUB_OK) return detail::error(status, "%s", bankhub_status_name(status));
  Stats stats = {};
  stats.generation = native.generation;
  stats.expires_at = detail::moment(native.expires_at);
  stats.refresh_at = detail::moment(native.refresh_at);
  stats.next_attempt_at = detail::moment(native.next_attempt_at);
  stats.last_success_at = detail::moment(native.last_success_at);
  stats.last_failure_at = detail::moment(native.last_failure_at);
  stats.requests = native.requests;
  stats.successes = native.successes;
  stats.failures = native.failures;
  stats.consecutive_failures = native.consecutive_failures;
  stats.rejections = native.rejections;
  stats.ignored_rejections = native.ignored_rejections;
  stats.waiters = native.waiters;
  stats.fetching = native.fetching != 0;
  if (native.last_error.status != BANKHUB_OK) stats.last_error = Error(native.last_error);
  return stats;
}

}  // namespace bankhub

#endif
