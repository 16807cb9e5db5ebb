// Sends libcurl requests with a token, and once more if an API answers 401, except after a redirect. Copy this file
// into your program. It needs libcurl 7.83 or later: an older one may send the token along a redirect to another port.
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

/// Any number of threads may use it at once, each with its own CURL.
class Authorized {
 public:
  /// Receives a part of the body of the response.
  using Receive = std::function<void(std::string_view)>;

  /// Sends the token only to the origin (scheme, host, port) of `base_url`, which is the base URL of the cache. The
  /// cache must outlive this object.
  Authorized(const bankhub::TokenCache &cache, std::string base_url) : cache_(cache), origin_(origin(base_url)) {}

  /// Set everything else on `curl` as usual: method, body and timeout. The timeout is that of each attempt; the wait
  /// for a token ends by the timeout of the cache. For a request that has an Authorization header, use
  /// curl_easy_perform instead. With libcurl's cookies on (CURLOPT_COOKIEFILE), those of a 401 go along with the second
  /// request.
  ///
  /// `repeatable`: whether the body can be sent again: no body or POSTFIELDS, but no read callback.
  ///
  /// The status of the response is that of `curl`. Throws bankhub::Error if there is no token; then nothing is sent.
  /// Throws what `receive` throws.
  CURLcode perform(CURL *curl, const std::string &url, bool repeatable, const Receive &receive) const {
    curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
    if (!is_own_origin(url)) return perform(curl, receive);
    auto token = cache_.get();
    std::string held;  // the start of the body of the first 401, dropped if the request is sent again
    const auto code = perform_with(curl, token, [&](std::string_view part) {
      if (!rejected(curl)) return receive(part);
      held.append(part.substr(0, held_max - held.size()));
    });
    if (!has_response(code) || !rejected(curl)) return code;
    if (!replace(token, repeatable && !redirected(curl))) return receive(held), code;
    const auto second = perform_with(curl, token, receive);
    if (has_response(second) && rejected(curl)) (void)cache_.try_invalidate(token);
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

  // A part of the URL, in lower case.
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

  // A URL that cannot be parsed has no origin, and so gets no token.
  bool is_own_origin(const std::string &url) const { return origin_ != Origin() && origin(url) == origin_; }

  // Whether there is a response. With CURLOPT_FAILONERROR, a 401 is CURLE_HTTP_RETURNED_ERROR.
  static bool has_response(CURLcode code) { return code == CURLE_OK || code == CURLE_HTTP_RETURNED_ERROR; }

  // Whether the response is a 401 to the token. After a redirect to another origin, libcurl has not sent the token.
  bool rejected(CURL *curl) const {
    long status = 0;
    char *url = nullptr;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_EFFECTIVE_URL, &url);
    return status == unauthorized && url != nullptr && is_own_origin(url);
  }

  // A request that was redirected has had its effect, and must not be sent twice.
  static bool redirected(CURL *curl) {
    long redirects = 0;
    curl_easy_getinfo(curl, CURLINFO_REDIRECT_COUNT, &redirects);
    return redirects > 0;
  }

  // Reports the token as rejected. Whether there is another token and the request may be sent again.
  bool replace(bankhub::Token &token, bool repeatable) const {
    if (!cache_.try_invalidate(token) || !repeatable) return false;
    const auto newer = cache_.try_get();
    return newer && newer->generation() != std::exchange(token, *newer).generation();
  }

  static CURLcode perform_with(CURL *curl, const bankhub::Token &token, const Receive &receive) {
    const auto clear = [](CURL *sent) { curl_easy_setopt(sent, CURLOPT_XOAUTH2_BEARER, nullptr); };
    const std::unique_ptr<CURL, decltype(clear)> clear_at_end(curl, clear);
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, static_cast<long>(CURLAUTH_BEARER));
    curl_easy_setopt(curl, CURLOPT_XOAUTH2_BEARER, token.c_str());
    return perform(curl, receive);
  }

  static CURLcode perform(CURL *curl, const Receive &receive) {
    Receiver receiver{receive, nullptr};
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, write_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiver);
    const auto code = curl_easy_perform(curl);
    if (receiver.thrown) std::rethrow_exception(receiver.thrown);
    return code;
  }

  struct Receiver {
    const Receive &receive;
    std::exception_ptr thrown;  // kept here, because it must not pass through libcurl
  };

  static std::size_t write_body(char *data, std::size_t size, std::size_t count, void *context) noexcept {
    auto &receiver = *static_cast<Receiver *>(context);
    try {
      receiver.receive({data, size * count});
      return size * count;
    } catch (...) {
      receiver.thrown = std::current_exception();
      return 0;
    }
  }

  const bankhub::TokenCache &cache_;
  Origin origin_;
};

#endif
