//! Which entries of NO_PROXY except which host.

use super::excepts;

const EXCEPTED: &[(&str, &str)] = &[
    ("*", "hub.test"),
    ("elsewhere.test, *", "hub.test"),
    ("hub.test", "hub.test"),
    ("HUB.test", "hub.TEST"),
    ("hub.test.", "hub.test"),
    ("hub.test", "hub.test."),
    ("test", "hub.test"),
    ("hub.test", "api.hub.test"),
    (".hub.test", "api.hub.test"),
    (".hub.test", "hub.test"),
    ("*.hub.test", "api.hub.test"),
    ("elsewhere.test hub.test", "hub.test"),
    ("elsewhere.test,\thub.test ,", "hub.test"),
    ("elsewhere.test\r\nhub.test\n", "hub.test"),
    ("hub.test:443", "hub.test"),
    ("hub.test:", "hub.test"),
    ("10.1.2.3", "10.1.2.3"),
    ("10.1.2.3:443", "10.1.2.3"),
    ("10.0.0.0/8", "10.1.2.3"),
    ("10.9.9.9/8", "10.1.2.3"),
    ("10.1.2.3/32", "10.1.2.3"),
    ("0.0.0.0/0", "10.1.2.3"),
    ("::1", "[::1]"),
    ("[::1]", "[::1]"),
    ("[::1]:443", "[::1]"),
    ("0:0:0:0:0:0:0:1", "[::1]"),
    ("fd00::/8", "[fd12::1]"),
    ("[fd00::]/8", "[fd12::1]"),
    ("::/0", "[fd12::1]"),
    ("localhost", "localhost"),
];

const NOT_EXCEPTED: &[(&str, &str)] = &[
    ("", "hub.test"),
    (",", "hub.test"),
    (".", "hub.test"),
    ("*.", "hub.test"),
    ("elsewhere.test", "hub.test"),
    ("hub.test", "github.test"),
    ("b.test", "hub.test"),
    ("*.hub.test", "hub.test"),
    ("api.hub.test", "hub.test"),
    ("hub.test:8443", "hub.test"),
    ("hub.test:x", "hub.test"),
    ("10.1.2.3", "10.1.2.30"),
    ("0.1.2.3", "10.1.2.3"),
    ("10.0.0.0/8", "11.0.0.1"),
    ("10.0.0.0/33", "10.1.2.3"),
    ("10.0.0.0/x", "10.1.2.3"),
    ("10.0.0.0/8", "hub.test"),
    ("::/0", "10.1.2.3"),
    ("0.0.0.0/0", "[::1]"),
    ("::1", "[::2]"),
    ("fd00::/8", "[fe00::1]"),
    ("fd00::/129", "[fd12::1]"),
];

#[test]
fn excepts_as_curl_go_and_requests_do() {
    for (exceptions, host) in EXCEPTED {
        assert!(excepts(exceptions, host, 443), "{exceptions:?} must except {host}");
    }
    for (exceptions, host) in NOT_EXCEPTED {
        assert!(!excepts(exceptions, host, 443), "{exceptions:?} must not except {host}");
    }
}
