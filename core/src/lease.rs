//! Acquiring the lease that allows one process to fetch for all that share a store: what the store says of the lease is
//! the input, what to do next is the output.

use core::time::Duration;

use crate::jitter::Jitter;
use crate::policy;
use crate::time::Instant;

/// The holder of the lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Lease {
    /// This fetch.
    Held,
    /// Another one. The number differs between holders; 0: the holder is not known.
    HeldByOther(u64),
}

/// The next step of a process that has observed the lease.
#[derive(Debug, PartialEq)]
pub(crate) enum Decision {
    /// It holds the lease. The previous holder may have stored a token since the store was read.
    Acquired,
    /// It reads the store and observes the lease again, after this long.
    PollAgain(Duration),
    /// It fetches without the lease: the holder is stopped, or hangs.
    Bypass,
    /// It does not fetch if it has an alternative: several holders have come and gone, and none has stored a token.
    Abandon,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct LeaseAcquirer {
    holder_timeout: Duration,
    abandon_at: Instant,
    holder: Option<u64>,
    holder_changed: bool,
    /// When the present holder will have held the lease for longer than `holder_timeout`.
    bypass_at: Instant,
    polls: u32,
}

impl LeaseAcquirer {
    /// Waits for a single holder for `holder_timeout`, and for one holder after the other until `abandon_at`.
    pub(crate) fn new(holder_timeout: Duration, abandon_at: Instant) -> Self {
        Self { holder_timeout, abandon_at, holder: None, holder_changed: false, bypass_at: Instant::MAX, polls: 0 }
    }

    pub(crate) fn observe(&mut self, lease: Lease, now: Instant, jitter: Jitter) -> Decision {
        let Lease::HeldByOther(holder) = lease else { return Decision::Acquired };
        let before = self.holder.replace(holder);
        if before != Some(holder) {
            self.holder_changed = before.is_some();
            self.bypass_at = now + self.holder_timeout;
        }
        if now >= self.bypass_at {
            return Decision::Bypass;
        }
        if now >= self.abandon_at && self.holder_changed {
            return Decision::Abandon;
        }
        self.polls += 1;
        Decision::PollAgain(policy::lease_poll_pause(self.polls - 1, jitter))
    }
}

#[cfg(test)]
mod tests;
