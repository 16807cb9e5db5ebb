// Performs libcurl requests with a token, and once more where an API answers 401. To be copied into a program.
#ifndef AUTHORIZED_HPP
#define AUTHORIZED_HPP

#include <curl/curl.h>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "bankhub.hpp"

/// For any number of threads at once, each with a CURL of its own.
class Authorized {
 public:
  /// Receives a piece of the answer's body.
  using Receive = std::function<void(std::string_view)>;

  /// No other origin (scheme, host, port) than that of `base_url`, which is the cache's, gets its token.
  Authorized(const bankhub::TokenCache &cache, std::string base_url) : cache_(cache), origin_(origin(base_url)) {}

  /// Everything else about the request is set on `curl` as usual: its method, body and timeout. `repeatable` is whether
  /// the body can be sent again: none, or POSTFIELDS; not what is read from the caller.
  ///
  /// The answer's status is that of `curl`. Throws bankhub::Error where no token could be had, and nothing was sent.
  CURLcode perform(CURL *curl, const std::string &url, bool repeatable, const Receive &receive) const {
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    if (origin(url) != origin_) return perform(curl, receive);
    auto token = cache_.get();
    std::string held;  // the body of the first 401, which nobody gets if the request is sent again
    const auto code = perform_with(curl, token, [&](std::string_view part) {
      if (!rejected(curl)) return receive(part);
      held.append(part.substr(0, held_max - held.size()));
    });
    if (code != CURLE_OK || !rejected(curl)) return code;
    if (!replace(token, repeatable)) return receive(held), code;
    const auto second = perform_with(curl, token, receive);
    if (second == CURLE_OK && rejected(curl)) cache_.invalidate(token);
    return second;
  }

 private:
  using Origin = std::array<std::string, 3>;

  static constexpr std::size_t held_max = 65536;
  static constexpr long unauthorized = 401;

  static Origin origin(const std::string &url) {
    const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), curl_url_cleanup);
    if (!parsed || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return {};
    return {part(*parsed, CURLUPART_SCHEME), part(*parsed, CURLUPART_HOST), part(*parsed, CURLUPART_PORT)};
  }

  // In small letters.
  static std::string part(CURLU &url, CURLUPart which) {
    char *text = nullptr;
    if (curl_url_get(&url, which, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
    std::string copied(text);
    curl_free(text);
    for (auto &letter : copied) {
      if (letter >= 'A' && letter <= 'Z') letter += 'a' - 'A';
    }
    return copied;
  }

  // Whether the answer is a 401 to the token: a redirect may have led elsewhere, where libcurl does not send it.
  bool rejected(CURL *curl) const {
    long status = 0;
    char *url = nullptr;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
    return status == unauthorized && url != nullptr && origin(url) == origin_;
  }

  // Reports the token as rejected. Whether there is another one now, and it is of use.
  bool replace(bankhub::Token &token, bool repeatable) const try {
    cache_.invalidate(token);
    if (!repeatable) return false;
    auto newer = cache_.get();
    return newer.generation() != std::exchange(token, newer).generation();
  } catch (const bankhub::Error &) {
    return false;
  }

  static CURLcode perform_with(CURL *curl, const bankhub::Token &token, const Receive &receive) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token.c_str());
    const auto code = perform(curl, receive);
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, nullptr);
    return code;
  }

  static CURLcode perform(CURL *curl, const Receive &receive) {
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pass_on);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receive);
    return curl_easy_perform(curl);
  }

  // No exception may pass through libcurl.
  static std::size_t pass_on(char *data, std::size_t size, std::size_t count, void *receive) noexcept try {
    (*static_cast<const Receive *>(receive))({data, size * count});
    return size * count;
  } catch (...) {
    return 0;
  }

  const bankhub::TokenCache &cache_;
  Origin origin_;
};

#endif
