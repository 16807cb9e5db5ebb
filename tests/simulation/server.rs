//! The invented token endpoint and the API behind it: slow, failing and lying by turns.

use std::time::Duration;

use crate::clock::{DAY, SECOND};
use crate::error::Status;
use crate::numbers::TTL_MAX;
use crate::random::Random;

/// What the endpoint is like for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Mood {
    Healthy,
    /// Answers only just in time, or not.
    Slow,
    /// Nobody listens.
    Down,
    /// 5xx, some with Retry-After.
    Overloaded,
    /// 429, some with Retry-After.
    Limiting,
    /// The secret is disabled; some with Retry-After.
    Refusing,
    /// An answer that the API does not promise.
    Nonsense,
    /// The name lookup takes its time, whatever comes of it.
    Hanging,
    /// The very token that it issued last.
    Repeating,
    /// Tokens that live for seconds.
    Brief,
    /// Tokens that live for years.
    Lasting,
    /// Tokens that are past their limit when they arrive.
    Late,
    /// The exchange itself panics.
    Panicking,
}

pub(crate) const MOODS: [Mood; 13] = [
    Mood::Healthy,
    Mood::Slow,
    Mood::Down,
    Mood::Overloaded,
    Mood::Limiting,
    Mood::Refusing,
    Mood::Nonsense,
    Mood::Hanging,
    Mood::Repeating,
    Mood::Brief,
    Mood::Lasting,
    Mood::Late,
    Mood::Panicking,
];

/// What comes of a token request.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Outcome {
    Token { number: u64, ttl: Duration },
    Failure { status: Status, retry_after: Option<Duration> },
}

/// No name lookup hangs for longer.
pub(crate) const HANGS_MAX: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Server {
    /// A new mood for every request, if none.
    pub(crate) mood: Option<Mood>,
    usual_ttl: Duration,
    /// Whether a new token ends the one before it.
    ends_old: bool,
    newest: u64,
    oldest_alive: u64,
}

impl Server {
    pub(crate) fn new(random: &mut Random) -> Self {
        let ttl = random.pick(&[1, 2, 10, 60, 119, 120, 600, 3_600, 60_000, 60_000, 60_000, 1_000_000]);
        Self { usual_ttl: ttl * SECOND, ..Self::healthy(60_000 * SECOND, random.one_in(2)) }
    }

    pub(crate) fn healthy(ttl: Duration, ends_old: bool) -> Self {
        Self { mood: Some(Mood::Healthy), usual_ttl: ttl, ends_old, newest: 0, oldest_alive: 0 }
    }

    pub(crate) fn usual_ttl(&self) -> Duration {
        self.usual_ttl
    }

    /// What comes of a request, how long it takes, and the mood that it was answered in.
    pub(crate) fn exchange(&mut self, timeout: Duration, random: &mut Random) -> (Outcome, Duration, Mood) {
        let mood = self.mood.unwrap_or_else(|| random.pick(&MOODS));
        let (outcome, latency) = self.answer(mood, timeout, random);
        if latency > timeout && mood != Mood::Hanging {
            let cut = Outcome::Failure { status: Status::Unavailable, retry_after: None };
            return (cut, timeout, mood);
        }
        (outcome, latency, mood)
    }

    fn answer(&mut self, mood: Mood, timeout: Duration, random: &mut Random) -> (Outcome, Duration) {
        let quick = random.between(SECOND / 1_000, SECOND / 2).min(timeout / 2);
        let retry_after = |random: &mut Random| match random.below(4) {
            0 => None,
            1 => Some(Duration::ZERO),
            2 => Some(random.between(SECOND, 1_000 * SECOND)),
            _ => Some(random.pick(&[3_600 * SECOND, 3_601 * SECOND, 30 * DAY])),
        };
        let failure = |status, retry_after| Outcome::Failure { status, retry_after };
        match mood {
            Mood::Healthy => (self.issue(self.usual_ttl), quick),
            Mood::Slow => (self.issue(self.usual_ttl), random.between(timeout / 8, timeout + SECOND)),
            Mood::Down => (failure(Status::Unavailable, None), Duration::ZERO),
            Mood::Overloaded => {
                (failure(Status::Unavailable, retry_after(random)), random.between(SECOND / 1_000, timeout))
            }
            Mood::Limiting => (failure(Status::RateLimited, retry_after(random)), quick),
            Mood::Refusing => (failure(Status::Unauthenticated, retry_after(random)), quick),
            Mood::Nonsense => (failure(Status::BadResponse, retry_after(random)), quick),
            Mood::Panicking => (failure(Status::Internal, None), quick),
            Mood::Hanging => {
                let outcome = match random.below(3) {
                    0 => self.issue(self.usual_ttl),
                    1 => failure(Status::RateLimited, retry_after(random)),
                    _ => failure(Status::Unavailable, None),
                };
                (outcome, random.between(timeout, HANGS_MAX))
            }
            Mood::Repeating if self.newest > 0 => (Outcome::Token { number: self.newest, ttl: self.usual_ttl }, quick),
            Mood::Repeating => (self.issue(self.usual_ttl), quick),
            Mood::Brief => (self.issue(random.pick(&[1, 2, 5, 20]) * SECOND), quick),
            Mood::Lasting => (self.issue(random.pick(&[TTL_MAX, TTL_MAX, TTL_MAX / 10])), quick),
            Mood::Late => (self.issue(SECOND), SECOND + quick),
        }
    }

    fn issue(&mut self, ttl: Duration) -> Outcome {
        self.newest += 1;
        if self.ends_old {
            self.oldest_alive = self.newest;
        }
        Outcome::Token { number: self.newest, ttl }
    }

    pub(crate) fn revoke_all(&mut self) {
        self.oldest_alive = self.newest + 1;
    }

    /// Whether the API takes this token.
    pub(crate) fn accepts(&self, number: u64) -> bool {
        number >= self.oldest_alive
    }
}
