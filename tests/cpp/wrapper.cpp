// What bankhub.hpp adds to the C ABI, beside what the conformance suite says of every language. Takes the credentials
// from the environment; ends with a line that counts.
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
  config.base_url = "http://127.0.0.1:9";  // where nobody listens
  return config;
}

static_assert(std::is_nothrow_copy_constructible_v<bankhub::Error>, "it is thrown, and copied on the way");
static_assert(std::is_nothrow_move_constructible_v<TokenCache> && !std::is_copy_constructible_v<TokenCache>);
static_assert(noexcept(TokenCache::try_new(std::declval<const bankhub::Config &>())));
static_assert(noexcept(std::declval<TokenCache>().try_get(std::declval<std::chrono::hours>())));

static void test_results() {
  const auto refused = TokenCache::try_new({});
  expect(!refused && refused.error().status() == BANKHUB_INVALID_ARGUMENT, "a wrong Config is an error");
  auto cache = TokenCache::try_new(unreachable());
  expect(cache.has_value(), "a right one is none");
  const auto token = cache->try_get();
  expect(!token && token.error().status() == BANKHUB_UNAVAILABLE, "no token is an error");
  expect(throws<bankhub::Unavailable>([&] { cache->get(); }), "get throws the class of its status");
  expect(throws<bankhub::Unavailable>([&] { cache->try_get().value(); }), "so does value");
  expect(throws<bankhub::Error>([&] { token.value(); }), "also of a named one");
  expect(std::string_view(token.error().what()).size() > 0, "an error has a sentence");
  const auto moved = std::move(cache).value();
  expect(throws<bankhub::InvalidArgument>([&] { cache->get(); }), "what is left behind is no cache");
}

static void test_configs() {
  auto config = unreachable();
  config.store = std::string("a\0b", 3);
  config.get_timeout = std::chrono::hours(24 * 365);
  const auto torn = TokenCache::try_new(config);
  expect(!torn && torn.error().what() == "store contains a NUL character"sv, "the first wrong field is named");
  config.store.reset();
  const auto late = TokenCache::try_new(config);
  const auto expected = "get_timeout is 31536000000; expected 0 to 4294967295"sv;
  expect(!late && late.error().what() == expected, "a year is too long");
  expect(throws<bankhub::InvalidArgument>([&] { TokenCache{config}; }), "the constructor throws it");
  expect(TokenCache::try_from_env().has_value(), "the environment is a Config");
}

static void test_durations() {
  const auto cache = TokenCache::from_env();
  expect(cache.try_get(0s).error().status() == BANKHUB_DEADLINE, "0 never waits");
  expect(cache.try_get(std::chrono::duration<double>(std::numeric_limits<double>::quiet_NaN())).error().status() ==
             BANKHUB_DEADLINE,
         "nor does what is no number");
  expect(cache.try_get(-1h).error().status() == BANKHUB_DEADLINE, "nor does less than 0");
  expect(cache.try_get(std::chrono::hours::max()).has_value(), "the longest of all overflows nowhere");
  expect(cache.try_get(0.5s).has_value(), "floating point is fine");
  expect(cache.get(1ns).value() == cache.get().c_str(), "a valid token is there at once");
}

static void test_tokens() {
  auto cache = TokenCache::from_env();
  const auto token = cache.get();
  const auto copy = token;
  expect(copy.value() == token.value() && copy.value().size() == 40, "a token is its text");
  expect(token.expires_at() > std::chrono::system_clock::now(), "and lives");
  cache.invalidate(token.value());
  const auto next = cache.get();
  expect(next.generation() == token.generation() + 1, "a rejected one is replaced");
  expect(cache.try_invalidate(token).has_value(), "to reject it twice is fine");
  expect(cache.try_stats()->ignored_rejections == 1 && cache.generation() == next.generation(), "and changes nothing");
  expect(throws<bankhub::InvalidArgument>([&] { cache.invalidate(std::string_view("a\0b", 3)); }), "NUL is refused");
  const auto torn = cache.try_invalidate(std::string_view("a\0b", 3));
  expect(!torn && torn.error().status() == BANKHUB_INVALID_ARGUMENT, "or an error");
  cache.close();
  expect(cache.try_get().error().status() == BANKHUB_CLOSED, "a closed cache says so");
  expect(throws<bankhub::Closed>([&] { cache.stats(); }), "in all its calls");
  expect(throws<bankhub::Closed>([&] { cache.try_invalidate(token).value(); }), "also where nothing is returned");
  expect(cache.try_stats().error().status() == BANKHUB_CLOSED, "and without exceptions");
}

int main() {
  test_results();
  test_configs();
  test_durations();
  test_tokens();
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
