//! Where the processes of a fleet share a token: a store in which nothing ever fails.

use std::time::Duration;

use crate::life::Grant;
use crate::policy;
use crate::process::{REQUEST_TIMEOUT, Token, grant};
use crate::turn::Lease;

#[derive(Default)]
pub(crate) struct Store {
    lying: Option<Lying>,
    /// The last turn to fetch, and when it is over if its holder does not say so.
    lease: Option<(u64, Duration)>,
    turns: u64,
}

struct Lying {
    token: Token,
    sent: Duration,
    ttl: Duration,
}

impl Store {
    pub(crate) fn read(&self, now: Duration) -> Option<Grant> {
        let lying = self.lying.as_ref().filter(|lying| now < lying.sent + lying.ttl)?;
        Some(grant(lying.token, lying.ttl, lying.sent))
    }

    pub(crate) fn write(&mut self, token: Token, ttl: Duration, sent: Duration) {
        self.lying = Some(Lying { token, sent, ttl });
    }

    pub(crate) fn remove(&mut self) {
        self.lying = None;
    }

    pub(crate) fn lease(&mut self, now: Duration) -> Lease {
        if let Some((turn, _)) = self.lease.filter(|(_, end)| now < *end) {
            return Lease::Others(turn);
        }
        self.turns += 1;
        self.lease = Some((self.turns, now + policy::lease(REQUEST_TIMEOUT)));
        Lease::Held
    }

    pub(crate) fn end_lease(&mut self) {
        self.lease = None;
    }
}
