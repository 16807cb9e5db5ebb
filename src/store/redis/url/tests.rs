//! A URL of Redis is understood, or refused with a reason.

use super::*;

fn parsed(url: &str) -> (Topology, Login, bool) {
    let StoreUrl { topology, login, is_tls } = StoreUrl::parse(url).unwrap_or_else(|error| panic!("{url}: {error}"));
    (topology, login, is_tls)
}

fn login(user: &str, password: &str, database: u32) -> Login {
    let secret = |text: &str| Some(Secret::new(text.to_owned())).filter(|_| !text.is_empty());
    Login { user: secret(user), password: secret(password), database }
}

fn at(host: &str, port: u16) -> Address {
    Address::Tcp(host.to_owned(), port)
}

#[test]
fn servers_have_defaults_and_several_hosts() {
    let one = |url: &str| match parsed(url) {
        (Topology::Servers(hosts), login, is_tls) => (hosts, login, is_tls),
        _ => panic!("{url}"),
    };
    assert_eq!(one("redis://h"), (vec![at("h", 6379)], login("", "", 0), false));
    assert_eq!(one("REDISS://h"), (vec![at("h", 6379)], login("", "", 0), true));
    assert_eq!(one("rediss://:p@h:1/2/"), (vec![at("h", 1)], login("", "p", 2), true));
    assert_eq!(one("redis://u%3a:p%2f%@h/"), (vec![at("h", 6379)], login("u:", "p/%", 0), false));
    assert_eq!(
        one("redis://u:p@:q@[::1]:7,h_1.x-y"),
        (vec![at("::1", 7), at("h_1.x-y", 6379)], login("u", "p@:q", 0), false)
    );
}

#[test]
fn sentinels_have_a_master_and_may_have_their_own_login() {
    let sentinels = |own: Login| Topology::Sentinels {
        sentinels: vec![at("a", 26379), at("b", 5)],
        master: "my master".to_owned(),
        login: own,
    };
    let (topology, all, is_tls) = parsed("redis+sentinel://u:p@a,b:5/my%20master/3");
    assert_eq!((topology, all, is_tls), (sentinels(login("u", "p", 0)), login("u", "p", 3), false));
    let own = "rediss+sentinel://u:p@a,b:5/my%20master?sentinel_username=s&sentinel_password=%26%3f";
    assert_eq!(parsed(own), (sentinels(login("s", "&?", 0)), login("u", "p", 0), true));
    let own = "redis+sentinel://a,b:5/my%20master/?sentinel_password=q";
    assert_eq!(parsed(own), (sentinels(login("", "q", 0)), login("", "", 0), false));
}

#[test]
#[cfg(unix)]
fn a_socket_has_its_login_before_the_path_or_after_it() {
    let socket = |path: &str| Topology::Servers(vec![Address::Socket(path.into())]);
    for url in ["redis+unix:/run/r.sock", "redis+unix:///run/r.sock", "redis+unix:/run%2fr.sock"] {
        assert_eq!(parsed(url), (socket("/run/r.sock"), login("", "", 0), false));
    }
    for url in ["redis+unix:/a@b?user=u&pass=p%26&db=2", "redis+unix://u:p%26@/a@b?db=2"] {
        assert_eq!(parsed(url), (socket("/a@b"), login("u", "p&", 2), false));
    }
}

#[test]
fn refuses_what_is_not_supported_and_says_why() {
    let long = format!("redis+unix:/{}", "x".repeat(SOCKET_PATH_BYTES_MAX));
    for (url, words) in [
        ("redis:/secret", "is not a Redis URL; expected redis://"),
        ("redis:secret", "is not a Redis URL; expected redis://"),
        ("redis://", "is not a Redis URL; expected redis://"),
        ("redis://:secret@", "is not a Redis URL"),
        ("redis://h,", "is not a Redis URL"),
        ("redis://u:secret@h,u:secret@i", "a login before several hosts"),
        ("redis://:secret@,h", "is not a Redis URL"),
        ("redis://h:", "port that is not"),
        ("redis://h:0", "port that is not"),
        ("redis://h:65536", "port that is not"),
        ("redis://h:+1", "port that is not"),
        ("redis://::1", "is not a Redis URL"),
        ("redis://fe80::1", "brackets"),
        ("redis://[::1", "neither a host name"),
        ("redis://[h]", "is not a Redis URL"),
        ("redis://[::1]6379", "is not a Redis URL"),
        ("redis://[::]", "neither a host name"),
        ("redis://0.0.0.0", "neither a host name"),
        ("redis://h%00", "neither a host name"),
        ("redis://höst", "neither a host name"),
        ("redis://h /1", "a space or a control character"),
        ("redis://h\n", "a space or a control character"),
        ("redis://secret@h", "a user without a password"),
        ("redis://secret:@h", "a user without a password"),
        ("redis://:sec/ret@h", "write them as %40"),
        ("redis://:%ff@h", "not UTF-8"),
        ("redis://h/first", "database that is not a number"),
        ("redis://h/1/2", "database that is not a number"),
        ("redis://h/-1", "database that is not a number"),
        ("redis://h/4294967296", "database that is too large"),
        ("redis://h?protocol=resp3", "contains '?'"),
        ("redis://h?", "contains '?'"),
        ("rediss://h#insecure", "contains '#'"),
        ("redis://a,b/1", "has only database 0"),
        ("redis+sentinel:h/NAME", "expected redis+sentinel://"),
        ("redis+sentinel:///NAME", "expected redis+sentinel://"),
        ("redis+sentinel://h", "names no master"),
        ("redis+sentinel://h/", "names no master"),
        ("redis+sentinel://h//2", "names no master"),
        ("redis+sentinel://h/NAME/two", "database that is not a number"),
        ("redis+sentinel://h/NAME?password=secret", "supported are sentinel_username, sentinel_password"),
        ("redis+sentinel://h/NAME?sentinel_username=secret", "a user without a password"),
        ("redis+unix:", "expected redis+unix:/PATH"),
        ("redis+unix:secret", "expected redis+unix:/PATH"),
        ("redis+unix:/", "expected redis+unix:/PATH"),
        ("redis+unix:/secret/", "expected redis+unix:/PATH"),
        ("redis+unix://host/secret", "expected redis+unix:/PATH"),
        ("redis+unix:/s?password=secret", "supported are user, pass, db"),
        ("redis+unix:/s?user=secret", "a user without a password"),
        ("redis+unix:/s?db=x", "database that is not a number"),
        ("redis+unix:/s%00", "no Unix socket can have"),
        (&long, "no Unix socket can have"),
    ] {
        let error = StoreUrl::parse(url).map(|_| ()).expect_err(url);
        assert!(error.message().starts_with("store ") && error.message().contains(words), "{url}: {error}");
        assert!(!error.message().contains("secret"), "{url}: {error}");
    }
}
