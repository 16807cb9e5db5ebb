//! The simulated token endpoint and the API behind it: slow, failing, or breaking the rules, for a while each.

use std::time::Duration;

use bankhub_core::Status;

use crate::clock::{DAY, SECOND};
use crate::random::Random;
use crate::reference_policy::TTL_MAX;

/// How the endpoint behaves for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum EndpointMode {
    Healthy,
    /// Responds only just in time, or not.
    Slow,
    /// Nobody listens.
    Down,
    /// 5xx, some with Retry-After.
    Overloaded,
    /// 429, some with Retry-After.
    RateLimiting,
    /// The secret is disabled; some with Retry-After.
    Unauthenticated,
    /// A response that the API does not document.
    Undocumented,
    /// The name lookup hangs for a while, and then anything may follow.
    HangingLookup,
    /// The very token that it issued last.
    RepeatedToken,
    /// Tokens that are valid for seconds.
    ShortTtl,
    /// Tokens that are valid for years.
    LongTtl,
    /// Tokens that are stale when they arrive.
    StaleOnArrival,
    /// The code that sends the request panics.
    Panicking,
}

pub(crate) const ENDPOINT_MODES: [EndpointMode; 13] = [
    EndpointMode::Healthy,
    EndpointMode::Slow,
    EndpointMode::Down,
    EndpointMode::Overloaded,
    EndpointMode::RateLimiting,
    EndpointMode::Unauthenticated,
    EndpointMode::Undocumented,
    EndpointMode::HangingLookup,
    EndpointMode::RepeatedToken,
    EndpointMode::ShortTtl,
    EndpointMode::LongTtl,
    EndpointMode::StaleOnArrival,
    EndpointMode::Panicking,
];

/// How a token request ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum EndpointResponse {
    Token {
        number: u64,
        ttl: Duration,
    },
    /// Without an HTTP status, nothing was answered.
    Failure {
        status: Status,
        http_status: Option<u16>,
        retry_after: Option<Duration>,
    },
    Panic,
}

/// No name lookup hangs for longer.
pub(crate) const LOOKUP_HANGS_MAX: Duration = Duration::from_secs(24 * 3600);

pub(crate) struct Endpoint {
    /// `None`: another one for every request.
    pub(crate) mode: Option<EndpointMode>,
    /// How long a request takes that is not slow; `None`: another time for every request.
    pub(crate) latency: Option<Duration>,
    usual_ttl: Duration,
    /// Whether a new token ends the one before it.
    ends_old: bool,
    newest: u64,
    oldest_accepted: u64,
}

impl Endpoint {
    pub(crate) fn new(random: &mut Random) -> Self {
        let ttl = random.pick(&[1, 2, 10, 60, 119, 120, 600, 3_600, 60_000, 60_000, 60_000, 1_000_000]);
        Self { usual_ttl: ttl * SECOND, ..Self::healthy(60_000 * SECOND, random.one_in(2)) }
    }

    pub(crate) fn healthy(ttl: Duration, ends_old: bool) -> Self {
        Self {
            mode: Some(EndpointMode::Healthy),
            latency: None,
            usual_ttl: ttl,
            ends_old,
            newest: 0,
            oldest_accepted: 0,
        }
    }

    pub(crate) fn usual_ttl(&self) -> Duration {
        self.usual_ttl
    }

    /// How a request ends, how long it takes, and the mode in which it was served.
    pub(crate) fn request(
        &mut self,
        timeout: Duration,
        random: &mut Random,
    ) -> (EndpointResponse, Duration, EndpointMode) {
        let mode = self.mode.unwrap_or_else(|| random.pick(&ENDPOINT_MODES));
        let (response, latency) = self.respond(mode, timeout, random);
        if latency > timeout && mode != EndpointMode::HangingLookup {
            return (no_answer(), timeout, mode);
        }
        (response, latency, mode)
    }

