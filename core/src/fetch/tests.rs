//! One fetch, event by event: what it does next, with a store and without, and what it leaves in the state.

mod sharing;

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::ToString;
use std::time::Duration;

use super::*;
use crate::secret::Secret;
use crate::token_state::{Invalidation, Poll, Settings};

const EVEN: Jitter = Jitter(u32::MAX / 2);
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const TTL: Duration = Duration::from_secs(600);

/// A state, its fetch in flight, and the time that the test lets pass.
struct Driver {
    state: TokenState,
    fetch: Fetch,
    now: Timestamp,
}

/// An action, without what it refers to.
#[derive(Debug, PartialEq)]
enum Did {
    ReadStore,
    AcquireLease,
    ExtendLease,
    Remove,
    SleepUntil(Instant),
    Send,
    Write(String),
    Release,
    Done,
}

use Did::{AcquireLease, ExtendLease, ReadStore, Release, Remove, Send};

impl Driver {
    fn new(lease_wait_max: Duration) -> Self {
        let settings = Settings { refresh_ahead: None, request_timeout: REQUEST_TIMEOUT, lease_wait_max };
        let boottime = Instant::from_origin(Duration::from_secs(1_000));
        let now = Timestamp { boottime, realtime: Duration::from_secs(1_700_000_000) };
        let mut driver = Self { state: TokenState::new(settings, 0), fetch: Fetch::new(), now };
        driver.begin();
        driver
    }

    fn without_store() -> Self {
        Self::new(Duration::ZERO)
    }

    fn with_store() -> Self {
        Self::new(policy::lease_wait_max(REQUEST_TIMEOUT))
    }

    /// With a token that another process has stored.
    fn with_token(value: &str) -> Self {
        let mut driver = Self::with_store();
        driver.run(Event::Started, ReadStore);
        let token = driver.token(value);
        driver.run(Event::StoreRead(entry_of(token)), Release);
        driver.run(Event::Released, Did::Done);
        driver
    }

    #[track_caller]
    fn begin(&mut self) {
        assert!(matches!(self.state.poll(self.now), Poll::StartFetch), "a fetch begins");
        self.fetch = Fetch::new();
    }

    fn pass(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
    }

    fn token(&self, value: &str) -> Token {
        Token { value: Secret::new(value.to_owned()), ttl: TTL, sent_at: self.now }
    }

    fn step(&mut self, event: Event) -> Did {
        match self.fetch.step(event, &mut self.state, self.now, EVEN) {
            Action::ReadStore => ReadStore,
            Action::AcquireLease => AcquireLease,
            Action::ExtendLease => ExtendLease,
            Action::Remove => Remove,
            Action::SleepUntil(at) => Did::SleepUntil(at),
            Action::Send => Send,
            Action::Write(entry) => Did::Write(describe(entry)),
            Action::Release => Release,
            Action::Done => Did::Done,
        }
    }

    #[track_caller]
    fn run(&mut self, event: Event, expected: Did) {
        assert_eq!(self.step(event), expected);
    }

    /// Until it sends the request, with the lease.
    #[track_caller]
    fn send_with_lease(&mut self) {
        self.run(Event::Started, ReadStore);
        self.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
        self.run(Event::LeaseObserved(Lease::Held), ReadStore);
        self.run(Event::StoreRead(StoredEntry::default()), Send);
    }

    fn served(&mut self) -> Option<String> {
        match self.state.poll(self.now) {
            Poll::Serve(token) | Poll::Confirm { token, .. } => Some(token.token.value.expose().to_owned()),
            Poll::Wait { .. } | Poll::Fail(_) | Poll::StartFetch => None,
        }
    }

    fn last_error(&mut self) -> Option<String> {
        self.state.stats(self.now).last_error.map(|error| error.message().to_owned())
    }
}

/// The token, whether it counts as older than it is, and the status and number of the failure.
fn describe(entry: &StoredEntry) -> String {
    let value = entry.token.as_ref().map_or("", |token| token.value.expose());
    let token = if entry.token_aged_by.is_zero() { value.to_owned() } else { format!("{value} aged") };
    let failure = entry.failure.as_ref().map(|it| format!(" {:?} {}", it.error.status(), it.failures));
    token + &failure.unwrap_or_default()
}

