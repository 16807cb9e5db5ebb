// The conformance driver for C++ (../PROTOCOL.md): reads requests, makes the calls, prints the replies.
#include <cxxabi.h>
#include <future>
#include <iostream>
#include <map>
#include <typeinfo>
#include <vector>

#include "bankhub.hpp"
#pragma GCC diagnostic ignored "-Wunused-function"  // most of line.h is for C
#include "layout.h"

using Cache = bankhub::TokenCache;
using Words = std::vector<std::string>;

static std::map<std::string, Cache> caches;
static std::vector<std::future<std::string>> started;

class Line {
 public:
  explicit Line(const char *first) : line_(first) {}

  Line &put(const char *name, std::int64_t number) {
    line_ += std::string(" ") + name + "=" + std::to_string(number);
    return *this;
  }

  Line &put(const char *name, std::string_view text) {
    line_ += std::string(" ") + name + "=";
    for (const unsigned char byte : text) {
      line_ += {'%', "0123456789ABCDEF"[byte >> 4], "0123456789ABCDEF"[byte & 15]};
    }
    return *this;
  }

  std::string end() const { return line_; }

 private:
  std::string line_;
};

static std::string failure(const bankhub::Error &error) {
  char *type = abi::__cxa_demangle(typeid(error).name(), nullptr, nullptr, nullptr);
  Line line("error");
  line.put("status", error.status()).put("http_status", error.http_status());
  line.put("retry_after_ms", error.retry_after().count()).put("type", std::string_view(type));
  std::free(type);
  return line.put("message", std::string_view(error.what())).end();
}

static bankhub::Config config(const Words &words) {
  bankhub::Config config;
  for (const auto &word : words) {
    const auto equals = word.find('=');
    const auto key = word.substr(0, equals), value = equals == word.npos ? "" : word.substr(equals + 1);
#define TEXT(FIELD) if (key == #FIELD) config.FIELD = value;
#define TIME(FIELD, UNIT, TYPE) if (key == #FIELD UNIT) config.FIELD = std::chrono::TYPE(std::stoll(value));
    TEXT(client_id) TEXT(client_secret) TEXT(base_url) TEXT(ca_file) TEXT(proxy) TEXT(store)
    TIME(connect_timeout, "_ms", milliseconds) TIME(request_timeout, "_ms", milliseconds)
    TIME(get_timeout, "_ms", milliseconds) TIME(refresh_ahead, "_s", seconds)
    if (key == "allow_http") config.allow_http = value == "1";
  }
  return config;
}

static std::int64_t unix_time(std::optional<std::chrono::system_clock::time_point> time) {
  return time ? std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count() : 0;
}

static std::string get(const Cache &cache, const std::string &timeout) {
  const bool plain = timeout == "default";
  const auto token = plain ? cache.get() : cache.get(std::chrono::milliseconds(std::stoll(timeout)));
  Line line("ok");
  line.put("value", token.value()).put("generation", static_cast<std::int64_t>(token.generation()));
  return line.put("expires_at", unix_time(token.expires_at())).end();
}

static void start(const Cache &cache, int count, const std::string &timeout) {
  while (count-- > 0) {
    started.push_back(std::async(std::launch::async, [&cache, timeout] {
      try {
        return get(cache, timeout);
      } catch (const bankhub::Error &error) {
        return failure(error);
      }
    }));
  }
}

static std::string join() {
  auto lines = Line("ok").put("count", static_cast<std::int64_t>(started.size())).end();
  for (auto &reply : started) lines += "\n" + reply.get();
  started.clear();
  return lines;
}

static std::string put_stats(const bankhub::Stats &stats) {
  Line line("ok");
#define COUNT(FIELD) line.put(#FIELD, static_cast<std::int64_t>(stats.FIELD));
#define TIME_POINT(FIELD) line.put(#FIELD, unix_time(stats.FIELD));
  COUNT(generation) TIME_POINT(expires_at) TIME_POINT(refresh_at) TIME_POINT(next_attempt_at)
  TIME_POINT(last_success_at) TIME_POINT(last_failure_at) COUNT(requests) COUNT(successes) COUNT(failures)
  COUNT(consecutive_failures) COUNT(rejections) COUNT(ignored_rejections) COUNT(waiters) COUNT(fetching)
  const auto last = stats.last_error.value_or(bankhub::Error({}));
  line.put("last_error.status", last.status()).put("last_error.http_status", last.http_status());
  return line.put("last_error.message", std::string_view(last.what())).end();
}

static std::string reply(const std::string &verb, const Words &words) {
  if (verb == "layout") return layout(), "";
  if (verb == "join") return join();
  if (verb == "new") return caches.insert_or_assign(words[0], Cache(config(words))), "ok";
  if (verb == "from_env") return caches.insert_or_assign(words[0], Cache::from_env()), "ok";
  auto &cache = caches.at(words[0]);
  if (verb == "get" || verb == "token") return get(cache, words[1]);
  if (verb == "start") return start(cache, std::stoi(words[1]), words[2]), "ok";
  if (verb == "generation") return Line("ok").put("generation", static_cast<std::int64_t>(cache.generation())).end();
  if (verb == "invalidate") return cache.invalidate(words.size() > 1 ? words[1] : std::string_view()), "ok";
  if (verb == "stats") return put_stats(cache.stats());
  if (verb == "close") return cache.close(), "ok";
  return "unknown";
}

static Words split(const std::string &line) {
  Words words(1);
  for (std::size_t i = 0; i < line.size(); i++) {
    if (line[i] == ' ') words.emplace_back();
    else if (line[i] != '%') words.back() += line[i];
    else words.back() += static_cast<char>(std::stoi(line.substr(i + 1, 2), nullptr, 16)), i += 2;
  }
  return words;
}

int main() {
  std::puts("ready cpp");
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line); std::fflush(stdout)) {
    auto words = split(line);
    const auto verb = words.front();
    words.erase(words.begin());
    try {
      std::puts(reply(verb, words).c_str());
    } catch (const bankhub::Error &error) {
      std::puts(failure(error).c_str());
    } catch (const std::out_of_range &) {
      std::puts("unknown");  // no such cache
    }
  }
}
