//! Which proxy URLs are accepted, and that no error repeats one.

use super::*;
use crate::http::token_endpoint::TokenEndpoint;

#[test]
fn accepts_an_address_with_credentials_only() {
    for (url, address) in [
        ("http://proxy.test:3128", "proxy.test:3128"),
        ("http://user:p4ss@proxy.test", "proxy.test:80"),
        ("http://user:p%40%23s@proxy.test/", "proxy.test:80"),
        ("HTTP://proxy.test/", "proxy.test:80"),
        ("proxy.test:3128", "proxy.test:3128"),
        ("http://[::1]:3128", "[::1]:3128"),
    ] {
        let proxy = parse("proxy", url).expect(url);
        assert_eq!(format!("{}:{}", proxy.host, proxy.port), address);
    }
    for url in [
        "http://u:p4ss@h:1/path",
        "http://u:p4ss@h:1/?x",
        "http://h:1#p4ss",
        "http://h:0",
        "http://h:65536",
        "http://",
        "http://u:p4ss@h@h:1",
        "not a url",
    ] {
        let error = parse("proxy", url).err().expect(url);
        assert!(error.message().starts_with("proxy ") && !error.message().contains("p4ss"), "{url}: {error}");
    }
}

#[test]
fn says_what_to_change() {
    for (url, expected) in [
        ("https://u:p4ss@h", "the scheme https is not supported"),
        ("socks5://u:p4ss@h", "the scheme socks5 is not supported"),
        ("SOCKS5h://u:p4ss@h", "the scheme SOCKS5h is not supported"),
        ("u:p4ss?://h", "its scheme is not supported"),
        ("http://u:p4ss@x@h:1", "write them as %40"),
        ("http://u:p4ss#@h:1", "write them as %40"),
        ("http://u:p4/ss@h:1", "write them as %40"),
        ("http://u:p4?ss@h:1", "write them as %40"),
        ("http://u:p4 ss@h:1", "percent-encode them"),
        ("http://u:p4\"ss@h:1", "percent-encode them"),
        ("http://u:p4%ff@h:1", "percent-encode them"),
    ] {
        let error = parse("HTTPS_PROXY", url).err().expect(url);
        assert!(error.message().contains(expected) && !error.message().contains("p4"), "{url}: {error}");
    }
}

#[test]
fn refuses_to_send_the_secret_in_clear_to_a_distant_proxy() {
    let new = |config: Config| TokenEndpoint::new(&config).err().map(|error| error.message().to_owned());
    let config = |proxy| Config::new("id", "secret").base_url("http://127.0.0.1:1").proxy(proxy);
    assert!(new(config("http://proxy.test:1")).is_some_and(|message| message.starts_with("proxy would get")));
    assert_eq!(new(config("http://proxy.test:1").allow_http(true)), None);
    assert_eq!(new(config("http://127.0.0.1:2")), None);
    assert_eq!(new(config("http://proxy.test:1").base_url("https://hub.test")), None);
}