fn entry_of(token: Token) -> StoredEntry {
    StoredEntry { token: Some(token), ..StoredEntry::default() }
}

fn response(value: &str) -> Event {
    Event::Response(Ok(TokenResponse { value: Secret::new(value.to_owned()), ttl: TTL }))
}

fn error(message: &str) -> Error {
    Error::new(Status::Unavailable, message)
}

/// Without an answer of the endpoint.
fn failed(status: Status) -> Event {
    Event::Response(Err(Error::new(status, "it failed").into()))
}

fn refused(status: Status, http_status: u16) -> Event {
    Event::Response(Err(Error::new(status, "it refused").with_http_status(http_status).into()))
}

#[test]
fn sends_at_once_without_a_store() {
    let mut driver = Driver::without_store();
    driver.run(Event::Started, Send);
    driver.run(response("a"), Did::Done);
    assert_eq!(driver.served().as_deref(), Some("a"));
}

#[test]
fn counts_the_ttl_from_the_request() {
    let mut driver = Driver::without_store();
    let sent_at = driver.now;
    driver.run(Event::Started, Send);
    driver.pass(7);
    driver.run(response("a"), Did::Done);
    let published = driver.state.published().expect("a token");
    assert_eq!(published.token.sent_at, sent_at);
}

#[test]
fn sleeps_before_a_retry() {
    let mut driver = Driver::without_store();
    driver.run(Event::Started, Send);
    let retry_at = driver.now.boottime + policy::retry_pause(1, EVEN);
    driver.run(failed(Status::Unavailable), Did::SleepUntil(retry_at));
    driver.run(Event::Woke, Send);
    driver.run(response("a"), Did::Done);
    assert_eq!(driver.served().as_deref(), Some("a"));
}

#[test]
fn ends_without_a_retry_that_cannot_help() {
    for status in [Status::Unauthenticated, Status::RateLimited, Status::BadResponse, Status::Internal] {
        let mut driver = Driver::without_store();
        driver.run(Event::Started, Send);
        driver.run(failed(status), Did::Done);
        assert!(matches!(driver.state.poll(driver.now), Poll::Fail(error) if error.status() == status), "{status:?}");
    }
}

#[test]
fn adopts_a_stored_token_without_a_request() {
    let mut driver = Driver::with_token("a");
    assert_eq!(driver.served().as_deref(), Some("a"));
    assert_eq!(driver.state.stats(driver.now).requests, 0);
}

#[test]
fn reads_again_with_the_lease_and_writes_before_callers_are_served() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.run(response("a"), Did::Write("a".to_owned()));
    assert_eq!(driver.served(), None, "the store first");
    driver.run(Event::Written, Release);
    driver.run(Event::Released, Did::Done);
    assert_eq!(driver.served().as_deref(), Some("a"));
    assert_eq!(driver.last_error(), None);
}

#[test]
fn adopts_what_was_stored_before_it_acquired_the_lease() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
    let token = driver.token("a");
    driver.run(Event::StoreRead(entry_of(token)), Release);
    driver.run(Event::Released, Did::Done);
    assert_eq!(driver.state.stats(driver.now).requests, 0);
}

#[test]
fn removes_a_rejected_token_only_with_the_lease() {
    let mut driver = Driver::with_token("a");
    assert_eq!(driver.state.invalidate("a", driver.now), Invalidation::StartFetch);
    driver.fetch = Fetch::new();
    driver.run(Event::Started, ReadStore);
    let token = driver.token("a");
    driver.run(Event::StoreRead(entry_of(token)), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
    let token = driver.token("a");
    driver.run(Event::StoreRead(entry_of(token)), Remove);
    driver.run(Event::Removed, Send);
    driver.run(response("b"), Did::Write("b".to_owned()));
}

#[test]
fn polls_the_lease_until_its_holder_has_stored_a_token() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    for poll in 0..3 {
        driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
        let wake_at = driver.now.boottime + policy::lease_poll_pause(poll, EVEN);
        driver.run(Event::LeaseObserved(Lease::HeldByOther(7)), Did::SleepUntil(wake_at));
        driver.run(Event::Woke, ReadStore);
    }
    let token = driver.token("a");
    driver.run(Event::StoreRead(entry_of(token)), Release);
    driver.run(Event::Released, Did::Done);
    assert_eq!(driver.served().as_deref(), Some("a"));
}

