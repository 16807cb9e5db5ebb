//! One process of a fleet: the very life of a token, driven as `src/cache.rs` drives it, in invented time.

use std::time::Duration;

use crate::error::{Error, Status};
use crate::life::{Answer, Failure, Grant, Life, Moment, Next};
use crate::policy::Chance;
use crate::secret::Secret;

/// What tells a token from others.
pub(crate) type Token = u64;

const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Process {
    life: Life,
    random: fastrand::Rng,
    jitter: bool,
}

impl Process {
    pub(crate) fn new(seed: u64, jitter: bool) -> Self {
        Self {
            life: Life::new(None, REQUEST_TIMEOUT, Duration::ZERO, 0),
            random: fastrand::Rng::with_seed(seed),
            jitter,
        }
    }

    pub(crate) fn random(&mut self) -> &mut fastrand::Rng {
        &mut self.random
    }

    /// The token that a caller would get at once.
    pub(crate) fn token(&mut self, now: Duration) -> Option<Token> {
        if self.life.answer(moment(now)) != Answer::Token {
            return None;
        }
        self.life.offer().map(|offer| offer.value.expose().parse().expect("tokens are numbers"))
    }

    pub(crate) fn wants_fetch(&mut self, now: Duration) -> bool {
        self.life.wants_fetch(moment(now))
    }

    /// The fetch that is wanted now, and when it ended. `issue` answers a request: a token and its ttl, or nothing.
    pub(crate) fn fetch(
        &mut self,
        mut now: Duration,
        mut issue: impl FnMut(Duration) -> Option<(Token, Duration)>,
    ) -> Duration {
        self.life.begin_fetch(moment(now));
        loop {
            let (sent, chance) = (moment(now), self.chance());
            if !self.life.send_request(sent, chance) {
                return now;
            }
            let issued = issue(now);
            now += Duration::from_millis(self.random.u64(50..250));
            let chance = self.chance();
            let next = match issued {
                Some((token, ttl)) => {
                    let value = Secret::new(token.to_string());
                    self.life.granted(Grant { value, ttl, sent }, moment(now), chance)
                }
                None => {
                    let error = Error::new(Status::Unavailable, "503");
                    self.life.failed(Failure { error, retry_after: None }, moment(now), chance)
                }
            };
            match next {
                Next::RequestAgain(pause) => now += pause,
                Next::End => return now,
            }
        }
    }

    /// When a fetch is wanted next, if somebody is there to ask for a token then.
    pub(crate) fn next_fetch(&mut self, now: Duration) -> Duration {
        if let Some(offer) = self.life.offer() {
            return offer.attention.expect("no fetch is in flight").max(now);
        }
        match self.life.answer(moment(now)) {
            Answer::Fail(Error { retry_after: Some(left), .. }) => now + left,
            _ => now,
        }
    }

    /// An API answered 401 to the token.
    pub(crate) fn reject(&mut self, token: Token, now: Duration) {
        self.life.rejected(&token.to_string(), moment(now));
    }

    fn chance(&mut self) -> Chance {
        Chance(if self.jitter { self.random.u32(..) } else { u32::MAX / 2 })
    }
}

/// Nobody sleeps here, and nobody sets a clock.
fn moment(now: Duration) -> Moment {
    Moment { boot: now, wall: now }
}
