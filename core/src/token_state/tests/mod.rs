//! The answers to callers, and their cost to the endpoint: a state, driven by tests that play the clock, the endpoint
//! and the store.

mod failures;
mod overdue;
mod publication;
mod rejections;
mod serving;
mod shared_failures;
mod shared_store;

use super::*;
use crate::error::{Failure, Status};
use crate::secret::Secret;
use crate::stored_entry::{SharedFailure, StoredEntry};

const EVEN: Jitter = Jitter(u32::MAX / 2);

/// The answer to a caller, and whether its poll began a fetch.
const REFRESHES: (Outcome, bool) = (Outcome::Served, true);
const SERVED: (Outcome, bool) = (Outcome::Served, false);
const BEGINS: (Outcome, bool) = (Outcome::Waits, true);
const WAITS: (Outcome, bool) = (Outcome::Waits, false);

#[derive(Debug, PartialEq)]
enum Outcome {
    Served,
    /// Served once the store was read.
    Confirms,
    Waits,
    Fails(Error),
}

/// A state, and the time that the test lets pass.
struct TestCache {
    state: TokenState,
    now: Timestamp,
}

impl TestCache {
    fn new() -> Self {
        Self::with(Duration::ZERO)
    }

    /// One that shares a store.
    fn sharing() -> Self {
        Self::with(seconds(15.0))
    }

    fn with(lease_wait_max: Duration) -> Self {
        let settings = Settings { refresh_ahead: None, request_timeout: seconds(10.0), lease_wait_max };
        let boottime = Instant::from_origin(seconds(1_000.0));
        let now = Timestamp { boottime, realtime: seconds(1_700_000_000.0) };
        Self { state: TokenState::new(settings, 0), now }
    }

    fn pass(&mut self, time: f64) {
        self.now = self.now + seconds(time);
    }

    /// Whether a poll begins a fetch. It has sent no request yet, and may be read-only.
    fn begin(&mut self) -> bool {
        matches!(self.state.poll(self.now), Poll::StartFetch)
    }

    /// Polls. A fetch that begins sends its request at once.
    fn get(&mut self) -> (Outcome, bool) {
        let begins = self.begin();
        if begins {
            assert!(self.begin_request());
        }
        (self.outcome(), begins)
    }

    fn outcome(&mut self) -> Outcome {
        match self.state.poll(self.now) {
            Poll::Serve(_) => Outcome::Served,
            Poll::Confirm { .. } => Outcome::Confirms,
            Poll::Wait { .. } => Outcome::Waits,
            Poll::Fail(error) => Outcome::Fails(error),
            Poll::StartFetch => panic!("a fetch has just begun, or none was wanted"),
        }
    }

    fn begin_request(&mut self) -> bool {
        self.state.begin_request(self.now, EVEN)
    }

    #[track_caller]
    fn succeed(&mut self, value: &str, ttl: f64) {
        self.succeed_sent_at(value, ttl, self.now);
    }

    #[track_caller]
    fn succeed_sent_at(&mut self, value: &str, ttl: f64, sent_at: Timestamp) {
        let token = token(value, ttl, sent_at);
        self.state.request_succeeded(token, self.now, EVEN);
    }

    /// For how long a caller waits before it polls again.
    fn until(&mut self) -> f64 {
        let Poll::Wait { until } = self.state.poll(self.now) else { panic!("a caller does not wait") };
        until.saturating_since(self.now.boottime).as_secs_f64()
    }

    /// The request fails. When the fetch retries, unless it ends.
    fn fail(&mut self, status: Status) -> Option<Instant> {
        self.fail_with(failure(status))
    }

    /// The endpoint asks for a pause.
    fn fail_with_retry_after(&mut self, time: f64) -> Option<Instant> {
        self.fail_with(Failure { retry_after: Some(seconds(time)), ..failure(Status::Unavailable) })
    }

    fn fail_with(&mut self, failure: Failure) -> Option<Instant> {
        match self.state.request_failed(failure, self.now, EVEN) {
            AfterFailure::RetryAt(at) => Some(at),
            AfterFailure::End(failed) => {
                self.state.fetch_failed(failed, self.now, EVEN);
                None
            }
        }
    }

    /// All requests of a fetch fail, each at once.
    fn fail_fetch(&mut self) {
        while let Some(at) = self.fail(Status::Unavailable) {
            self.pass(at.saturating_since(self.now.boottime).as_secs_f64());
            assert!(self.begin_request());
        }
    }

    /// The store has a token of another process, which is this old.
    fn read(&mut self, value: &str, ttl: f64, age: f64) -> Verdict {
        let stored = token(value, ttl, self.now - seconds(age));
        self.read_entry(StoredEntry { token: Some(stored), ..StoredEntry::default() })
    }

    fn read_empty(&mut self) -> Verdict {
        self.read_entry(StoredEntry::default())
    }

    fn read_entry(&mut self, entry: StoredEntry) -> Verdict {
        self.state.store_read(&entry, self.now, EVEN)
    }

    fn abandon(&mut self) -> bool {
        self.state.abandon(failure(Status::Unavailable), self.now, EVEN)
    }

    /// Reports a 401, and polls. A fetch that begins sends its request at once.
    fn reject(&mut self, value: &str) -> (Outcome, bool) {
        if self.state.invalidate(value, self.now) != Invalidation::StartFetch {
            return self.get();
        }
        assert!(self.begin_request());
        (self.outcome(), true)
    }

    /// The token that callers may have without a poll.
    fn published(&mut self) -> Option<(String, u64)> {
        self.state.advance(self.now);
        self.state.published().map(|published| (published.token.value.expose().to_owned(), published.generation))
    }

    #[track_caller]
    fn check_published(&mut self, value: &str, generation: u64) {
        assert_eq!(self.published(), Some((value.to_owned(), generation)));
    }

    fn stats(&mut self) -> Stats {
        self.state.stats(self.now)
    }
}

fn seconds(time: f64) -> Duration {
    Duration::from_secs_f64(time)
}

fn token(value: &str, ttl: f64, sent_at: Timestamp) -> Token {
    Token { value: Secret::new(value.to_owned()), ttl: seconds(ttl), sent_at }
}

fn failure(status: Status) -> Failure {
    Error::new(status, "no").into()
}

#[test]
fn hashes_what_it_decides_by() {
    let hash = |cache: &TestCache| {
        let mut hasher = std::hash::DefaultHasher::new();
        cache.state.hash(&mut hasher);
        hasher.finish()
    };
    let mut cache = TestCache::new();
    let new = hash(&cache);
    assert_eq!(cache.state.invalidate("unknown", cache.now), Invalidation::Ignored);
    assert_eq!(hash(&cache), new, "counted only");
    cache.get();
    assert_ne!(hash(&cache), new, "a fetch is in flight");
}

#[test]
fn debug_output_shows_no_token() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("5e79c1a0", 3_600.0);
    assert!(!format!("{:?}", cache.state).contains("5e79c1a0"));
}
