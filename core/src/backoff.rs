//! The backoff after failed fetches: until when no request is sent, and what callers are told until then.

use core::time::Duration;

use crate::error::{Error, Failure, Status};
use crate::jitter::Jitter;
use crate::policy;
use crate::stored_entry::SharedFailure;
use crate::time::{Instant, Timestamp};

/// How a fetch fails, and how long no request is to be sent from then on.
#[derive(Clone, Debug, Hash)]
pub(crate) struct FailedFetch {
    pub(crate) error: Error,
    /// This one, and those that failed before it, one after the other.
    pub(crate) failures: u32,
    pub(crate) pause: Duration,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Backoff {
    pub(crate) error: Error,
    /// Fetches that failed one after the other.
    pub(crate) failures: u32,
    pub(crate) next_attempt_at: Instant,
    /// Another process's token was adopted since. Only the wait is left of the failure, and ends with it.
    pub(crate) recovered: bool,
}

impl FailedFetch {
    /// The one that follows this many others.
    pub(crate) fn after(failures: u32, failure: Failure, jitter: Jitter) -> Self {
        let failures = failures.saturating_add(1);
        let refused = match failure.error.status() {
            Status::Unauthenticated | Status::BadResponse => true,
            Status::RateLimited | Status::Unavailable | Status::Internal => false,
            Status::InvalidArgument | Status::DeadlineExceeded | Status::Closed => false, // no fetch ends so
        };
        let pause = policy::backoff(refused, failures, failure.retry_after, jitter);
        Self { error: failure.error, failures, pause }
    }

    /// The part of it that concerns other processes too: what the endpoint answered.
    pub(crate) fn shared(&self, now: Timestamp) -> Option<SharedFailure> {
        let Self { error, failures, pause } = self;
        let shared = SharedFailure { error: error.clone(), failures: *failures, next_attempt_at: now + *pause };
        error.http_status().map(|_| shared)
    }
}

impl Backoff {
    pub(crate) fn new(failed: FailedFetch, now: Instant) -> Self {
        let FailedFetch { error, failures, pause } = failed;
        Self { error, failures, next_attempt_at: now + pause, recovered: false }
    }

    /// That of another process; `None`: it is over.
    pub(crate) fn adopted(shared: &SharedFailure, now: Timestamp) -> Option<Self> {
        let SharedFailure { error, failures, next_attempt_at } = shared;
        let left = next_attempt_at.boottime.saturating_since(now.boottime);
        let pause = left.min(next_attempt_at.realtime.saturating_sub(now.realtime)).min(policy::RETRY_AFTER_MAX);
        let failed = FailedFetch { error: error.clone(), failures: *failures, pause };
        (!pause.is_zero()).then(|| Self::new(failed, now.boottime))
    }

    pub(crate) fn forbids_request(&self, now: Instant) -> bool {
        now < self.next_attempt_at
    }
}
