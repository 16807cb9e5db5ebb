//! One process of a fleet, in simulated time: the state and the fetches that the library has, without a store.

use std::time::Duration;

use bankhub_core::{
    Action, Error, Event, Failure, Fetch, Instant, Invalidation, Jitter, Poll, Secret, Settings, Status, Timestamp,
    TokenResponse, TokenState,
};

/// A token is a number: only the endpoint gives it a meaning.
pub(crate) type TokenNumber = u64;

pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Process {
    pub(crate) state: TokenState,
    random: fastrand::Rng,
    has_jitter: bool,
}

impl Process {
    /// `lease_wait_max` is zero for a process that shares no store.
    pub(crate) fn new(seed: u64, has_jitter: bool, lease_wait_max: Duration) -> Self {
        let settings = Settings { refresh_ahead: None, request_timeout: REQUEST_TIMEOUT, lease_wait_max };
        Self { state: TokenState::new(settings, 0), random: fastrand::Rng::with_seed(seed), has_jitter }
    }

    pub(crate) fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }

    pub(crate) fn jitter(&mut self) -> Jitter {
        Jitter(if self.has_jitter { self.random.u32(..) } else { u32::MAX / 2 })
    }

    pub(crate) fn request_duration(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(50..250))
    }

    /// Whether a fetch begins because a caller asks for a token.
    pub(crate) fn poll(&mut self, now: Duration) -> bool {
        matches!(self.state.poll(timestamp(now)), Poll::StartFetch)
    }

    /// Whether a fetch begins because an API answered 401 to the token.
    pub(crate) fn invalidate(&mut self, token: TokenNumber, now: Duration) -> bool {
        self.state.invalidate(&token.to_string(), timestamp(now)) == Invalidation::StartFetch
    }

    /// The token that callers got at the last poll.
    pub(crate) fn token(&self) -> Option<TokenNumber> {
        self.state.published().map(|published| published.token.value.expose().parse().expect("tokens are numbers"))
    }

    /// When a poll begins the next fetch.
    pub(crate) fn next_check_at(&self) -> Duration {
        self.state.next_check_at().since_origin()
    }

    /// Carries out the fetch that has just begun; returns when it ended. `respond` is the endpoint, which fails if it
    /// returns no token.
    pub(crate) fn fetch(
        &mut self,
        mut now: Duration,
        mut respond: impl FnMut(Duration) -> Option<TokenResponse>,
    ) -> Duration {
        let mut fetch = Fetch::new();
        let mut event = Event::Started;
        loop {
            let jitter = self.jitter();
            event = match fetch.step(event, &mut self.state, timestamp(now), jitter) {
                Action::Send => {
                    let response = respond(now).ok_or_else(unavailable);
                    now += self.request_duration();
                    Event::Response(response)
                }
                Action::SleepUntil(at) => {
                    now = at.since_origin();
                    Event::Woke
                }
                Action::Done => return now,
                action => unreachable!("{action:?} without a store"),
            };
        }
    }
}

pub(crate) fn response(token: TokenNumber, ttl: Duration) -> TokenResponse {
    TokenResponse { value: Secret::new(token.to_string()), ttl }
}

pub(crate) fn unavailable() -> Failure {
    Error::new(Status::Unavailable, "503").with_http_status(503).into()
}

/// No machine sleeps here, and nobody sets a clock.
pub(crate) fn timestamp(now: Duration) -> Timestamp {
    Timestamp { boottime: Instant::from_origin(now), realtime: now }
}
