// What bankhub.hpp adds to the C ABI, beside what the conformance suite says of every language. Takes the credentials
// from the environment; ends with a line that counts.
#include <iostream>

#include "bankhub.hpp"

using namespace std::chrono_literals;
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

static void test_results() {
  const auto refused = TokenCache::try_new({});
  expect(!refused && refused.error().status() == BANKHUB_INVALID_ARGUMENT, "a wrong Config is an error");
  auto cache = TokenCache::try_new(unreachable());
  expect(cache.has_value(), "a right one is none");
  const auto token = cache->try_get();
  expect(!token && token.error().status() == BANKHUB_UNAVAILABLE, "no token is an error");
  expect(throws<bankhub::Unavailable>([&] { cache->get(); }), "get throws the class of its status");
  expect(throws<bankhub::Unavailable>([&] { cache->try_get().value(); }), "so does value");
  const auto moved = std::move(cache).value();
  expect(throws<bankhub::InvalidArgument>([&] { cache->get(); }), "what is left behind is no cache");
}

static void test_durations() {
  const auto cache = TokenCache::from_env();
  expect(cache.try_get(0s).error().status() == BANKHUB_DEADLINE, "0 never waits");
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
  expect(cache.get().generation() == token.generation() + 1, "a rejected one is replaced");
  expect(throws<bankhub::InvalidArgument>([&] { cache.invalidate(std::string_view("a\0b", 3)); }), "NUL is refused");
  cache.close();
  expect(cache.try_get().error().status() == BANKHUB_CLOSED, "a closed cache says so");
  expect(throws<bankhub::Closed>([&] { cache.stats(); }), "in all its calls");
}

int main() {
  test_results();
  test_durations();
  test_tokens();
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