    fn respond(&mut self, mode: EndpointMode, timeout: Duration, random: &mut Random) -> (EndpointResponse, Duration) {
        let quick = random.between(SECOND / 1_000, SECOND / 2).min(timeout / 2);
        let quick = self.latency.unwrap_or(quick);
        match mode {
            EndpointMode::Healthy => (self.issue(self.usual_ttl), quick),
            EndpointMode::Slow => (self.issue(self.usual_ttl), random.between(timeout / 8, timeout + SECOND)),
            EndpointMode::Down => (no_answer(), Duration::ZERO),
            EndpointMode::Overloaded => (refusal(503, retry_after(random)), random.between(SECOND / 1_000, timeout)),
            EndpointMode::RateLimiting => (refusal(429, retry_after(random)), quick),
            EndpointMode::Unauthenticated => (refusal(401, retry_after(random)), quick),
            EndpointMode::Undocumented => (refusal(200, retry_after(random)), quick),
            EndpointMode::Panicking => (EndpointResponse::Panic, quick),
            EndpointMode::HangingLookup => {
                let response = match random.below(3) {
                    0 => self.issue(self.usual_ttl),
                    1 => refusal(429, retry_after(random)),
                    _ => no_answer(),
                };
                (response, random.between(timeout, LOOKUP_HANGS_MAX))
            }
            EndpointMode::RepeatedToken if self.newest > 0 => {
                (EndpointResponse::Token { number: self.newest, ttl: self.usual_ttl }, quick)
            }
            EndpointMode::RepeatedToken => (self.issue(self.usual_ttl), quick),
            EndpointMode::ShortTtl => (self.issue(random.pick(&[1, 2, 5, 20]) * SECOND), quick),
            EndpointMode::LongTtl => (self.issue(random.pick(&[TTL_MAX, TTL_MAX, TTL_MAX / 10])), quick),
            EndpointMode::StaleOnArrival => (self.issue(SECOND), SECOND + quick),
        }
    }

    fn issue(&mut self, ttl: Duration) -> EndpointResponse {
        self.newest += 1;
        if self.ends_old {
            self.oldest_accepted = self.newest;
        }
        EndpointResponse::Token { number: self.newest, ttl }
    }

    pub(crate) fn revoke_all(&mut self) {
        self.oldest_accepted = self.newest + 1;
    }

    /// Whether the API accepts this token.
    pub(crate) fn accepts(&self, number: u64) -> bool {
        number >= self.oldest_accepted
    }
}

/// The value of the token with this number.
pub(crate) fn token_value(number: u64) -> String {
    format!("token-{number}")
}

/// The number of the token with this value.
pub(crate) fn token_number(value: &str) -> u64 {
    let digits = value.trim_start_matches(|c: char| !c.is_ascii_digit());
    digits.parse().expect("a token's value ends with its number")
}

impl EndpointMode {
    /// Whether it refuses each request, and soon.
    pub(crate) fn refuses_quickly(self) -> bool {
        matches!(self, Self::RateLimiting | Self::Unauthenticated | Self::Undocumented)
    }
}

fn refusal(http_status: u16, retry_after: Option<Duration>) -> EndpointResponse {
    let status = match http_status {
        401 => Status::Unauthenticated,
        429 => Status::RateLimited,
        503 => Status::Unavailable,
        _ => Status::BadResponse,
    };
    EndpointResponse::Failure { status, http_status: Some(http_status), retry_after }
}

fn no_answer() -> EndpointResponse {
    EndpointResponse::Failure { status: Status::Unavailable, http_status: None, retry_after: None }
}

fn retry_after(random: &mut Random) -> Option<Duration> {
    match random.below(4) {
        0 => None,
        1 => Some(Duration::ZERO),
        2 => Some(random.between(SECOND, 1_000 * SECOND)),
        _ => Some(random.pick(&[3_600 * SECOND, 3_601 * SECOND, 30 * DAY])),
    }
}
