//! What `fuzz` feeds with arbitrary bytes.

use std::time::Duration;

use bankhub_core::{Failure, TokenResponse, is_token, policy};
use ureq::http::{HeaderMap, HeaderValue, header};

use super::response::{self, Problem};
use super::token_endpoint::TokenEndpoint;
use crate::config::Config;
use crate::net::heartbeat::Heartbeat;

/// Reads a response: three digits of status, and a body.
pub fn response(input: &[u8]) {
    let Some((status, body)) = input.split_first_chunk::<3>() else { return };
    let http_status = str::from_utf8(status).ok().and_then(|status| status.parse().ok()).unwrap_or(201);
    match response::read(http_status, &HeaderMap::new(), body) {
        Ok(TokenResponse { value, ttl }) => {
            assert!(is_token(value.expose()) && !ttl.is_zero() && ttl <= policy::TTL_MAX)
        }
        Err(Problem { http_status, message, .. }) => {
            assert!(message.starts_with(&format!("answered {http_status}: ")) && message.len() < 200)
        }
    }
}

/// Reads a Retry-After, if the bytes can be the value of a header.
pub fn retry_after(value: &[u8]) {
    let mut headers = HeaderMap::new();
    if let Ok(value) = HeaderValue::from_bytes(value) {
        headers.insert(header::RETRY_AFTER, value);
        assert!(response::retry_after(&headers).is_some());
    }
}

/// A client that asks one server for a token, again and again.
pub struct Exchange(TokenEndpoint);

impl Exchange {
    /// With the server of this URL.
    pub fn with(base_url: &str) -> Self {
        let config = Config::new("id", "secret").base_url(base_url).request_timeout(Duration::from_secs(2));
        Self(TokenEndpoint::new(&config).expect("the settings are right"))
    }

    /// One request.
    pub fn run(&self) {
        if let Err(Failure { error, .. }) = self.0.send(Heartbeat::default()) {
            assert!(error.message().starts_with("127.0.0.1 ") && error.message().len() < 300, "{}", error.message());
        }
    }
}
