// Tests what bankhub.hpp adds to the C ABI, except for what the conformance suite tests for all languages. Reads the
// credentials from the environment. The last line counts the checks.
#include <iostream>
#include <limits>
#include <type_traits>
#include <utility>

#include "bankhub.hpp"

using namespace std::literals;
using bankhub::TokenCache;

static int passed = 0, failed = 0;

static void expect(bool condition, const char *what) {
  ++(condition ? passed : failed);
  if (!condition) std::cout << "FAILED " << what << '\n';
}

template <class Failure, class Call>
static bool throws(Call call) try {
  call();
  return false;
} catch (const Failure &) {
  return true;
}

static bankhub::Config unreachable() {
  bankhub::Config config;
  config.client_id = "id";
  config.client_secret = "secret";
  config.base_url = "http://127.0.0.1:9";  // nothing listens on this port
  return config;
}

static_assert(std::is_nothrow_copy_constructible_v<bankhub::Error>, "a throw copies it");
static_assert(std::is_nothrow_move_constructible_v<TokenCache> && !std::is_copy_constructible_v<TokenCache>);
static_assert(noexcept(TokenCache::try_new(std::declval<const bankhub::Config &>())));
static_assert(noexcept(std::declval<TokenCache>().try_get(std::declval<std::chrono::hours>())));

static void test_results() {
  const auto refused = TokenCache::try_new({});
  expect(!refused && refused.error().status() == BANKHUB_INVALID_ARGUMENT, "refuses a wrong Config");
  auto cache = TokenCache::try_new(unreachable());
  expect(cache.has_value(), "accepts a correct Config");
  const auto token = cache->try_get();
  expect(!token && token.error().status() == BANKHUB_UNAVAILABLE, "returns an error if there is no token");
  expect(throws<bankhub::Unavailable>([&] { cache->get(); }), "get throws the class of the status");
  expect(throws<bankhub::Unavailable>([&] { cache->try_get().value(); }), "value throws the class of the status");
  expect(throws<bankhub::Error>([&] { token.value(); }), "value of an lvalue throws");
  expect(std::string_view(token.error().what()).size() > 0, "an error has a message");
  const auto moved = std::move(cache).value();
  expect(throws<bankhub::InvalidArgument>([&] { cache->get(); }), "a moved-from cache throws InvalidArgument");
}

static void test_configs() {
  auto config = unreachable();
  config.store = std::string("a\0b", 3);
  config.get_timeout = std::chrono::hours(24 * 365);
  const auto with_nul = TokenCache::try_new(config);
  expect(!with_nul && with_nul.error().what() == "store contains a NUL character; remove it"sv,
         "names the first wrong field");
  config.store.reset();
  const auto too_long = TokenCache::try_new(config);
  const auto expected = "get_timeout is 31536000000; expected 0 to 4294967295"sv;
  expect(!too_long && too_long.error().what() == expected, "refuses a timeout of a year");
  expect(throws<bankhub::InvalidArgument>([&] { TokenCache{config}; }), "the constructor throws InvalidArgument");
  expect(TokenCache::try_from_env().has_value(), "reads the environment");
}

static void test_durations() {
  const auto cache = TokenCache::from_env();
  expect(cache.try_get(0s).error().status() == BANKHUB_DEADLINE, "does not wait with 0");
  expect(cache.try_get(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).error().status() ==
             BANKHUB_DEADLINE,
         "does not wait with NaN");
  expect(cache.try_get(-1h).error().status() == BANKHUB_DEADLINE, "does not wait with less than 0");
  expect(cache.try_get(std::chrono::hours::max()).has_value(), "accepts the longest duration");
  expect(cache.try_get(0.5s).has_value(), "accepts a floating-point duration");
  expect(cache.get(1ns).value() == cache.get().c_str(), "returns a valid token at once");
}

static void test_tokens() {
  auto cache = TokenCache::from_env();
  const auto token = cache.get();
  const auto copy = token;
  expect(copy.value() == token.value() && copy.value().size() == 40, "a copy has the text of the token");
  expect(token.expires_at() > std::chrono::system_clock::now(), "the token has not expired");
  cache.invalidate(token.value());
  const auto next = cache.get();
  expect(next.generation() == token.generation() + 1, "replaces a rejected token");
  expect(cache.try_invalidate(token).has_value(), "accepts a second rejection");
  expect(cache.try_stats()->ignored_rejections == 1 && cache.generation() == next.generation(), "ignores the second");
  expect(throws<bankhub::InvalidArgument>([&] { cache.invalidate(std::string_view("a\0b", 3)); }), "throws on NUL");
  const auto with_nul = cache.try_invalidate(std::string_view("a\0b", 3));
  expect(!with_nul && with_nul.error().status() == BANKHUB_INVALID_ARGUMENT, "try_invalidate returns an error on NUL");
  cache.close();
  expect(cache.try_get().error().status() == BANKHUB_CLOSED, "try_get of a closed cache returns Closed");
  expect(throws<bankhub::Closed>([&] { cache.stats(); }), "stats of a closed cache throws");
  expect(throws<bankhub::Closed>([&] { cache.try_invalidate(token).value(); }), "value throws Closed");
  expect(cache.try_stats().error().status() == BANKHUB_CLOSED, "try_stats of a closed cache returns Closed");
}

int main() {
  test_results();
  test_configs();
  test_durations();
  test_tokens();
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
