//! An access token, and when it is stale.

use core::time::Duration;

use crate::policy;
use crate::secret::Secret;
use crate::time::Timestamp;

/// An access token. Its ttl counts from the moment when its request was sent.
#[derive(Clone, Debug, Hash)]
pub struct Token {
    /// The text that follows `Bearer ` in a header (RFC 6750). See [`is_token`].
    pub value: Secret,
    /// How long it is valid.
    pub ttl: Duration,
    /// When its request was sent.
    pub sent_at: Timestamp,
}

/// A usable response of the token endpoint.
#[derive(Clone, Debug, PartialEq, Hash)]
pub struct TokenResponse {
    /// The `access_token`.
    pub value: Secret,
    /// The `ttl`.
    pub ttl: Duration,
}

/// Whether the text can be a token: visible ASCII, which any header can carry. RFC 6750 allows fewer characters, but
/// servers use others too.
pub fn is_token(text: &str) -> bool {
    (1..=policy::TOKEN_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

impl Token {
    /// From when on the token may no longer be returned: as soon as either clock says so.
    pub fn stale_at(&self) -> Timestamp {
        self.sent_at + policy::stale_after(self.ttl)
    }

    /// When the token expires. It is stale before that.
    pub fn expires_at(&self) -> Timestamp {
        self.sent_at + self.ttl
    }

    /// Whether the token may no longer be returned.
    pub fn is_stale(&self, now: Timestamp) -> bool {
        let stale_at = self.stale_at();
        now.boottime >= stale_at.boottime || now.realtime >= stale_at.realtime
    }
}
