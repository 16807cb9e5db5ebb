// Performs libcurl requests with a token, and once more where an API answers 401, unless they were redirected there. To
// be copied into a program. Wants libcurl 7.83: an older one may follow a redirect to another port with the token.
#ifndef AUTHORIZED_HPP
#define AUTHORIZED_HPP

#include <curl/curl.h>

#include <array>
#include <exception>
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

  /// No other origin (scheme, host, port) than that of `base_url`, which is the cache's, gets its token. The cache must
  /// outlive this.
  Authorized(const bankhub::TokenCache &cache, std::string base_url) : cache_(cache), origin_(origin(base_url)) {}

  /// Everything else about the request is set on `curl` as usual: its method, body and timeout, which is that of each
  /// try; the wait for a token ends by the cache's. Where an Authorization header is, use curl_easy_perform instead.
  ///
  /// `repeatable` is whether the body can be sent again: none, or POSTFIELDS; not what is read from the caller.
  ///
  /// The answer's status is that of `curl`. Throws bankhub::Error where no token could be had, and nothing was sent;
  /// and whatever `receive` throws.
  CURLcode perform(CURL *curl, const std::string &url, bool repeatable, const Receive &receive) const {
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    if (!own(url)) return perform(curl, receive);
    auto token = cache_.get();
    std::string held;  // how the body of the first 401 begins, which nobody gets if the request is sent again
    const auto code = perform_with(curl, token, [&](std::string_view part) {
      if (!rejected(curl)) return receive(part);
      held.append(part.substr(0, held_max - held.size()));
    });
    if (!answered(code) || !rejected(curl)) return code;
    if (!replace(token, repeatable && !redirected(curl))) return receive(held), code;
    const auto second = perform_with(curl, token, receive);
    if (answered(second) && rejected(curl)) (void)cache_.try_invalidate(token);
    return second;
  }

 private:
  using Origin = std::array<std::string, 3>;

  static constexpr std::size_t held_max = CURL_MAX_WRITE_SIZE;
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

  // What cannot be read has no origin, and is nobody's own.
  bool own(const std::string &url) const { return origin_ != Origin() && origin(url) == origin_; }

  // The second is what CURLOPT_FAILONERROR makes of a 401.
  static bool answered(CURLcode code) { return code == CURLE_OK || code == CURLE_HTTP_RETURNED_ERROR; }

  // Whether the answer is a 401 to the token: a redirect may have led elsewhere, where libcurl does not send it.
  bool rejected(CURL *curl) const {
    long status = 0;
    char *url = nullptr;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
    return status == unauthorized && url != nullptr && own(url);
  }

  // What a redirect answered has been done, and must not be done twice.
  static bool redirected(CURL *curl) {
    long redirects = 0;
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_COUNT, &redirects);
    return redirects > 0;
  }

  // Reports the token as rejected. Whether there is another one now, and it is of use.
  bool replace(bankhub::Token &token, bool repeatable) const {
    if (!cache_.try_invalidate(token) || !repeatable) return false;
    const auto newer = cache_.try_get();
    return newer && newer->generation() != std::exchange(token, *newer).generation();
  }

  static CURLcode perform_with(CURL *curl, const bankhub::Token &token, const Receive &receive) {
    const auto forget = [](CURL *sent) { curl_easy_setopt(sent, CURLOPT_XOAUTH2_BEARER, nullptr); };
    const std::unique_ptr<CURL, decltype(forget)> forgetting(curl, forget);
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token.c_str());
    return perform(curl, receive);
  }

  static CURLcode perform(CURL *curl, const Receive &receive) {
    Reception reception{receive, nullptr};
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pass_on);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reception);
    const auto code = curl_easy_perform(curl);
    if (reception.thrown) std::rethrow_exception(reception.thrown);
    return code;
  }

  struct Reception {
    const Receive &receive;
    std::exception_ptr thrown;  // which must not pass through libcurl
  };

  static std::size_t pass_on(char *data, std::size_t size, std::size_t count, void *context) noexcept {
    auto &reception = *static_cast<Reception *>(context);
    try {
      reception.receive({data, size * count});
      return size * count;
    } catch (...) {
      reception.thrown = std::current_exception();
      return 0;
    }
  }

  const bankhub::TokenCache &cache_;
  Origin origin_;
};

#endif
