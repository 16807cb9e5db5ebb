//! The numbers of a token's life, written down a second time: a mistake in the first would show.

use std::time::Duration;

use crate::clock::SECOND;
use crate::error::Status;
use crate::life::Moment;
use crate::policy;

/// From when something may happen, and from when it must.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) least: Duration,
    pub(crate) most: Duration,
}

impl Window {
    pub(crate) const OPEN: Self = Self { least: Duration::ZERO, most: Duration::ZERO };

    pub(crate) fn at(time: Duration) -> Self {
        Self { least: time, most: time }
    }

    pub(crate) fn and(self, other: Self) -> Self {
        Self { least: self.least.max(other.least), most: self.most.max(other.most) }
    }

    pub(crate) fn sooner(self, other: Self) -> Self {
        Self { least: self.least.min(other.least), most: self.most.min(other.most) }
    }

    pub(crate) fn holds(self, time: Duration) -> bool {
        (self.least..=self.most).contains(&time)
    }
}

pub(crate) const REQUESTS_PER_FETCH: u32 = 3;
const OVERDUE_GRACE: Duration = Duration::from_millis(500);
pub(crate) const OVERDUE_LOOK_AGAIN: Duration = SECOND;

pub(crate) const TTL_MAX: Duration = Duration::from_secs(315_360_000);
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3_600);

/// In any minute without a grant: seven fetches fit, at 0, 0.5, 1.5, 3.5, 7.5, 15.5 and 31.5 s, and all but the first
/// have a single request.
pub(crate) const REQUESTS_PER_MINUTE: usize = REQUESTS_PER_FETCH as usize + 6;

pub(crate) fn limit(ttl: Duration) -> Duration {
    ttl - (30 * SECOND).min(ttl / 20)
}

pub(crate) fn past_limit(sent: Moment, ttl: Duration, now: Moment) -> bool {
    now.boot >= sent.boot + limit(ttl) || now.wall >= sent.wall + limit(ttl)
}

/// When a token's renewal is due.
pub(crate) fn due(sent: Moment, ttl: Duration, refresh_ahead: Option<Duration>) -> Window {
    let margin = refresh_ahead.unwrap_or(ttl / 10).max(2 * SECOND).min(limit(ttl) / 2);
    let end = sent.boot + limit(ttl);
    Window { least: end - around(margin).most, most: end - around(margin).least }
}

/// The pause after so many requests of a fetch.
pub(crate) fn pause(requests: u32) -> Window {
    around(SECOND / 5 * 2u32.pow(requests - 1))
}

/// When a request counts as overdue.
pub(crate) fn overdue(sent: Duration, timeout: Duration) -> Duration {
    sent + timeout + OVERDUE_GRACE
}

/// How long no request goes out after so many failed fetches in a row.
pub(crate) fn backoff(status: Status, fetches: u32, retry_after: Option<Duration>) -> Window {
    let (first, most) = match status {
        Status::Unauthenticated | Status::BadResponse => (5 * SECOND, 300 * SECOND),
        _ => (SECOND, 60 * SECOND),
    };
    let whole = doubled(first, fetches, most);
    let asked = retry_after.unwrap_or_default().min(RETRY_AFTER_MAX);
    Window { least: whole / 2, most: whole }.and(Window::at(asked))
}

pub(crate) fn rejected_early(age: Duration, ttl: Duration) -> bool {
    age <= (60 * SECOND).min(ttl / 2)
}

/// How far apart fetches are after so many tokens in a row were rejected early.
pub(crate) fn rejection_spacing(tokens: u32) -> Duration {
    doubled(SECOND, tokens, 60 * SECOND)
}

fn doubled(first: Duration, count: u32, most: Duration) -> Duration {
    (first * 2u32.pow((count - 1).min(10))).min(most)
}

/// ±10 %, and a nanosecond for rounding.
fn around(length: Duration) -> Window {
    let tenth = length / 10 + Duration::from_nanos(2);
    Window { least: length - tenth, most: length + tenth }
}

#[test]
fn the_constants_are_those_of_the_design() {
    assert_eq!(policy::TTL_MAX, TTL_MAX);
    assert_eq!(policy::RETRY_AFTER_MAX, RETRY_AFTER_MAX);
    assert_eq!(policy::OVERDUE_GRACE, OVERDUE_GRACE);
    assert_eq!(policy::OVERDUE_LOOK_AGAIN, OVERDUE_LOOK_AGAIN);
    assert_eq!(policy::REQUESTS_PER_FETCH, REQUESTS_PER_FETCH);
}
