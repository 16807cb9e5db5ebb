// Tests examples/authorized.h and examples/authorized.hpp, except for what the conformance suite tests for all HTTP
// adapters. Reads the credentials from the environment. The last line counts the checks.
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <iostream>
#include <thread>

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

  explicit C(const std::string &base = base_url) {
    bankhub_config config = {};
    config.size = sizeof config;
    config.client_id = std::getenv("BANKHUB_CLIENT_ID");
    config.client_secret = std::getenv("BANKHUB_CLIENT_SECRET");
    config.base_url = base.c_str();
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

  explicit Cpp(const std::string &base = base_url) : cache_(config(base)) {}

  CURLcode perform(CURL *curl, const std::string &base, const std::string &url) {
    return Authorized(cache_, base).perform(curl, url, true, [](std::string_view) {});
  }

 private:
  static bankhub::Config config(const std::string &base) {
    bankhub::Config config;
    config.client_id = std::getenv("BANKHUB_CLIENT_ID");
    config.client_secret = std::getenv("BANKHUB_CLIENT_SECRET");
    config.base_url = base;
    return config;
  }

  bankhub::TokenCache cache_;
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

// All requests use the same CURL. The API answers 401 to a request without a token.
template <class Language>
static void test() {
  Language language;
  const Handle curl(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  const auto expect_status = [&](long expected, const std::string &base, const std::string &url, const char *what) {
    language.perform(curl.get(), base, url);
    expect(status(curl) == expected, Language::name + std::string(what));
  };
  const auto company = base_url + "/v1/company", other = "http://localhost" + port + "/v1/company";
  expect_status(200, base_url, company, "sends the token");
  expect_status(200, "http://LOCALHOST" + port, other, "ignores the case of the host");
  expect_status(401, base_url, other, "sends no token to another host");
  expect_status(401, base_url, base_url + "/v1/mock/redirect?to=" + other, "sends no token along a redirect");
  expect_status(401, base_url, after_scheme + "/v1/company", "sends no token to a URL without a scheme");
  expect_status(401, "", after_scheme + "/v1/company", "sends no token if the base URL has no origin");
  expect_status(200, base_url, company, "sends the token again");

  curl_easy_setopt(curl.get(), CURLOPT_FAILONERROR, 1L);
  revoke();
  expect_status(200, base_url, company, "recovers from a 401 with CURLOPT_FAILONERROR");
  const auto code = language.perform(curl.get(), base_url, base_url + "/v1/mock/unauthorized");
  expect(code == CURLE_HTTP_RETURNED_ERROR, Language::name + std::string("returns an error for a second 401"));
}

// A server that answers 401 with a cookie to the first token, and 200 to the cookie with another token.
class CookieServer {
 public:
  CookieServer() {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    if (bind(listener_, reinterpret_cast<sockaddr *>(&address), length) || listen(listener_, 8)) std::abort();
    getsockname(listener_, reinterpret_cast<sockaddr *>(&address), &length);
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    thread_ = std::thread([this] { serve(); });
  }
  ~CookieServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }

  std::string url;

 private:
  void serve() const {
    int tokens = 0;
    for (int client; (client = accept(listener_, nullptr, nullptr)) >= 0; close(client)) {
      std::string request;
      for (char part[1024]; request.find("\r\n\r\n") == std::string::npos;) {
        const auto bytes = read(client, part, sizeof part);
        if (bytes <= 0) break;
        request.append(part, static_cast<std::size_t>(bytes));
      }
      std::string body, head = "HTTP/1.1 401 No\r\nSet-Cookie: route=a\r\n";
      if (request.find(" /v1/token ") != std::string::npos) {
        head = "HTTP/1.1 201 OK\r\n";
        body = "{\"access_token\":\"token" + std::to_string(++tokens) + "\",\"ttl\":60000}";
      } else if (request.find("token1") == std::string::npos && request.find("Cookie: route=a") != std::string::npos) {
        head = "HTTP/1.1 200 OK\r\n";
      }
      head += "Content-Length: " + std::to_string(body.size()) + "\r\nConnection: close\r\n\r\n" + body;
      if (write(client, head.data(), head.size()) < 0) std::abort();
    }
  }

  const int listener_ = socket(AF_INET, SOCK_STREAM, 0);
  std::thread thread_;
};

template <class Language>
static void test_cookies() {
  const CookieServer server;
  Language language(server.url);
  const Handle curl(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(curl.get(), CURLOPT_COOKIEFILE, "");
  language.perform(curl.get(), server.url, server.url + "/v1/company");
  expect(status(curl) == 200, Language::name + std::string("sends the cookie of the 401 along"));
}

static void test_exceptions() {
  const auto cache = bankhub::TokenCache::from_env();
  const Handle curl(curl_easy_init(), curl_easy_cleanup);
  const Authorized api(cache, base_url);
  for (const auto path : {"/v1/company", "/v1/mock/unauthorized"}) {
    try {
      api.perform(curl.get(), base_url + path, true, [](std::string_view) { throw std::string("from callback"); });
      expect(false, "the exception of the callback is lost");
    } catch (const std::string &thrown) {
      expect(thrown == "from callback", "passes the exception of the callback on");
    }
  }
}

int main() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  test<C>();
  test<Cpp>();
  test_cookies<C>();
  test_cookies<Cpp>();
  test_exceptions();
  curl_global_cleanup();
  std::cout << passed << " passed, " << failed << " failed\n";
  return failed == 0 ? 0 : 1;
}
