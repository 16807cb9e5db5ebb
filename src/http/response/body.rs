//! The body of a response: its JSON, the token and the ttl in it, and why a body is not that JSON. No problem repeats
//! text of the body.

use std::time::Duration;

use bankhub_core::{Secret, TokenResponse, is_token, policy};
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;
use ureq::http::{HeaderMap, header};

use super::BODY_LIMIT_BYTES;

/// It has no place before JSON (RFC 8259, section 8.1), but some servers send one, and it does no harm.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// The parts that matter, each as it is written: so that a part that is wrong can be named. The derived code refuses a
/// key that occurs twice.
#[derive(Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    code: Option<&'a RawValue>,
    #[serde(borrow)]
    access_token: Option<&'a RawValue>,
    #[serde(borrow)]
    ttl: Option<&'a RawValue>,
    /// Where an older shape of the response has the token. The documented shape has none, so anything may be there.
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

impl<'a> Body<'a> {
    /// An error is a sentence about the body. The derived code alone would accept an array instead of the object.
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, &'static str> {
        let bytes = without_byte_order_mark(bytes);
        let start = bytes.trim_ascii_start();
        if bytes.len() > BODY_LIMIT_BYTES {
            return Err("the body is larger than 65536 bytes");
        }
        if start.is_empty() {
            return Err("the body is empty");
        }
        if is_wide(bytes) {
            return Err("the body is in UTF-16 or UTF-32; JSON must be in UTF-8 (RFC 8259)");
        }
        if start.starts_with(b"<") {
            return Err("the body is a page in HTML or XML, not JSON: a proxy or a login page may have answered");
        }
        let text = str::from_utf8(bytes).map_err(|_| "the body is not in UTF-8, as JSON must be (RFC 8259)")?;
        let problem = |error: serde_json::Error| match error.classify() {
            Category::Eof => "the body ends in the middle of its JSON",
            Category::Data => "the body has code, access_token, ttl or data twice",
            Category::Syntax | Category::Io => "the body is not JSON",
        };
        if !start.starts_with(b"{") {
            let other = serde_json::from_str::<&RawValue>(text).map_err(problem)?;
            return Err(if other.get() == "null" { "the body is null" } else { "the body is JSON, but not an object" });
        }
        serde_json::from_str(text).map_err(problem)
    }

    /// `None`: there is no code. `Some(None)`: it is not a whole number.
    pub(super) fn code(&self) -> Option<Option<u64>> {
        self.code.map(number)
    }

    /// The token and its ttl, both from the top of the body or both from inside `data`.
    pub(super) fn token(&self) -> Result<TokenResponse, &'static str> {
        match self.data.filter(|data| self.access_token.is_none() && data.get().starts_with('{')) {
            Some(data) => {
                let within: Body = serde_json::from_str(data.get()).map_err(|_| "data has a key twice")?;
                token(within.access_token, within.ttl)
            }
            None => token(self.access_token, self.ttl),
        }
    }
}

fn token(access_token: Option<&RawValue>, ttl: Option<&RawValue>) -> Result<TokenResponse, &'static str> {
    let access_token = access_token.ok_or("access_token is missing")?.get();
    if !access_token.starts_with('"') {
        return Err("access_token is not a string");
    }
    let value = serde_json::from_str(access_token).map(Secret::new);
    match value.as_ref().map_or("?", Secret::expose) {
        "" => return Err("access_token is empty"),
        value if value.len() > policy::TOKEN_BYTES_MAX => {
            return Err("access_token is too long: it has more than 4095 bytes");
        }
        _ => {}
    }
    let value = value.ok().filter(|value| is_token(value.expose()));
    let value = value.ok_or("access_token has a character other than visible ASCII, so no header can carry it")?;
    match number(ttl.ok_or("ttl is missing")?) {
        Some(ttl @ 1..) => Ok(TokenResponse { value, ttl: Duration::from_secs(ttl).min(policy::TTL_MAX) }),
        _ => Err("ttl is not a number of seconds of at least 1"),
    }
}

/// A number in any spelling of JSON, or a string with one, rounded down. One beyond 64 bits is the largest `u64`.
/// `None`: it is negative, or not a number.
fn number(value: &RawValue) -> Option<u64> {
    match value.get() {
        string if string.starts_with('"') => whole(serde_json::from_str::<String>(string).ok()?.trim_ascii()),
        number => whole(number),
    }
}

/// Without floating point, which would round 0.99999999999999999999 up.
fn whole(text: &str) -> Option<u64> {
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let exponent_digits = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if ![whole, fraction, exponent_digits].into_iter().all(is_number) {
        return None;
    }
    let digits = [whole, fraction].concat();
    let significant = digits.trim_start_matches('0');
    let exponent = super::digits(exponent_digits).and_then(|exponent| i64::try_from(exponent).ok());
    let exponent = exponent.unwrap_or(i64::MAX) * if text.contains("e-") || text.contains("E-") { -1 } else { 1 };
    // How many of the digits stand before the point, once it has moved by the exponent.
    let leading_zeros = digits.len() - significant.len();
    let before = (whole.len() as i64 - leading_zeros as i64).saturating_add(exponent);
    match usize::try_from(before) {
        _ if significant.is_empty() => Some(0),
        Err(_) => Some(0),
        Ok(before @ ..=20) => {
            let digits = significant.bytes().chain(std::iter::repeat(b'0')).take(before);
            super::digits(&format!("0{}", digits.map(char::from).collect::<String>()))
        }
        Ok(_) => Some(u64::MAX),
    }
}

/// The content coding of a body that is not readable because of it, although no request asks for one. Some servers do
/// not name it in a header.
pub(super) fn coding(headers: &HeaderMap, body: &[u8]) -> Option<&'static str> {
    let named = headers.get(header::CONTENT_ENCODING).map(|value| value.as_bytes().trim_ascii().to_ascii_lowercase());
    match (named.as_deref(), body) {
        (Some(b"gzip" | b"x-gzip"), _) | (_, [0x1f, 0x8b, ..]) => Some("gzip"),
        (Some(b"zstd"), _) | (_, [0x28, 0xb5, 0x2f, 0xfd, ..]) => Some("zstd"),
        (Some(b"deflate"), _) | (_, [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]) => Some("deflate"),
        (Some(b"br"), _) => Some("br"),
        (Some(b"compress" | b"x-compress"), _) | (_, [0x1f, 0x9d, ..]) => Some("compress"),
        (None | Some(b"" | b"identity"), _) => None,
        (Some(_), _) => Some("a coding of its own"),
    }
}

pub(super) fn without_byte_order_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body)
}

/// UTF-16 or UTF-32, by a byte order mark or by the zeros around the first character, which JSON has none of.
fn is_wide(body: &[u8]) -> bool {
    matches!(body, [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, ..] | [_, 0, ..])
}
