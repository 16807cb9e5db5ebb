//! One process of a fleet: the very life of a token, driven as `src/cache.rs` drives it, in invented time.

use std::time::Duration;

use crate::error::{Error, Status};
use crate::life::{Answer, Failure, Grant, Life, Moment, Next};
use crate::policy::Chance;
use crate::secret::Secret;

/// What tells a token from others.
pub(crate) type Token = u64;

pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) struct Process {
    pub(crate) life: Life,
    random: fastrand::Rng,
    jitter: bool,
    /// What the life was given last.
    pub(crate) last_chance: Chance,
}

impl Process {
    /// One that shares a store waits there for others as long as `turns_take`; zero: it has none.
    pub(crate) fn new(seed: u64, jitter: bool, turns_take: Duration) -> Self {
        Self {
            life: Life::new(None, REQUEST_TIMEOUT, turns_take, 0),
            random: fastrand::Rng::with_seed(seed),
            jitter,
            last_chance: Chance(0),
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
            let issued = issue(now).map(|(token, ttl)| grant(token, ttl, now));
            now += self.exchange_takes();
            match self.answered(issued, now) {
                Next::RequestAgain(pause) => now += pause,
                Next::End => return now,
            }
        }
    }

    pub(crate) fn exchange_takes(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(50..250))
    }

    /// The endpoint has answered a request: with a token, or with an error.
    pub(crate) fn answered(&mut self, issued: Option<Grant>, now: Duration) -> Next {
        let chance = self.chance();
        match issued {
            Some(grant) => self.life.granted(grant, moment(now), chance),
            None => self.life.failed(unavailable("503"), moment(now), chance),
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

    pub(crate) fn chance(&mut self) -> Chance {
        self.last_chance = Chance(if self.jitter { self.random.u32(..) } else { u32::MAX / 2 });
        self.last_chance
    }
}

pub(crate) fn grant(token: Token, ttl: Duration, sent: Duration) -> Grant {
    Grant { value: Secret::new(token.to_string()), ttl, sent: moment(sent) }
}

pub(crate) fn unavailable(problem: &str) -> Failure {
    Failure { error: Error::new(Status::Unavailable, problem), retry_after: None }
}

/// Nobody sleeps here, and nobody sets a clock.
pub(crate) fn moment(now: Duration) -> Moment {
    Moment { boot: now, wall: now }
}
