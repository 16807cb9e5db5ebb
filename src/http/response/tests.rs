//! Responses as a table: the status and body of each, and the token or failure that it means.

use ureq::http::HeaderValue;

use super::*;

#[track_caller]
fn check(http_status: u16, body: &str, expected: Result<(&str, u64), (Status, u16)>) {
    let actual = super::read(http_status, body.as_bytes()).map_err(|problem| (problem.status, problem.http_status));
    let expected = expected
        .map(|(value, ttl)| TokenResponse { value: Secret::new(value.to_owned()), ttl: Duration::from_secs(ttl) });
    assert_eq!(actual, expected, "{http_status} {body:.100}");
}

#[test]
fn accepts_a_2xx_with_a_usable_token_and_ttl() {
    let longest = "x".repeat(TOKEN_CAPACITY - 1);
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
        (299, &format!(r#"{{"access_token":"{longest}","ttl":1}}"#), (&longest, 1)),
    ] {
        check(http_status, body, Ok(expected));
    }
}

#[test]
fn refuses_a_2xx_without_them() {
    let too_long = format!(r#"{{"access_token":"{}","ttl":1}}"#, "x".repeat(TOKEN_CAPACITY));
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
        r#"{"access_token":"==","ttl":1}"#,
        r#"{"access_token":"a b","ttl":1}"#,
        r#"{"access_token":"a\r\nb","ttl":1}"#,
        r#"{"access_token":"a=b","ttl":1}"#,
        r#"{"access_token":"é","ttl":1}"#,
        r#"{"access_token":"t","ttl":0}"#,
        r#"{"access_token":"t","ttl":-1}"#,
        r#"{"access_token":"t","ttl":1.5}"#,
        r#"{"access_token":"t","ttl":"1h"}"#,
        r#"{"access_token":"t","ttl":"+1"}"#,
        r#"{"access_token":"t","ttl":60.0}"#,
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
fn maps_other_statuses() {
    for (http_status, body, status) in [
        (401, r#"{"code":401,"message":"Unauthenticated"}"#, Status::Unauthenticated),
        (401, "<html>", Status::Unauthenticated),
        (403, r#"{"code":403}"#, Status::Unauthenticated),
        (403, r#"{"code":"forbidden","access_token":[]}"#, Status::Unauthenticated),
        (403, "<html>", Status::Unavailable),
        (429, "", Status::RateLimited),
        (408, "", Status::Unavailable),
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
    let read = |text: &str| {
        let mut headers = HeaderMap::new();
        headers.insert(header::RETRY_AFTER, HeaderValue::from_str(text).expect("a header"));
        retry_after(&headers)
    };
    assert_eq!(read("120"), Some(Duration::from_secs(120)));
    assert_eq!(read("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
    assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
    assert!(read("Fri, 31 Dec 2100 23:59:59 GMT").is_some_and(|wait| wait > Duration::from_secs(3600)));
    for text in ["", "soon", "-1", "+1", "1.5"] {
        assert_eq!(read(text), Some(Duration::ZERO), "{text}");
    }
}
