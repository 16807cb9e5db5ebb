//! Responses as a table: the status and body of each, and the token or failure that it means.

use bankhub_core::{Secret, policy};
use ureq::http::HeaderValue;

use super::*;

fn headers(headers: &[(header::HeaderName, &str)]) -> HeaderMap {
    let value = |text| HeaderValue::from_str(text).expect("a header");
    headers.iter().map(|(name, text)| (name.clone(), value(text))).collect()
}

#[track_caller]
fn check(http_status: u16, body: &str, expected: Result<(&str, u64), (Status, u16)>) {
    let read = super::read(http_status, &HeaderMap::new(), body.as_bytes());
    let actual = read.map_err(|problem| (problem.status, problem.http_status));
    let expected = expected
        .map(|(value, ttl)| TokenResponse { value: Secret::new(value.to_owned()), ttl: Duration::from_secs(ttl) });
    assert_eq!(actual, expected, "{http_status} {body:.100}");
}

#[test]
fn accepts_a_2xx_with_a_usable_token_and_ttl() {
    let longest = "x".repeat(policy::TOKEN_BYTES_MAX);
    for (http_status, body, expected) in [
        (201, r#"{"code":201,"access_token":"5e79","ttl":60000}"#, ("5e79", 60_000)),
        (200, r#"{"ttl":"7","access_token":"aZ09-._~+\/==","more":[1,{}]}"#, ("aZ09-._~+/==", 7)),
        (201, r#"{"code":"200","access_token":"t","ttl":1}"#, ("t", 1)),
        (201, r#"{"code":null,"access_token":"t","ttl":99999999999}"#, ("t", 315_360_000)),
        (201, r#"{"access_token":"t","ttl":99999999999999999999}"#, ("t", 315_360_000)),
        (201, r#"{"access_token":"t","ttl":"99999999999999999999"}"#, ("t", 315_360_000)),
        (200, r#"{"code":200,"data":{"access_token":"t","ttl":7,"more":null}}"#, ("t", 7)),
        (201, r#"{"access_token":"t","ttl":7,"data":{"access_token":"u","ttl":8}}"#, ("t", 7)),
        (201, r#"{"access_token":"t","ttl":7,"data":null}"#, ("t", 7)),
        (201, r#"{"access_token":"t","ttl":7,"data":[]}"#, ("t", 7)),
        (201, r#"{"data":"x","access_token":"t","ttl":7}"#, ("t", 7)),
        (201, r#"{"access_token":"t","ttl":7,"data":{"ttl":-1,"access_token":{}}}"#, ("t", 7)),
        (201, "\u{feff}{\"access_token\":\"t\",\"ttl\":7}", ("t", 7)),
        (201, r#"{"access_token":"!#\"$%&'()*+,:;<=>?@[\\]^`{|}~","ttl":7}"#, ("!#\"$%&'()*+,:;<=>?@[\\]^`{|}~", 7)),
        (201, r#"{"code":2.01e2,"access_token":"==","ttl":7}"#, ("==", 7)),
        (201, r#"{"code":" 201 ","access_token":"t","ttl":7}"#, ("t", 7)),
        (299, &format!(r#"{{"access_token":"{longest}","ttl":1}}"#), (&longest, 1)),
    ] {
        check(http_status, body, Ok(expected));
    }
}

#[test]
fn refuses_a_2xx_without_them() {
    let too_long = format!(r#"{{"access_token":"{}","ttl":1}}"#, "x".repeat(policy::TOKEN_BYTES_MAX + 1));
    let too_large = format!(r#"{{"access_token":"t","ttl":1}}{}"#, " ".repeat(BODY_LIMIT_BYTES));
    for body in [
        "",
        "null",
        "[]",
        r#"[201,"t",1]"#,
        "<html></html>",
        r#"{"access_token":"t","ttl":1"#,
        r#"{"access_token":"t","ttl":1}x"#,
        r#"{"access_token":"t"}"#,
        r#"{"ttl":1}"#,
        r#"{"access_token":null,"ttl":1}"#,
        r#"{"access_token":7,"ttl":1}"#,
        r#"{"access_token":"","ttl":1}"#,
        r#"{"access_token":"a b","ttl":1}"#,
        r#"{"access_token":"a\r\nb","ttl":1}"#,
        r#"{"access_token":"é","ttl":1}"#,
        r#"{"access_token":"t","ttl":0}"#,
        r#"{"access_token":"t","ttl":-1}"#,
        r#"{"access_token":"t","ttl":"1h"}"#,
        r#"{"access_token":"t","ttl":"+1"}"#,
        r#"{"access_token":"t","ttl":-1e30}"#,
        r#"{"code":0,"access_token":"t","ttl":1}"#,
        r#"{"code":70000,"access_token":"t","ttl":1}"#,
        r#"{"access_token":"t","ttl":true}"#,
        r#"{"access_token":"t","access_token":"u","ttl":1}"#,
        r#"{"access_token":"t","ttl":1,"ttl":1}"#,
        r#"{"access_token":"t","data":{"ttl":1}}"#,
        r#"{"ttl":1,"data":{"access_token":"t"}}"#,
        r#"{"data":{"access_token":"t","access_token":"u","ttl":1}}"#,
        r#"{"data":{"data":{"access_token":"t","ttl":1}}}"#,
        r#"{"data":[]}"#,
        "\u{feff}\u{feff}{\"access_token\":\"t\",\"ttl\":7}",
        &too_long,
        &too_large,
    ] {
        check(201, body, Err((Status::BadResponse, 201)));
    }
}

#[test]
fn reads_a_ttl_in_every_spelling_and_rounds_it_down() {
    for (ttl, seconds) in [
        ("3600.0", 3600),
        ("3600.999999999999999999999999", 3600),
        ("1e4", 10_000),
        ("1E+4", 10_000),
        ("36.0e2", 3600),
        ("36000000e-4", 3600),
        ("0.36e4", 3600),
        ("0.00036e7", 3600),
        ("1.5", 1),
        (r#""3600""#, 3600),
        (r#""3600.0""#, 3600),
        (r#""1e4""#, 10_000),
        (r#"" 3600 ""#, 3600),
        (r#""\u0036\u0030""#, 60),
        (r#""003600""#, 3600),
        ("1e400", 315_360_000),
        ("1e99999999999999999999", 315_360_000),
        ("18446744073709551616", 315_360_000),
        ("184467440737095516160e-20", 1),
    ] {
        check(201, &format!(r#"{{"access_token":"t","ttl":{ttl}}}"#), Ok(("t", seconds)));
    }
}

#[test]
fn names_a_ttl_that_is_no_positive_number() {
    for ttl in [
        "0",
        "-0",
        "0.0",
        "0e9",
        "0.99999999999999999999",
        "1e-1",
        "1e-400",
        "1e-99999999999999999999",
        "-1",
        "-3600.0",
        "-1e400",
        "true",
        "[3600]",
        "{}",
        r#""""#,
        r#"" ""#,
        r#""soon""#,
        r#""NaN""#,
        r#""nan""#,
        r#""inf""#,
        r#""Infinity""#,
        r#""-Infinity""#,
        r#""0x10""#,
        r#""1h""#,
        r#""3600s""#,
        r#""1_000""#,
        r#""3,600""#,
        r#""3.600,0""#,
        r#""+1""#,
        r#""1.""#,
        r#"".5""#,
        r#""1e""#,
        r#""e4""#,
        r#""1e+-4""#,
        r#""1e4e4""#,
        r#""1.2.3""#,
        r#""1 2""#,
        r#""\ud800""#,
        r#""\u0661""#,
    ] {
        let problem = bad(&format!(r#"{{"access_token":"t","ttl":{ttl}}}"#));
        assert_eq!(problem, "ttl is not a number of seconds of at least 1", "{ttl}");
    }
    assert_eq!(bad(r#"{"access_token":"t"}"#), "ttl is missing");
    assert_eq!(bad(r#"{"access_token":"t","ttl":null}"#), "ttl is missing");
}

/// What a 201 with this body says.
#[track_caller]
fn bad(body: &str) -> String {
    bad_with(&[], body.as_bytes())
}

#[track_caller]
fn bad_with(named: &[(header::HeaderName, &str)], body: &[u8]) -> String {
    let problem = super::read(201, &headers(named), body).expect_err("the body is bad");
    assert_eq!((problem.status, problem.http_status), (Status::BadResponse, 201));
    let what = problem.message.strip_prefix("answered 201: ").and_then(|what| what.strip_suffix("; check base_url"));
    what.unwrap_or_else(|| panic!("{}", problem.message)).to_owned()
}

#[test]
fn names_the_part_that_is_wrong() {
    let with = |part: &str, value: &str| {
        let whole = [("code", "201"), ("access_token", r#""t""#), ("ttl", "60")];
        let parts = whole.map(|(name, right)| format!("\"{name}\":{}", if name == part { value } else { right }));
        bad(&format!("{{{}}}", parts.join(",")))
    };
    for code in [r#""success""#, "true", "[]", "{}", "0", "-1", "70000", "1e400", r#""""#] {
        assert_eq!(with("code", code), "the code in the body is not an HTTP status", "{code}");
    }
    for (access_token, problem) in [
        ("null", "access_token is missing"),
        ("7", "access_token is not a string"),
        ("1e400", "access_token is not a string"),
        ("[\"t\"]", "access_token is not a string"),
        (r#""""#, "access_token is empty"),
        (r#"" t""#, "access_token has a character other than visible ASCII, so no header can carry it"),
        (r#""t\u007f""#, "access_token has a character other than visible ASCII, so no header can carry it"),
        (r#""\ud800""#, "access_token has a character other than visible ASCII, so no header can carry it"),
    ] {
        assert_eq!(with("access_token", access_token), problem, "{access_token}");
    }
    for length in [policy::TOKEN_BYTES_MAX + 1, 60_000] {
        let longer = format!("\"{}\"", "x".repeat(length));
        assert_eq!(with("access_token", &longer), "access_token is too long: it has more than 4095 bytes");
    }
    for (body, problem) in [
        ("", "the body is empty"),
        (" \r\n", "the body is empty"),
        ("\u{feff}", "the body is empty"),
        ("null", "the body is null"),
        ("[]", "the body is JSON, but not an object"),
        (r#""t""#, "the body is JSON, but not an object"),
        ("hello", "the body is not JSON"),
        ("access_token=t&ttl=60", "the body is not JSON"),
        (r#"{"access_token":"t","ttl":60"#, "the body ends in the middle of its JSON"),
        (r#"{"access_token":"t","ttl":60}}"#, "the body is not JSON"),
        (r#"{"access_token":"t","ttl":60,"ttl":60}"#, "the body has code, access_token, ttl or data twice"),
        (r#"{"data":{"access_token":"t","ttl":60,"ttl":60}}"#, "data has a key twice"),
        (r#"{"data":{"access_token":"t"}}"#, "ttl is missing"),
        (r#"{"data":[]}"#, "access_token is missing"),
        ("\n<!DOCTYPE html>", "the body is a page in HTML or XML, not JSON: a proxy or a login page may have answered"),
    ] {
        assert_eq!(bad(body), problem, "{body}");
    }
    let larger = vec![b' '; BODY_LIMIT_BYTES + 1];
    assert_eq!(bad_with(&[], &larger), format!("the body is larger than {BODY_LIMIT_BYTES} bytes"));
}

#[test]
fn names_a_coding_that_no_request_asks_for() {
    for (named, body, coding) in [
        ("gzip", &b"\x1f\x8b\x08\0"[..], "gzip"),
        ("x-gzip", b"?", "gzip"),
        (" GZip ", b"?", "gzip"),
        ("", b"\x1f\x8b\x08\0", "gzip"),
        ("br", b"\x8b\x1d\x80", "br"),
        ("deflate", b"?", "deflate"),
        ("", b"\x78\x9c\xab", "deflate"),
        ("zstd", b"", "zstd"),
        ("identity", b"\x28\xb5\x2f\xfd", "zstd"),
        ("compress", b"?", "compress"),
        ("gzip, br", b"?", "a coding of its own"),
    ] {
        let said = bad_with(&[(header::CONTENT_ENCODING, named)], body);
        assert_eq!(said, format!("the body is compressed ({coding}) unasked"), "{named}");
    }
    let plain = br#"{"access_token":"t","ttl":60}"#;
    assert!(super::read(201, &headers(&[(header::CONTENT_ENCODING, "gzip")]), plain).is_ok(), "only a wrong header");
}

#[test]
fn names_another_encoding_than_utf_8() {
    let text = r#"{"access_token":"t","ttl":60}"#;
    let wide = "the body is in UTF-16 or UTF-32; JSON must be in UTF-8 (RFC 8259)";
    let utf_16: Vec<u16> = text.encode_utf16().collect();
    let little: Vec<u8> = utf_16.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let big: Vec<u8> = utf_16.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    let utf_32: Vec<u8> = text.chars().flat_map(|character| u32::from(character).to_be_bytes()).collect();
    for body in [[b"\xff\xfe", &little[..]].concat(), [b"\xfe\xff", &big[..]].concat(), little, big, utf_32] {
        assert_eq!(bad_with(&[], &body), wide, "{body:?}");
    }
    let latin_1 = b"{\"access_token\":\"t\xe9\",\"ttl\":60}";
    assert_eq!(bad_with(&[], latin_1), "the body is not in UTF-8, as JSON must be (RFC 8259)");
}

#[test]
fn maps_other_statuses() {
    for (http_status, body, status) in [
        (401, r#"{"code":401,"message":"Unauthenticated"}"#, Status::Unauthenticated),
        (401, "<html>", Status::Unauthenticated),
        (403, r#"{"code":403}"#, Status::Unauthenticated),
        (403, r#"{"code":"forbidden","access_token":[]}"#, Status::Unauthenticated),
        (403, "<html>", Status::Unavailable),
        (429, "", Status::RateLimited),
        (408, "", Status::Unavailable),
        (421, "", Status::Unavailable),
        (425, "", Status::Unavailable),
        (509, "", Status::Unavailable),
        (529, "<html>", Status::Unavailable),
        (599, "", Status::Unavailable),
        (409, "", Status::BadResponse),
        (500, "", Status::Unavailable),
        (503, "<html>", Status::Unavailable),
        (302, "", Status::BadResponse),
        (400, r#"{"code":400,"errors":null}"#, Status::BadResponse),
        (404, r#"{"code":404}"#, Status::BadResponse),
        (405, "", Status::BadResponse),
        (500, r#"{"code":201,"access_token":"t","ttl":1}"#, Status::Unavailable),
    ] {
        check(http_status, body, Err((status, http_status)));
    }
}

#[test]
fn takes_a_body_code_outside_2xx_for_the_http_status() {
    for (body, status, meant) in [
        (r#"{"code":401,"access_token":"t","ttl":1}"#, Status::Unauthenticated, 401),
        (r#"{"code":403}"#, Status::Unauthenticated, 403),
        (r#"{"code":"429"}"#, Status::RateLimited, 429),
        (r#"{"code":503}"#, Status::Unavailable, 503),
        (r#"{"code":503,"data":[]}"#, Status::Unavailable, 503),
        (r#"{"code":429,"data":"slow down"}"#, Status::RateLimited, 429),
        (r#"{"code":404}"#, Status::BadResponse, 404),
    ] {
        check(200, body, Err((status, meant)));
    }
}

#[test]
fn reads_retry_after_as_seconds_or_date() {
    let read = |text| retry_after(&headers(&[(header::RETRY_AFTER, text)]));
    assert_eq!(read("120"), Some(Duration::from_secs(120)));
    assert_eq!(read("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
    assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
    assert!(read("Fri, 31 Dec 2100 23:59:59 GMT").is_some_and(|wait| wait > Duration::from_secs(3600)));
    for text in ["", "soon", "-1", "+1", "1.5"] {
        assert_eq!(read(text), Some(Duration::ZERO), "{text}");
    }
}

#[test]
fn measures_a_retry_after_date_by_the_date_of_the_response() {
    let read = |date, text| retry_after(&headers(&[(header::DATE, date), (header::RETRY_AFTER, text)]));
    let until = "Sun, 06 Nov 1994 08:51:07 GMT";
    for (date, seconds) in [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 90),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 90),
        ("Sun Nov  6 08:49:37 1994", 90),
        ("Sun, 06 Nov 1994 08:51:07 GMT", 0),
        ("Sun, 06 Nov 1994 09:00:00 GMT", 0),
    ] {
        assert_eq!(read(date, until), Some(Duration::from_secs(seconds)), "{date}");
    }
    for unreadable in ["", "yesterday", "Sun, 06 Nov 1994 25:49:37 GMT"] {
        assert_eq!(read(unreadable, until), Some(Duration::ZERO), "{unreadable}: by the clock of this machine");
        assert!(read(unreadable, "Fri, 31 Dec 2100 23:59:59 GMT").is_some_and(|wait| wait > Duration::from_secs(3600)));
    }
    assert_eq!(read("Sun, 06 Nov 1994 08:49:37 GMT", "120"), Some(Duration::from_secs(120)));
}