#[test]
fn bypasses_a_holder_that_hangs_and_leaves_the_store_alone() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
    assert!(matches!(driver.step(Event::LeaseObserved(Lease::HeldByOther(7))), Did::SleepUntil(_)));
    let bypass_at = driver.now + policy::lease_holder_timeout(REQUEST_TIMEOUT);
    driver.now = bypass_at - Duration::from_secs(1);
    driver.run(Event::Woke, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
    assert!(matches!(driver.step(Event::LeaseObserved(Lease::HeldByOther(7))), Did::SleepUntil(_)), "not yet");
    driver.now = bypass_at;
    driver.run(Event::Woke, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
    driver.run(Event::LeaseObserved(Lease::HeldByOther(7)), Release);
    driver.run(Event::Released, Send);
    driver.run(response("a"), Did::Done);
    assert_eq!(driver.served().as_deref(), Some("a"));
    assert!(driver.last_error().is_some_and(|message| message.contains("held the store's lease for too long")));
    driver.pass(520);
    driver.begin();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
    assert_eq!(driver.last_error(), None);
}

/// Observes a new holder each time, until the fetch no longer waits.
fn observe_many_holders(driver: &mut Driver) -> Did {
    driver.run(Event::Started, ReadStore);
    for holder in 1.. {
        driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
        let did = driver.step(Event::LeaseObserved(Lease::HeldByOther(holder)));
        if !matches!(did, Did::SleepUntil(_)) {
            return did;
        }
        driver.pass(1);
        driver.run(Event::Woke, ReadStore);
    }
    unreachable!("it waits for ever")
}

#[test]
fn abandons_before_callers_learn_that_it_is_overdue() {
    let mut driver = Driver::with_token("a");
    driver.pass(520);
    driver.begin();
    let begun = driver.now.boottime;
    assert_eq!(observe_many_holders(&mut driver), Release);
    driver.run(Event::Released, Did::Done);
    let waited = driver.now.boottime.saturating_since(begun);
    let overdue_after = policy::lease_wait_max(REQUEST_TIMEOUT) + REQUEST_TIMEOUT + policy::OVERDUE_GRACE;
    let latest = overdue_after - policy::LEASE_POLL_MAX;
    assert!(waited >= latest && waited < latest + Duration::from_secs(2), "{waited:?}");
    assert_eq!(driver.state.stats(driver.now).requests, 0);
    assert_eq!(driver.served().as_deref(), Some("a"));
}

#[test]
fn sends_alone_instead_of_abandoning_without_a_token() {
    let mut driver = Driver::with_store();
    assert_eq!(observe_many_holders(&mut driver), Release);
    driver.run(Event::Released, Send);
    driver.run(response("a"), Did::Done);
}

#[test]
fn sends_without_the_store_when_it_fails() {
    let cases: [fn(&mut Driver); 4] = [
        |driver| driver.run(Event::Started, ReadStore),
        |driver| {
            driver.run(Event::Started, ReadStore);
            driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
        },
        |driver| {
            driver.run(Event::Started, ReadStore);
            driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
            driver.run(Event::LeaseObserved(Lease::Held), ReadStore);
        },
        |driver| {
            driver.run(Event::Started, ReadStore);
            driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
            assert!(matches!(driver.step(Event::LeaseObserved(Lease::HeldByOther(7))), Did::SleepUntil(_)));
            driver.run(Event::Woke, ReadStore);
        },
    ];
    for before in cases {
        let mut driver = Driver::with_store();
        before(&mut driver);
        driver.run(Event::StoreFailed(error("the disk is full")), Release);
        driver.run(Event::Released, Send);
        driver.run(response("a"), Did::Done);
        assert_eq!(driver.served().as_deref(), Some("a"));
        assert_eq!(driver.last_error().as_deref(), Some("the disk is full"));
    }
}

#[test]
fn retries_without_the_store_after_it_has_failed() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    driver.run(Event::StoreFailed(error("Redis hangs")), Release);
    driver.run(Event::Released, Send);
    let refused = error("answered 503").with_http_status(503).into();
    assert!(matches!(driver.step(Event::Response(Err(refused))), Did::SleepUntil(_)));
    driver.run(Event::Woke, Send);
}

