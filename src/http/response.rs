//! The meaning of a response of the token endpoint: a token, or a failure and its kind. No message repeats text of the
//! response: a server may echo what was sent to it.

use std::time::{Duration, UNIX_EPOCH};

use bankhub_core::{Status, TokenResponse};
use serde::de::IgnoredAny;
use ureq::http::{HeaderMap, header};

use self::body::Body;
use crate::runtime::clock;

mod body;

/// The documented response has about 100 bytes; a much longer one is some other page.
pub(super) const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// Why a response is not a usable token.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: Status,
    /// The HTTP status, or the `code` of the body that overrides it.
    pub(super) http_status: u16,
    /// To be read after the host's name.
    pub(super) message: String,
}

/// Reads a response. The body may be cut one byte beyond `BODY_LIMIT_BYTES`.
pub(super) fn read(http_status: u16, headers: &HeaderMap, body: &[u8]) -> Result<TokenResponse, Problem> {
    let parsed = Body::parse(body);
    // Where the HTTP status is a failure, no code is asked.
    let code = parsed.as_ref().ok().and_then(Body::code).filter(|_| is_success(http_status.into()));
    let meant = match code {
        Some(Some(code)) if !is_success(code) => u16::try_from(code).ok().filter(|code| *code >= 100),
        Some(None) => None,
        _ => Some(http_status),
    };
    let http_status = meant.unwrap_or(http_status);
    let problem = |status, what: &str| {
        let message = format!("answered {http_status}: {what}");
        Problem { status, http_status, message }
    };
    let bad = |what: &str| problem(Status::BadResponse, &format!("{what}; check base_url"));
    let coded = || body::coding(headers, body).map(|coding| format!("the body is compressed ({coding}) unasked"));
    if meant.is_none() {
        return Err(bad("the code in the body is not an HTTP status"));
    }
    match http_status {
        200..=299 => parsed.map_err(|what| bad(&coded().unwrap_or(what.into())))?.token().map_err(bad),
        401 => Err(problem(Status::Unauthenticated, "the client id or secret is invalid or disabled; check both")),
        403 if is_json(body) => {
            Err(problem(Status::Unauthenticated, "the client id or secret is not allowed to get a token; check both"))
        }
        403 => Err(problem(Status::Unavailable, "a page that is not JSON blocks the request; try later")),
        429 => Err(problem(Status::RateLimited, "too many requests")),
        status if is_temporary(status) => Err(problem(Status::Unavailable, "the service is not available; try later")),
        300..=399 => Err(problem(Status::BadResponse, "a redirect, which is not followed; check base_url")),
        _ => Err(problem(Status::BadResponse, "the API does not document this status; check base_url")),
    }
}

/// Request Timeout, Misdirected Request (RFC 9110, sections 15.5.9 and 15.5.20), Too Early (RFC 8470), and every
/// failure of the server: the same request can succeed later, on a new connection.
fn is_temporary(http_status: u16) -> bool {
    matches!(http_status, 408 | 421 | 425 | 500..=599)
}

fn is_json(body: &[u8]) -> bool {
    body.len() <= BODY_LIMIT_BYTES && serde_json::from_slice::<IgnoredAny>(body::without_byte_order_mark(body)).is_ok()
}

/// Seconds or an HTTP date (RFC 9110, section 10.2.3). A date in the past asks for no wait, and so does a text that is
/// neither; but any value ends the fetch.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().unwrap_or_default().trim();
    // By the clock of the server, which may differ from ours by any time.
    let wait = || Some(date(text)?.saturating_sub(sent_at(headers).unwrap_or_else(|| clock::now().realtime)));
    Some(digits(text).map(Duration::from_secs).or_else(wait).unwrap_or_default())
}

/// When the server says that it sent the response.
fn sent_at(headers: &HeaderMap) -> Option<Duration> {
    date(headers.get(header::DATE)?.to_str().ok()?.trim())
}

fn date(text: &str) -> Option<Duration> {
    httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()
}

pub(super) fn is_success(status: u64) -> bool {
    (200..=299).contains(&status)
}

/// A text of digits and nothing else; a number beyond 64 bits is the largest `u64`.
fn digits(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
