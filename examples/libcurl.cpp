// Requests the company from the API with libcurl, and recovers if the token is revoked.
#include <iostream>

#include "authorized.hpp"

int main() try {
  const auto given = std::getenv("BANKHUB_BASE_URL");
  const std::string base_url = given && *given ? given : BANKHUB_SANDBOX_URL;
  const auto cache = bankhub::TokenCache::from_env();
  const Authorized api(cache, base_url);
  curl_global_init(CURL_GLOBAL_DEFAULT);
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> request(curl_easy_init(), curl_easy_cleanup);
  curl_easy_setopt(request.get(), CURLOPT_TIMEOUT, 10L);
  const auto url = base_url + "/v1/company";
  const auto code = api.perform(request.get(), url, true, [](std::string_view part) { std::cout << part; });
  if (code != CURLE_OK) throw std::runtime_error(curl_easy_strerror(code));
} catch (const std::exception &error) {
  std::cerr << error.what() << '\n';
  return 1;
}