#[test]
fn serves_a_token_that_could_not_be_stored() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.run(response("a"), Did::Write("a".to_owned()));
    driver.run(Event::StoreFailed(error("the disk is full")), Release);
    driver.run(Event::Released, Did::Done);
    assert_eq!(driver.served().as_deref(), Some("a"));
    assert_eq!(driver.last_error().as_deref(), Some("the disk is full"));
}

#[test]
fn fetches_over_a_damaged_entry_and_reports_it() {
    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    driver.run(
        Event::StoreRead(StoredEntry { problem: Some(error("it is damaged")), ..StoredEntry::default() }),
        AcquireLease,
    );
    assert_eq!(driver.last_error().as_deref(), Some("it is damaged"));
}

#[test]
fn releases_the_lease_before_a_retry_and_acquires_it_again() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.run(failed(Status::Unavailable), Release);
    assert!(matches!(driver.step(Event::Released), Did::SleepUntil(_)));
    driver.run(Event::Woke, ReadStore);
    driver.run(Event::StoreRead(StoredEntry::default()), AcquireLease);
}

#[test]
fn gives_the_store_its_own_time_after_a_response() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.pass(10);
    driver.run(response("a"), Did::Write("a".to_owned()));
    driver.pass(2);
    assert!(matches!(driver.state.poll(driver.now), Poll::Wait { .. }), "not overdue yet");
}

/// With a fetch that may only read the store: the second failure in a row forbids a request for longer than a read.
fn reading_only() -> Driver {
    let mut driver = Driver::with_store();
    for _ in 0..2 {
        driver.send_with_lease();
        driver.run(failed(Status::Unauthenticated), Release);
        driver.run(Event::Released, Did::Done);
        driver.pass(5);
        driver.begin();
    }
    driver.run(Event::Started, ReadStore);
    driver
}

#[test]
fn sends_nothing_when_it_may_only_read() {
    let mut driver = reading_only();
    driver.run(Event::StoreRead(StoredEntry::default()), Release);
    driver.run(Event::Released, Did::Done);
    assert_eq!(driver.state.stats(driver.now).requests, 2);

    let mut driver = reading_only();
    driver.run(Event::StoreFailed(error("the store is down")), Release);
    driver.run(Event::Released, Did::Done);
    assert_eq!(driver.state.stats(driver.now).requests, 2);
}

#[test]
fn ends_soon_after_the_cache_is_closed() {
    let mut driver = Driver::without_store();
    driver.state.close();
    driver.run(Event::Started, Did::Done);

    let mut driver = Driver::without_store();
    driver.run(Event::Started, Send);
    driver.state.close();
    driver.run(response("a"), Did::Done);
    assert!(matches!(driver.state.poll(driver.now), Poll::Fail(error) if error.status() == Status::Closed));
    assert!(driver.state.published().is_none());

    let mut driver = Driver::with_store();
    driver.run(Event::Started, ReadStore);
    driver.state.close();
    let token = driver.token("a");
    driver.run(Event::StoreRead(entry_of(token)), Release);
    driver.run(Event::Released, Did::Done);
    assert!(driver.state.published().is_none());
}

#[test]
fn stores_a_token_that_arrives_after_the_cache_was_closed() {
    let mut driver = Driver::with_store();
    driver.send_with_lease();
    driver.state.close();
    driver.run(response("a"), Did::Write("a".to_owned()));
    driver.run(Event::Written, Release);
    driver.run(Event::Released, Did::Done);
    assert!(driver.state.published().is_none());
}

#[test]
fn an_event_that_answers_no_action_panics_without_a_secret() {
    let mut driver = Driver::without_store();
    let panic =
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| driver.step(response("5e79c1a0")))).unwrap_err();
    let message = panic.downcast_ref::<String>().map(ToString::to_string).expect("a text");
    assert!(message.contains("Response") && message.contains("Idle") && !message.contains("5e79c1a0"), "{message}");
}
