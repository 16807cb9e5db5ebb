// What examples/authorized.h and examples/authorized.hpp promise beside what the conformance suite says of every HTTP
// adapter. Takes the credentials from the environment; ends with a line that counts.
#include <iostream>

#include "authorized.h"
#include "authorized.hpp"

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

static const std::string base_url = std::getenv("BANKHUB_BASE_URL");
static const std::string after_scheme = base_url.substr(base_url.find("//") + 2);
static const std::string port = base_url.substr(base_url.rfind(':'));

static int passed = 0, failed = 0;

static void expect(bool condition, const std::string &what) {
  ++(condition ? passed : failed);
  if (!condition) std::cout << "FAILED " << what << '\n';
}

static std::size_t ignore(char *, std::size_t size, std::size_t count, void *) { return size * count; }

class C {
 public:
  static constexpr const char *name = "C: ";

  C() {
    bankhub_config config = {};
    config.size = sizeof config;
    config.client_id = std::getenv("BANKHUB_CLIENT_ID");
    config.client_secret = std::getenv("BANKHUB_CLIENT_SECRET");
    config.base_url = base_url.c_str();
    bankhub_token_new(&config, &cache_, nullptr);
  }
  ~C() { bankhub_token_free(cache_); }

  CURLcode perform(CURL *curl, const std::string &base, const std::string &url) {
    authorized request = {curl, cache_, base.c_str(), 1, ignore, nullptr, nullptr, 0};
    bankhub_error error;
    return perform_authorized(&request, url.c_str(), &error);
  }

 private:
  bankhub_token *cache_ = nullptr;
};

class Cpp {
 public:
  static constexpr const char *name = "C++: ";

  CURLcode perform(CURL *curl, const std::string &base, const std::string &url) {
    return Authorized(cache_, base).perform(curl, url, true, [](std::string_view) {});
  }

 private:
  bankhub::TokenCache cache_ = bankhub::TokenCache::from_env();
};

static long status(const Handle &curl) {
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  return status;
}

static void revoke() {
  const Handle curl(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(curl.get(), CURLOPT_URL, (base_url + "/mock/revoke").c_str());
  curl_easy_setopt(curl.get(), CURLOPT_POSTFIELDS, "");
  curl_easy_setopt(curl.get(), CURLOPT_WRITEFUNCTION, ignore);
  curl_easy_perform(curl.get());
}

// One after another with the same CURL. A resource answers 401 where no token goes along.
template <class Language>
static void test() {
  Language language;
  const Handle curl(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  const auto answers = [&](long wanted, const std::string &base, const std::string &url, const char *what) {
    language.perform(curl.get(), base, url);
    expect(status(curl) == wanted, Language::name + std::string(what));
  };
  const auto company = base_url + "/v1/company", elsewhere = "http://localhost" + port + "/v1/company";
  answers(200, base_url, company, "the token goes along");
  answers(200, "http://LOCALHOST" + port, elsewhere, "also where the host is in capitals");
  answers(401, base_url, elsewhere, "not to another host, with the same CURL");
  answers(401, base_url, base_url + "/v1/mock/redirect?to=" + elsewhere, "nor along a redirect to it");
  answers(401, base_url, after_scheme + "/v1/company", "nor where libcurl guesses the scheme");
  answers(401, "", after_scheme + "/v1/company", "nor where there is no origin at all");
  answers(200, base_url, company, "and then it does again");

  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  revoke();
  answers(200, base_url, company, "a 401 is got over, also with CURLOPT_FAILONERROR");
  const auto code = language.perform(curl.get(), base_url, base_url + "/v1/mock/unauthorized");
  expect(code == CURLE_HTTP_RETURNED_ERROR, Language::name + std::string("and is an error where it stays"));
}

static void test_exceptions() {
  const auto cache = bankhub::TokenCache::from_env();
  const Handle curl(curl_easy_init(), curl_easy_cleanup);
  const Authorized api(cache, base_url);
  for (const auto path : {"/v1/company", "/v1/mock/unauthorized"}) {
    try {
      api.perform(curl.get(), base_url + path, true, [](std::string_view) { throw std::string("own"); });
      expect(false, "an exception of one's own is lost");
    } catch (const std::string &own) {
      expect(own == "own", "an exception of one's own comes through");
    }
  }
}

int main() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  test<C>();
  test<Cpp>();
  test_exceptions();
  curl_global_cleanup();
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
