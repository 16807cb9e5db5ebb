//! The backoff after failed fetches: until when no request is sent, and what callers are told until then.

use crate::error::{Error, Failure, Status};
use crate::jitter::Jitter;
use crate::policy;
use crate::stored_entry::SharedFailure;
use crate::time::{Instant, Timestamp};

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
    pub(crate) fn after(failures: u32, failure: Failure, now: Instant, jitter: Jitter) -> Self {
        let failures = failures.saturating_add(1);
        let refused = match failure.error.status() {
            Status::Unauthenticated | Status::BadResponse => true,
            Status::RateLimited | Status::Unavailable | Status::Internal => false,
            Status::InvalidArgument | Status::DeadlineExceeded | Status::Closed => false, // no fetch ends so
        };
        let next_attempt_at = now + policy::backoff(refused, failures, failure.retry_after, jitter);
        Self { error: failure.error, failures, next_attempt_at, recovered: false }
    }

    /// That of another process; `None`: it is over.
    pub(crate) fn adopted(shared: &SharedFailure, now: Timestamp) -> Option<Self> {
        let SharedFailure { error, failures, next_attempt_at } = shared;
        let left = next_attempt_at.boottime.saturating_since(now.boottime);
        let left = left.min(next_attempt_at.realtime.saturating_sub(now.realtime)).min(policy::RETRY_AFTER_MAX);
        let next_attempt_at = now.boottime + left;
        let adopted = Self { error: error.clone(), failures: *failures, next_attempt_at, recovered: false };
        (!left.is_zero()).then_some(adopted)
    }

    /// The part of it that concerns other processes too: what the endpoint answered.
    pub(crate) fn shared(&self, now: Timestamp) -> Option<SharedFailure> {
        let Self { error, failures, next_attempt_at, .. } = self;
        let next_attempt_at = Timestamp { boottime: *next_attempt_at, realtime: now.realtime_at(*next_attempt_at) };
        let shared = SharedFailure { error: error.clone(), failures: *failures, next_attempt_at };
        error.http_status().map(|_| shared)
    }

    pub(crate) fn forbids_request(&self, now: Instant) -> bool {
        now < self.next_attempt_at
    }
}
