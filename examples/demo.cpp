// Gets a token, uses it, recovers from its revocation, and shows that 64 threads cause one token request.
#include <curl/curl.h>

#include <ctime>
#include <future>
#include <iomanip>
#include <iostream>
#include <vector>

#include "bankhub.hpp"

using bankhub::Token;
using bankhub::TokenCache;
using Request = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

static void print_token(const Token &token);
static void recover_from_revocation(const TokenCache &cache, const char *revoke_url);
static std::uint64_t requests_of_threads(int threads);
static long get_company(const Token &token, long expected);
static Request request_to(const std::string &url);
static long send(const Request &request);

int main() try {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const auto cache = TokenCache::from_env();
  const auto token = cache.get();
  print_token(token);
  std::cout << "resource: " << get_company(token, 200) << '\n';
  if (const auto revoke_url = std::getenv("BANKHUB_DEMO_REVOKE_URL")) recover_from_revocation(cache, revoke_url);
  std::cout << "threads: " << requests_of_threads(64) << '\n';
} catch (const std::exception &error) {
  std::cerr << "demo: " << error.what() << '\n';
  return 1;
}

// Does not print the whole token, because a reader of the output could use it.
static void print_token(const Token &token) {
  const auto value = token.value();
  if (value.size() < 16) throw std::runtime_error("the token is too short to be masked");
  std::cout << "token: " << value.substr(0, 4) << "…" << value.substr(value.size() - 4) << '\n';
  const auto expires_at = std::chrono::system_clock::to_time_t(token.expires_at());
  std::cout << "expires: " << std::put_time(std::gmtime(&expires_at), "%Y-%m-%d %H:%M:%S UTC") << '\n';
}

// Reports the rejected token, gets another one, and sends the request once more.
static void recover_from_revocation(const TokenCache &cache, const char *revoke_url) {
  const auto revoke = request_to(revoke_url);
  curl_easy_setopt(revoke.get(), CURLOPT_POSTFIELDS, "");
  send(revoke);

  const auto token = cache.get();
  const auto before = get_company(token, 401);
  cache.invalidate(token);
  const auto after = get_company(cache.get(), 200);
  std::cout << "revoked: " << before << ", then " << after << '\n';
}

static std::uint64_t requests_of_threads(int threads) {
  const auto cache = TokenCache::from_env();
  std::vector<std::future<Token>> tokens;
  while (threads-- > 0) tokens.push_back(std::async(std::launch::async, [&cache] { return cache.get(); }));
  for (auto &token : tokens) (void)token.get();
  return cache.stats().requests;
}

static long get_company(const Token &token, long expected) {
  const char *base_url = std::getenv("BANKHUB_BASE_URL");
  const bool given = base_url != nullptr && *base_url != '\0';
  const auto request = request_to(std::string(given ? base_url : BANKHUB_SANDBOX_URL) + "/v1/company");
  curl_easy_setopt(request.get(), CURLOPT_HTTPAUTH, CURLAUTH_BEARER);
  curl_easy_setopt(request.get(), CURLOPT_XOAUTH2_BEARER, token.c_str());
  const auto status = send(request);
  if (status == expected) return status;
  throw std::runtime_error("the API answered " + std::to_string(status) + ", expected " + std::to_string(expected));
}

static std::size_t ignore(char *, std::size_t size, std::size_t count, void *) { return size * count; }

static Request request_to(const std::string &url) {
  Request request(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(request.get(), CURLOPT_URL, url.c_str());
  curl_easy_setopt(request.get(), CURLOPT_TIMEOUT, 10L);
  curl_easy_setopt(request.get(), CURLOPT_WRITEFUNCTION, ignore);
  return request;
}

// Returns the status of the response.
static long send(const Request &request) {
  if (const auto code = curl_easy_perform(request.get())) throw std::runtime_error(curl_easy_strerror(code));
  long status = 0;
  curl_easy_getinfo(request.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}
