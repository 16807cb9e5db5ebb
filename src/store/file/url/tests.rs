//! Which `file:` URLs name a directory, and what the error says about the others.

use std::os::unix::ffi::OsStrExt;

use super::*;

#[test]
fn names_a_directory() {
    for (url, expected) in [
        ("/run/app", &b"/run/app"[..]),
        ("///run/app", b"/run/app"),
        ("//localhost/run/app", b"/run/app"),
        ("//LocalHost/run/app", b"/run/app"),
        ("/run/app/", b"/run/app"),
        ("/run//app/.//", b"/run/app"),
        ("/run/%2e/app", b"/run/app"),
        ("/my%20app", b"/my app"),
        ("/my app", b"/my app"),
        ("/a%25b%3F%23%3a%C3%A9%ff", b"/a%b?#:\xc3\xa9\xff"),
        ("/%2525", b"/%25"),
        ("/caf\u{e9}", b"/caf\xc3\xa9"),
        ("/...", b"/..."),
        ("/~/x", b"/~/x"),
        ("/C:/x", b"/C:/x"),
    ] {
        let found = directory(url).unwrap_or_else(|error| panic!("{url}: {}", error.message()));
        assert_eq!(found.as_os_str().as_bytes(), expected, "{url}");
    }
}

#[test]
fn refuses_what_names_no_directory_here() {
    for (problem, urls) in [
        ("has a host", &["//host/x", "//host", "//127.0.0.1/x", "//localhost:80/x", "//u@localhost/x", "//%2F/x"][..]),
        ("must name", &["", "x", "~/x", "$HOME/x", "./x", "%2Fx", "//", "//localhost", "C:\\x", "\\\\host\\x"]),
        ("has a path that begins", &["////host/x", "//localhost//x"]),
        ("names the root", &["/", "///", "/.", "//localhost/"]),
        ("contains '..'", &["/..", "/a/../b", "/a/%2e%2E/b", "/a/.%2e"]),
        ("contains '?'", &["/a?", "/a#b", "//host/a?b", "?", "#"]),
        ("contains a '%'", &["/%", "/a%2", "/%zz", "/%+1", "/50% off", "/%\u{e9}", "/%%25", "/%2\u{e9}"]),
        ("contains a control", &["/a%00", "/%00", "/a\0", "/a\n", "/a%0a", "/%7F", "/a\u{7f}b", "/\tb"]),
        ("contains %2F", &["/a%2Fb", "/%2f", "/a/%2F%2E%2E"]),
    ] {
        for url in urls {
            let error = directory(url).expect_err(url);
            assert!(error.message().starts_with(&format!("store {problem}")), "{url:?}: {}", error.message());
        }
    }
}
