//! Which proxy URLs are accepted, and that no error repeats one.

use super::*;
use crate::http::token_endpoint::TokenEndpoint;

#[test]
fn accepts_an_address_with_credentials_only() {
    for url in ["http://proxy.test:3128", "http://user:p4ss@proxy.test", "http://proxy.test/"] {
        assert!(parse("proxy", url).is_ok(), "{url}");
    }
    for url in [
        "http://u:p4ss@h:1/path",
        "http://u:p4ss@h:1/?x",
        "http://h:1#p4ss",
        "http://p4ss@b@c:1",
        "http://h:0",
        "http://h:65536",
        "http://",
        "https://u:p4ss@h",
        "socks5://u:p4ss@h",
        "not a url",
    ] {
        let error = parse("proxy", url).expect_err(url);
        assert!(error.message().starts_with("proxy ") && !error.message().contains("p4ss"), "{url}: {error}");
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
