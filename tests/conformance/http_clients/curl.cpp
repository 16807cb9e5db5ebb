// The HTTP clients for C++ and C (../PROTOCOL.md): send requests with libcurl and examples/authorized.hpp or, if C is
// defined, with libcurl and examples/authorized.h.

#include <curl/curl.h>

#include <chrono>
#include <cstring>
#include <future>
#include <iostream>
#include <thread>
#include <vector>

#ifdef C
#include "authorized.h"
#endif
#include "authorized.hpp"
#include "../drivers/line.h"

using Clock = std::chrono::steady_clock;
using Words = std::vector<std::string>;
using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

constexpr long timeout_s = 10;

static const std::string base_url = std::getenv("BANKHUB_BASE_URL");

static std::string encoded(const std::string &text) {
  static const char digits[] = "0123456789ABCDEF";
  std::string result;
  for (const unsigned char letter : text) result += {'%', digits[letter >> 4], digits[letter & 15]};
  return result;
}

static std::string failure(const std::string &type, const std::string &message) {
  return "error type=" + type + " message=" + encoded(message);
}

#ifdef C
static bankhub_token *cache;

static void open() {
  bankhub_config config = {};
  config.size = sizeof config;
  config.client_id = std::getenv("BANKHUB_CLIENT_ID");
  config.client_secret = std::getenv("BANKHUB_CLIENT_SECRET");
  config.store = std::getenv("BANKHUB_STORE");
  config.base_url = base_url.c_str();
  bankhub_error error;
  if (bankhub_token_new(&config, &cache, &error) != BANKHUB_OK) throw std::runtime_error(error.message);
}

static void close() { bankhub_token_free(cache); }

static size_t receive_c(char *data, size_t size, size_t count, void *receive) {
  (*static_cast<Authorized::Receive *>(receive))({data, size * count});
  return size * count;
}

// Returns the error, or an empty text.
static std::string perform(CURL *curl, const std::string &url, bool repeatable, Authorized::Receive receive) {
  authorized request = {curl, cache, base_url.c_str(), repeatable, receive_c, &receive, nullptr, 0};
  bankhub_error error;
  const auto code = perform_authorized(&request, url.c_str(), &error);
  if (error.status != BANKHUB_OK) return failure(bankhub_status_name(error.status), error.message);
  return code == CURLE_OK ? "" : failure("CURLcode", curl_easy_strerror(code));
}
#else
static std::unique_ptr<bankhub::TokenCache> cache;

static void open() { cache = std::make_unique<bankhub::TokenCache>(bankhub::TokenCache::from_env()); }

static void close() { cache->close(); }

// Returns the error, or an empty text.
static std::string perform(CURL *curl, const std::string &url, bool repeatable, Authorized::Receive receive) try {
  const auto code = Authorized(*cache, base_url).perform(curl, url, repeatable, receive);
  return code == CURLE_OK ? "" : failure("CURLcode", curl_easy_strerror(code));
} catch (const bankhub::Closed &error) {
  return failure("Closed", error.what());
} catch (const bankhub::Unavailable &error) {
  return failure("Unavailable", error.what());
} catch (const bankhub::Error &error) {
  return failure("Error", error.what());
}
#endif

static Handle request(const std::string &method) {
  Handle curl(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(curl.get(), CURLOPT_TIMEOUT, timeout_s);
  curl_easy_setopt(curl.get(), CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_COOKIEFILE, "");  // keeps cookies, in memory
  curl_easy_setopt(curl.get(), CURLOPT_CUSTOMREQUEST, method.c_str());
  return curl;
}

static std::string status_of(const Handle &curl) {
  long status = 0;
  curl_easy_getinfo(curl.get(), CURLINFO_RESPONSE_CODE, &status);
  return "ok status=" + std::to_string(status);
}

static std::string send(const Handle &curl, const std::string &url, bool repeatable) {
  std::string body;
  const auto failed = perform(curl.get(), url, repeatable, [&](std::string_view part) { body += part; });
  return failed.empty() ? status_of(curl) + " body=" + encoded(body) : failed;
}

// A body that libcurl reads, with a pause before each chunk except the first.
struct Upload {
  std::string chunk;
  int chunks, every_ms, sent = 0;

  static std::size_t read(char *to, std::size_t, std::size_t, void *context) {
    auto &upload = *static_cast<Upload *>(context);
    if (upload.sent == upload.chunks) return 0;
    if (upload.sent++ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(upload.every_ms));
    std::memcpy(to, upload.chunk.data(), upload.chunk.size());
    return upload.chunk.size();
  }
};

static std::string send(const std::string &method, const std::string &url, Upload body) {
  const auto curl = request(method);
  curl_easy_setopt(curl.get(), CURLOPT_POST, 1L);
  curl_easy_setopt(curl.get(), CURLOPT_READFUNCTION, Upload::read);
  curl_easy_setopt(curl.get(), CURLOPT_READDATA, &body);
  return send(curl, url, false);
}

static std::string send(const Words &words) {
  const auto body = words.size() > 3 ? words[3] : "";
  if (body.rfind("once=", 0) == 0) return send(words[1], words[2], Upload{body.substr(5), 1, 0});
  const auto curl = request(words[1]);
  if (!body.empty()) curl_easy_setopt(curl.get(), CURLOPT_COPYPOSTFIELDS, body.c_str() + body.find('=') + 1);
  return send(curl, words[2], true);
}

static std::string download(const std::string &url) {
  const auto curl = request("GET");
  std::size_t length = 0;
  Clock::time_point first, last;
  const auto failed = perform(curl.get(), url, true, [&](std::string_view part) {
    last = Clock::now();
    if (length == 0) first = last;
    length += part.size();
  });
  const auto spread = std::chrono::duration_cast<std::chrono::milliseconds>(last - first).count();
  if (!failed.empty()) return failed;
  return status_of(curl) + " length=" + std::to_string(length) + " spread_ms=" + std::to_string(spread);
}

static std::string join(std::vector<std::future<std::string>> &started) {
  auto text = "ok count=" + std::to_string(started.size());
  for (auto &reply : started) text += "\n" + reply.get();
  started.clear();
  return text;
}

static std::string reply(const Words &words) {
  static std::vector<std::future<std::string>> started;
  const auto &verb = words[0];
  if (verb == "send") return send(words);
  if (verb == "join") return join(started);
  if (verb == "upload") return send("POST", words[3], Upload{"chunk\n", std::stoi(words[1]), std::stoi(words[2])});
  if (verb == "download") return download(words[1]);
  if (verb == "close") return close(), "ok";
  if (verb != "start") return verb == "cancel" || verb == "header" ? "unsupported" : "unknown";
  const Words one(words.begin() + 1, words.end());
  for (auto count = std::stoi(words[1]); count > 0; count--) {
    started.push_back(std::async(std::launch::async, [one] { return send(one); }));
  }
  return "ok";
}

int main() {
  curl_global_init(CURL_GLOBAL_DEFAULT);
  open();
#ifdef C
  std::cout << "ready c" << std::endl;
#else
  std::cout << "ready cpp" << std::endl;
#endif
  for (std::string line; std::getline(std::cin, line);) {
    read_words(line.data());
    std::cout << reply(Words(words, words + word_count)) << std::endl;
  }
}
