//! The numbers of a token's life, written down a second time: a mistake in the first would show.

use std::time::Duration;

use bankhub_core::{Instant, Status, Timestamp, policy};

use crate::clock::SECOND;

/// From when something may happen, and from when it must; or the least and the most of a duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window<T> {
    pub(crate) least: T,
    pub(crate) most: T,
}

impl<T: Copy + Ord> Window<T> {
    pub(crate) fn exactly(value: T) -> Self {
        Self { least: value, most: value }
    }

    pub(crate) fn later_of(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.max(other.most) }
    }

    pub(crate) fn earlier_of(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.min(other.most) }
    }

    pub(crate) fn contains(self, value: T) -> bool {
        (self.least..=self.most).contains(&value)
    }
}

impl Window<Instant> {
    /// Nothing has to be waited for.
    pub(crate) const OPEN: Self =
        Self { least: Instant::from_origin(Duration::ZERO), most: Instant::from_origin(Duration::ZERO) };
}

impl Window<Duration> {
    pub(crate) fn after(self, start: Instant) -> Window<Instant> {
        Window { least: start + self.least, most: start + self.most }
    }
}

pub(crate) const REQUESTS_PER_FETCH: u32 = 3;
pub(crate) const OVERDUE_GRACE: Duration = Duration::from_millis(500);
pub(crate) const OVERDUE_RETRY_AFTER: Duration = SECOND;

/// A process that rejects more tokens, one after the other, takes the first of them for a new one.
pub(crate) const REJECTED_REMEMBERED: usize = 16;

pub(crate) const TTL_MAX: Duration = Duration::from_secs(315_360_000);
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

pub(crate) const STORE_OPERATION_MAX: Duration = SECOND;
/// A pause, and two operations on the store.
pub(crate) const LEASE_POLL_MAX: Duration = Duration::from_millis(2_500);

/// In any minute in which no token is issued: seven fetches fit, at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and all but
/// the first have a single request.
pub(crate) const REQUESTS_PER_MINUTE: usize = REQUESTS_PER_FETCH as usize + 6;

pub(crate) fn stale_after(ttl: Duration) -> Duration {
    ttl - (30 * SECOND).min(ttl / 20)
}

pub(crate) fn is_stale(sent_at: Timestamp, ttl: Duration, now: Timestamp) -> bool {
    let stale_at = sent_at + stale_after(ttl);
    now.boottime >= stale_at.boottime || now.realtime >= stale_at.realtime
}

/// When a token is refreshed.
pub(crate) fn refresh_at(sent_at: Instant, ttl: Duration, refresh_ahead: Option<Duration>) -> Window<Instant> {
    let ahead = around(refresh_ahead.unwrap_or(ttl / 10).max(2 * SECOND).min(stale_after(ttl) / 2));
    let stale_at = sent_at + stale_after(ttl);
    Window { least: stale_at - ahead.most, most: stale_at - ahead.least }
}

/// The pause after so many requests of a fetch.
pub(crate) fn retry_pause(requests: u32) -> Window<Duration> {
    around(SECOND / 5 * 2u32.pow(requests - 1))
}

/// When a request is overdue.
pub(crate) fn overdue_at(sent_at: Instant, timeout: Duration) -> Instant {
    sent_at + timeout + OVERDUE_GRACE
}

/// How long no request is sent after so many failed fetches in a row.
pub(crate) fn backoff(status: Status, failures: u32, retry_after: Option<Duration>) -> Window<Duration> {
    let (first, most) = match status {
        Status::Unauthenticated | Status::BadResponse => (5 * SECOND, 300 * SECOND),
        _ => (SECOND, 60 * SECOND),
    };
    let longest = exponential(first, failures, most);
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Window { least: longest / 2, most: longest }.later_of(Window::exactly(asked))
}

/// How long callers wait at most before the request for a replacement.
pub(crate) const REJECTION_WAIT_MAX: Duration = Duration::from_millis(300);
/// The same if the endpoint has issued the rejected token again.
pub(crate) const REISSUE_WAIT_MAX: Duration = Duration::from_millis(200);
/// A token that lives this long ends a row of rejections.
pub(crate) const REJECTION_ROW_END: Duration = Duration::from_secs(1_800);

pub(crate) fn is_early_rejection(lived: Duration, ttl: Duration) -> bool {
    lived <= (60 * SECOND).min(ttl / 2)
}

/// How far apart requests are after a token of a row, if they were so far apart before it.
pub(crate) fn next_rejection_spacing(spacing: Duration, lived: Duration) -> Duration {
    if spacing.is_zero() {
        return SECOND / 10;
    }
    let next = (2 * spacing).saturating_sub(lived).max(spacing + spacing / 16);
    next.min(if spacing < REJECTION_WAIT_MAX { REJECTION_WAIT_MAX } else { 60 * SECOND })
}

/// How much later than the current token another process's must expire to be adopted.
pub(crate) fn adoption_margin(ttl: Duration) -> Duration {
    SECOND.min(ttl / 10)
}

/// How long after its first request a fetch with a store may send its last one.
fn retry_window(request_timeout: Duration) -> Duration {
    SECOND.min(request_timeout)
}

/// How long callers wait for a read of the store before they get a token that is due.
pub(crate) const CONFIRM_WAIT_MAX: Duration = Duration::from_millis(100);

/// How soon callers of all processes hear of a failure that the endpoint answers quickly.
pub(crate) const SHARED_FAILURE_HEARD_WITHIN: Duration = Duration::from_secs(3);

/// How long a process waits for a single holder of the lease.
pub(crate) fn lease_holder_timeout(request_timeout: Duration) -> Duration {
    retry_window(request_timeout) + request_timeout + OVERDUE_GRACE + 5 * STORE_OPERATION_MAX
}

/// How long a fetch may wait for the lease.
pub(crate) fn lease_wait_max(request_timeout: Duration) -> Duration {
    lease_holder_timeout(request_timeout) + LEASE_POLL_MAX.saturating_sub(request_timeout)
}

/// The pause before the lease is polled again, after this many polls.
pub(crate) fn lease_poll_pause(polls: u32) -> Window<Duration> {
    let longest = exponential(SECOND / 50, polls / 4 + 1, SECOND / 2);
    Window { least: longest / 2, most: longest }
}

fn exponential(first: Duration, count: u32, most: Duration) -> Duration {
    (first * 2u32.pow((count - 1).min(10))).min(most)
}

/// ±10 %, and a nanosecond for rounding.
fn around(length: Duration) -> Window<Duration> {
    let tenth = length / 10 + Duration::from_nanos(2);
    Window { least: length - tenth, most: length + tenth }
}

#[test]
fn constants_are_those_of_the_design() {
    assert_eq!(policy::TTL_MAX, TTL_MAX);
    assert_eq!(policy::RETRY_AFTER_MAX, RETRY_AFTER_MAX);
    assert_eq!(policy::OVERDUE_GRACE, OVERDUE_GRACE);
    assert_eq!(policy::OVERDUE_RETRY_AFTER, OVERDUE_RETRY_AFTER);
    assert_eq!(policy::REQUESTS_PER_FETCH, REQUESTS_PER_FETCH);
    assert_eq!(policy::STORE_OPERATION_MAX, STORE_OPERATION_MAX);
    for request_timeout in [1, 2, 10, 30].map(|seconds| seconds * SECOND) {
        assert_eq!(policy::lease_holder_timeout(request_timeout), lease_holder_timeout(request_timeout));
        assert_eq!(policy::lease_wait_max(request_timeout), lease_wait_max(request_timeout));
    }
}
