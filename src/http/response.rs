//! The meaning of a response of the token endpoint: a token, or a failure and its kind. No message repeats text of the
//! response: a server may echo what was sent to it.

use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

use bankhub_core::{Secret, Status, TokenResponse, policy};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use serde_json::value::RawValue;
use ureq::http::{HeaderMap, header};

use crate::runtime::clock;
use crate::runtime::published_token::TOKEN_CAPACITY;

/// The documented response has about 100 bytes; a much longer one is some other page.
pub(super) const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// It has no place before JSON (RFC 8259, section 8.1), but some servers send one, and it does no harm.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Why a response is not a usable token.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: Status,
    /// The HTTP status, or the `code` of the body that overrides it.
    pub(super) http_status: u16,
    /// To be read after the host's name.
    pub(super) message: String,
}

/// Reads a status and a body. A body of more than `BODY_LIMIT_BYTES` counts as empty.
pub(super) fn read(http_status: u16, body: &[u8]) -> Result<TokenResponse, Problem> {
    let body = if body.len() > BODY_LIMIT_BYTES { &[] } else { body };
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let parsed = Body::parse(body);
    let code = parsed.as_ref().and_then(|parsed| parsed.code.as_ref()).map_or(http_status.into(), |code| code.0);
    let contradicts = is_success(http_status.into()) && !is_success(code);
    let meant = match u16::try_from(code) {
        Ok(code @ 100..) if contradicts => code,
        _ => http_status,
    };
    let failed =
        |status, what: &str| Err(Problem { status, http_status: meant, message: format!("answered {meant}: {what}") });
    match meant {
        200..=299 if contradicts => {
            return failed(Status::BadResponse, "the code in the body is not an HTTP status; check base_url");
        }
        200..=299 => {}
        401 => return failed(Status::Unauthenticated, "the client id or secret is invalid or disabled; check both"),
        403 if serde_json::from_slice::<IgnoredAny>(body).is_ok() => {
            return failed(
                Status::Unauthenticated,
                "the client id or secret is not allowed to get a token; check both",
            );
        }
        403 => return failed(Status::Unavailable, "a page that is not JSON blocks the request; try later"),
        429 => return failed(Status::RateLimited, "too many requests"),
        408 | 500..=599 => return failed(Status::Unavailable, "the service is not available; try later"),
        300..=399 => return failed(Status::BadResponse, "a redirect, which is not followed; check base_url"),
        _ => return failed(Status::BadResponse, "the API does not document this status; check base_url"),
    }
    let Some(parsed) = parsed else {
        return failed(Status::BadResponse, "the body is not the JSON object that the API documents; check base_url");
    };
    let (access_token, ttl) = match parsed.data {
        Some(data) if parsed.access_token.is_none() => (data.access_token, data.ttl),
        _ => (parsed.access_token, parsed.ttl),
    };
    let Some(value) = access_token.filter(|token| is_b64token(token.expose())) else {
        return failed(Status::BadResponse, "access_token is missing or cannot be sent in a header (RFC 6750)");
    };
    match ttl {
        Some(U64OrString(ttl)) if ttl > 0 => {
            Ok(TokenResponse { value, ttl: Duration::from_secs(ttl).min(policy::TTL_MAX) })
        }
        _ => failed(Status::BadResponse, "ttl is missing or not a positive number of seconds"),
    }
}

/// Seconds or an HTTP date (RFC 9110, section 10.2.3). A date in the past asks for no wait, and so does a text that is
/// neither; but any value ends the fetch.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().unwrap_or_default().trim();
    let date = || {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(date.saturating_sub(clock::now().realtime))
    };
    Some(digits(text).map(Duration::from_secs).or_else(date).unwrap_or_default())
}

pub(super) fn is_success(status: u64) -> bool {
    (200..=299).contains(&status)
}

/// The text that a Bearer header may carry: `b64token` (RFC 6750, section 2.1).
pub(super) fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && token.len() < TOKEN_CAPACITY && body.bytes().all(allowed)
}

/// The derived code refuses a key that occurs twice.
#[derive(Deserialize)]
struct Body {
    code: Option<U64OrString>,
    #[serde(default, deserialize_with = "secret")]
    access_token: Option<Secret>,
    ttl: Option<U64OrString>,
    #[serde(default, deserialize_with = "data_if_it_fits")]
    data: Option<Data>,
}

/// Where an older shape of the response has the token.
#[derive(Deserialize)]
struct Data {
    #[serde(default, deserialize_with = "secret")]
    access_token: Option<Secret>,
    ttl: Option<U64OrString>,
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}

/// The documented shape has no `data`, so anything may be there.
fn data_if_it_fits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Data>, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

impl Body {
    /// The derived code alone would accept an array instead of the object.
    fn parse(body: &[u8]) -> Option<Self> {
        let is_object = body.trim_ascii_start().starts_with(b"{");
        is_object.then(|| serde_json::from_slice(body).ok()).flatten()
    }
}

/// A whole number, or a string of digits.
struct U64OrString(u64);

impl<'de> Deserialize<'de> for U64OrString {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NumberVisitor;
        impl Visitor<'_> for NumberVisitor {
            type Value = U64OrString;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<U64OrString, E> {
                Ok(U64OrString(number))
            }

            /// serde_json also reports a whole number beyond 64 bits as a float; it counts as the largest `u64`.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<U64OrString, E> {
                let is_large = number >= u64::MAX as f64;
                is_large.then_some(U64OrString(u64::MAX)).ok_or_else(|| E::custom("not a whole number"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<U64OrString, E> {
                digits(text).map(U64OrString).ok_or_else(|| E::custom("not a whole number"))
            }
        }
        deserializer.deserialize_any(NumberVisitor)
    }
}

/// A text of digits and nothing else; a number beyond 64 bits is the largest `u64`.
fn digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
