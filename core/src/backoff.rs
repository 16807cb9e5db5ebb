//! The backoff after failed fetches: until when no request is sent, and what callers are told until then.

use crate::error::{Error, Failure, Status};
use crate::jitter::Jitter;
use crate::policy;
use crate::time::Instant;

#[derive(Clone, Debug, Hash)]
pub(crate) struct Backoff {
    pub(crate) error: Error,
    /// Fetches that failed one after the other.
    pub(crate) failures: u32,
    pub(crate) next_attempt_at: Instant,
    /// Another process's token was adopted since. Only the wait is left of the failure, and ends with it.
    pub(crate) recovered: bool,
}

impl Backoff {
    /// After one more failed fetch.
    pub(crate) fn after(previous: Option<&Self>, failure: Failure, now: Instant, jitter: Jitter) -> Self {
        let failures = previous.map_or(0, |previous| previous.failures).saturating_add(1);
        let refused = match failure.error.status() {
            Status::Unauthenticated | Status::BadResponse => true,
            Status::RateLimited | Status::Unavailable | Status::Internal => false,
            Status::InvalidArgument | Status::DeadlineExceeded | Status::Closed => false, // no fetch ends so
        };
        let next_attempt_at = now + policy::backoff(refused, failures, failure.retry_after, jitter);
        Self { error: failure.error, failures, next_attempt_at, recovered: false }
    }

    pub(crate) fn forbids_request(&self, now: Instant) -> bool {
        now < self.next_attempt_at
    }
}
