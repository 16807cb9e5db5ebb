//! Counters and times of a cache, for monitoring.

use crate::error::Error;

/// Counters and times of a cache: for monitoring, never for deciding when to call. It contains no secret.
#[derive(Clone, Debug, Default)]
pub struct Stats {
    /// The generation of the token that `get` would return at once; 0: no valid token now.
    pub generation: u64,
    /// Unix seconds at which the token expires; 0: no valid token now.
    pub expires_at: i64,
    /// Unix seconds from which the token is refreshed in the background; 0: no valid token now.
    pub refresh_at: i64,
    /// Unix seconds before which no token request is sent; 0: one may be sent now.
    pub next_attempt_at: i64,
    /// Unix seconds of the last token request that succeeded; 0: none yet.
    pub last_success_at: i64,
    /// Unix seconds of the last token request that failed; 0: none yet.
    pub last_failure_at: i64,
    /// Token requests sent.
    pub requests: u64,
    /// Token requests that returned a usable token.
    pub successes: u64,
    /// Token requests that failed.
    pub failures: u64,
    /// Token requests that failed since the last one that succeeded.
    pub consecutive_failures: u64,
    /// Calls of `invalidate` with the current token.
    pub rejections: u64,
    /// Calls of `invalidate` with any other text, which changed nothing.
    pub ignored_rejections: u64,
    /// Callers that are blocked now.
    pub waiters: u64,
    /// Whether a fetch is in flight.
    pub fetching: bool,
    /// The error of the last failed fetch, until one succeeds, or else of the store, until it works again.
    pub last_error: Option<Error>,
}
