// bankhub for C++17: RAII, exceptions and the types of std over bankhub.h. Header-only; link with -lbankhub.
//
// Threads: a TokenCache may be called from any number of threads at once, but moved and destroyed only by one alone.
// Failures: an exception below bankhub::Error, one class per status of bankhub.h. What begins with try_ returns the
// Error instead. None of them holds a secret. Compiled without exceptions, what would throw one aborts.

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

/// Keeps one valid token. Make one per client id, and share it.
///
/// Moving it moves the token along; what is left behind answers every call with InvalidArgument.
class TokenCache {
 public:
  /// Sends no request, but reads `ca_file`, the system's trusted roots and the proxy environment.
  ///
  /// Throws InvalidArgument, whose message names the field that is wrong, or InternalError.
  explicit TokenCache(const Config &config);

  /// From BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET and, where they are set and not empty, BANKHUB_BASE_URL,
  /// BANKHUB_STORE and BANKHUB_CA_FILE. Throws as the constructor does.
  static TokenCache from_env();

  static Result<TokenCache> try_new(const Config &config) noexcept;

  /// Throws nothing but std::bad_alloc.
  static Result<TokenCache> try_from_env();

  /// A valid token: at once where there is one, else after the one token request that serves all callers, for which
  /// this waits at most `get_timeout` of the config.
  ///
  /// Throws any Error.
  Token get() const;

  /// get() with a timeout of its own, which is rounded up to milliseconds; zero, or less, never waits. It ends the
  /// wait, never the request.
  template <class Rep, class Period>
  Token get(std::chrono::duration<Rep, Period> timeout) const;

  Result<Token> try_get() const noexcept;

  template <class Rep, class Period>
  Result<Token> try_get(std::chrono::duration<Rep, Period> timeout) const noexcept;

  /// Of the token that get() would return at once, or 0. Never blocks; sets a renewal going that is due.
  std::uint64_t generation() const noexcept { return bankhub_token_generation(handle_.get()); }

  /// Reports that an API answered 401 to this token, which is then replaced if it still is the current one.
  /// Never blocks.
  ///
  /// Throws Closed or InternalError.
  void invalidate(const Token &rejected) const;

  /// The same for a token kept as text. Any other text changes nothing. Throws InvalidArgument if it contains a NUL.
  void invalidate(std::string_view rejected) const;

  Result<void> try_invalidate(const Token &rejected) const noexcept;
  Result<void> try_invalidate(std::string_view rejected) const noexcept;

  /// What the cache has done and is doing. Never blocks. Throws Closed or InternalError.
  Stats stats() const;

  Result<Stats> try_stats() const noexcept;

  /// Ends the cache and wipes its token: calls that wait throw Closed at once, and so does every later one. The
  /// destructor does it, too.
  void close() noexcept { bankhub_token_free(handle_.get()); }

 private:
  struct Free {
    void operator()(bankhub_token *handle) const noexcept { bankhub_token_free(handle); }
  };

  explicit TokenCache(bankhub_token *handle) noexcept : handle_(handle) {}

  Token copy(std::uint32_t timeout_ms) const;
  Result<Token> try_copy(std::uint32_t timeout_ms) const noexcept;

  // Not reset by close(): it is a number, and a closed one is answered with Closed.
  std::unique_ptr<bankhub_token, Free> handle_;
};

/// What a cache is made from. The first two are required; whatever else is left as it is has its default.
struct Config {
  std::string client_id;                        ///< not empty, without ':' and control characters
  std::string client_secret;                    ///< not empty, without control characters
  std::optional<std::string> base_url;          ///< "https://host[:port][/path]"; default BANKHUB_SANDBOX_URL
  std::optional<std::string> ca_file;           ///< a PEM file whose certificates are trusted besides the system's
  std::optional<std::string> proxy;             ///< "http://[user:password@]host[:port]"; "": none; default HTTPS_PROXY
  std::optional<std::string> store;             ///< "file:/DIR", "redis://…", "rediss://…": shares the token
  std::chrono::milliseconds connect_timeout{};  ///< for connect and TLS handshake; 0: 5 s
  std::chrono::milliseconds request_timeout{};  ///< for one token request, from start to last byte; 0: 10 s
  std::chrono::milliseconds get_timeout{};      ///< for get() without one of its own; 0: 30 s
  std::chrono::seconds refresh_ahead{};         ///< how long before its end a token is renewed; 0: a tenth of its ttl
  bool allow_http = false;                      ///< plain http beyond loopback; the secret then crosses it in clear
};

/// One access token. It lies in the object itself, not on the heap, so that wiping it leaves no copy behind.
class Token {
 public:
  Token(const Token &) = default;
  Token &operator=(const Token &) = default;
  ~Token() { bankhub_access_token_wipe(&native_); }

  /// The text that belongs after "Authorization: Bearer ", valid as long as this object. It is a secret.
  std::string_view value() const noexcept { return {native_.value, native_.length}; }

  /// value(), closed by NUL.
  const char *c_str() const noexcept { return native_.value; }

  /// Never 0; grows with every new token of its cache.
  std::uint64_t generation() const noexcept { return native_.generation; }

  /// The moment its request was sent, plus its ttl.
  std::chrono::system_clock::time_point expires_at() const noexcept {
    return std::chrono::system_clock::time_point(std::chrono::seconds(native_.expires_at));
  }

 private:
  friend class TokenCache;
  Token() = default;

  bankhub_access_token native_ = {};
};

/// Why a call failed. No part of it is on the heap.
class Error : public std::exception {
 public:
  explicit Error(const bankhub_error &native) noexcept : native_(native) {}

  /// Throws it as the class of its status.
  [[noreturn]] void raise() const;

  /// One sentence for an operator.
  const char *what() const noexcept override { return native_.message; }

