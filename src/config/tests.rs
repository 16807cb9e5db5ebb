//! Which base URLs are accepted, and what the error says about the others.

use super::*;

fn token_url(base_url: &str) -> Result<String, String> {
    let config = Config::new("id", "secret").base_url(base_url);
    config.token_url().map(|url| url.to_string()).map_err(|error| error.message().to_owned())
}

#[test]
fn the_token_url_is_below_the_base_url() {
    for (base_url, expected) in [
        ("", "https://bankhub-api-sandbox.sepay.vn/v1/token"),
        (SANDBOX_URL, "https://bankhub-api-sandbox.sepay.vn/v1/token"),
        ("https://hub.test/", "https://hub.test/v1/token"),
        ("https://hub.test:8443/a/b/", "https://hub.test:8443/a/b/v1/token"),
        ("HTTPS://hub.test", "https://hub.test/v1/token"),
        ("http://127.9.8.7:80", "http://127.9.8.7:80/v1/token"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/token"),
        ("http://LocalHost:8080", "http://LocalHost:8080/v1/token"),
    ] {
        assert_eq!(token_url(base_url).as_deref(), Ok(expected), "{base_url}");
    }
}

#[test]
fn refuses_other_base_urls_without_repeating_them() {
    for (base_url, problem) in [
        ("hub.test", "has no scheme"),
        ("/v1", "has no scheme"),
        ("https://", "is not a URL"),
        ("https:///v1", "is not a URL"),
        ("https://:443", "has no host"),
        ("https://p4ssw0rd@hub.test", "contains user info"),
        ("https://id:p4ssw0rd@hub.test", "contains user info"),
        ("https://hub.test?p4ssw0rd", "has a query"),
        ("https://hub.test/?", "has a query"),
        ("https://hub.test#p4ssw0rd", "has a fragment"),
        ("ftp://hub.test", "has a scheme other"),
        ("http://hub.test", "is plain http"),
        ("http://127.0.0.1.hub.test", "is plain http"),
        ("http://localhost.hub.test", "is plain http"),
        ("https://hub.test:0", "has a port"),
        ("https://hub.test:", "has a port"),
        ("https://hub.test:65536", "has a port"),
        ("https://hub test", "is not a URL"),
    ] {
        let message = token_url(base_url).expect_err(base_url);
        assert!(message.starts_with(&format!("base_url {problem}")), "{base_url}: {message}");
        assert!(!message.contains("p4ssw0rd"), "{base_url}: {message}");
    }
}