  /// BANKHUB_INVALID_ARGUMENT or another constant of bankhub.h.
  bankhub_status status() const noexcept { return native_.status; }

  /// Of the answer behind the error; 0: there was none.
  int http_status() const noexcept { return native_.http_status; }

  /// Until the next token request may go out; zero: now, or never.
  std::chrono::milliseconds retry_after() const noexcept { return std::chrono::milliseconds(native_.retry_after_ms); }

 private:
  bankhub_error native_;
};

/// An argument is wrong, and the message names it. The same call fails again.
struct InvalidArgument : Error {
  explicit InvalidArgument(const Error &error) : Error(error) {}
};

/// The client id or secret is refused or disabled.
struct Unauthenticated : Error {
  explicit Unauthenticated(const Error &error) : Error(error) {}
};

/// Too many requests. retry_after() says when the next one may go out.
struct RateLimited : Error {
  explicit RateLimited(const Error &error) : Error(error) {}
};

/// The server was not reached, or could not answer. Try later.
struct Unavailable : Error {
  explicit Unavailable(const Error &error) : Error(error) {}
};

/// An answer that the API does not promise.
struct BadResponse : Error {
  explicit BadResponse(const Error &error) : Error(error) {}
};

/// The caller's own timeout passed first. The message names the last failure.
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

/// A value, or why there is none: of what C++23 has as std::expected<Value, Error>.
template <class Value>
class [[nodiscard]] Result {
 public:
  Result(Value value) noexcept : outcome_(std::move(value)) {}
  Result(const Error &error) noexcept : outcome_(error) {}

  bool has_value() const noexcept { return outcome_.index() == 0; }
  explicit operator bool() const noexcept { return has_value(); }

  /// Only where there is one, as of a pointer.
  Value &operator*() noexcept { return *std::get_if<0>(&outcome_); }
  const Value &operator*() const noexcept { return *std::get_if<0>(&outcome_); }
  Value *operator->() noexcept { return std::get_if<0>(&outcome_); }
  const Value *operator->() const noexcept { return std::get_if<0>(&outcome_); }

  /// The value, or else throws the error as the class of its status.
  const Value &value() const &;
  Value value() &&;

  /// Only where there is no value.
  const Error &error() const noexcept { return *std::get_if<1>(&outcome_); }

 private:
  std::variant<Value, Error> outcome_;
};

/// That it worked, or why not.
template <>
class [[nodiscard]] Result<void> {
 public:
  Result() noexcept = default;
  Result(const Error &error) noexcept : error_(error) {}

  bool has_value() const noexcept { return !error_; }
  explicit operator bool() const noexcept { return has_value(); }

  /// Nothing, or else throws the error as the class of its status.
  void value() const {
    if (error_) error_->raise();
  }

  /// Only where there is one.
  const Error &error() const noexcept { return *error_; }

 private:
  std::optional<Error> error_;
};

/// What a cache has done and is doing: for monitoring, never for deciding when to ask. Holds no secret.
struct Stats {
  using Moment = std::optional<std::chrono::system_clock::time_point>;

  std::uint64_t generation;  ///< of the token that get() would return at once; 0: none
  Moment expires_at;         ///< of that token
  Moment refresh_at;         ///< from when on it is renewed beside its callers
  Moment next_attempt_at;    ///< before which no token request goes out
  Moment last_success_at;
  Moment last_failure_at;
  std::uint64_t requests;              ///< token requests sent
  std::uint64_t successes;             ///< of them, those that brought a usable token
  std::uint64_t failures;              ///< of them, those that did not
  std::uint64_t consecutive_failures;  ///< failures since the last success
  std::uint64_t rejections;            ///< calls of invalidate() that named the current token
  std::uint64_t ignored_rejections;    ///< calls of invalidate() that named anything else
  std::uint64_t waiters;               ///< callers blocked in get() now
  bool fetching;                       ///< whether a fetch is in flight
  std::optional<Error> last_error;     ///< of the last failed fetch or of the store; none since
};

namespace detail {

/// For what the library does not word itself; the values are for std::snprintf.
template <class... Values>
Error error(bankhub_status status, const char *format, Values... values) noexcept {
  bankhub_error native = {};
  native.status = status;
  std::snprintf(native.message, sizeof native.message, format, values...);
  return Error(native);
}

/// The soname leaves open how old the library's minor version is.
inline Result<void> check_library() noexcept {
  const auto found = bankhub_abi_version();
  const auto major = static_cast<int>(found >> 16), minor = static_cast<int>(found & 0xffff);
  if (major == BANKHUB_ABI_MAJOR && minor >= BANKHUB_ABI_MINOR) return {};
  return error(BANKHUB_INTERNAL, "libbankhub %s has ABI %d.%d; this program needs %d.%d or a later minor version",
               bankhub_version(), major, minor, BANKHUB_ABI_MAJOR, BANKHUB_ABI_MINOR);
}

/// C would take a NUL for the end, and cut off what follows.
inline Result<void> check_text(const char *field, std::string_view value) noexcept {
  if (value.find('\0') == value.npos) return {};
  return error(BANKHUB_INVALID_ARGUMENT, "%s contains a NUL character", field);
}

/// Turns the fields of a Config into those of C, and keeps what is wrong with the first that C has no room for.
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

inline std::optional<std::string> variable(const char *name) {
  const char *value = std::getenv(name);
  return value != nullptr && *value != '\0' ? std::optional<std::string>(value) : std::nullopt;
}

/// Rounded up. As a double, which no duration overflows; what is no number at all is 0.
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
    default: throw *this;  // a status that only a later library knows
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

// Not by way of try_copy: moving a token takes longer than getting it.
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
  Token copy;  // a text that C can read, and that is wiped
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
