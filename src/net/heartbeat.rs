//! A thread that waits for the network beats about every second: the holder of a store's lease extends it.

use std::io;
use std::time::Duration;

use bankhub_core::{Error, Instant, policy};

use super::time_left;
use crate::runtime::clock;

/// How soon a beat that failed is followed by the next one: after a failover, another server may be found by then.
const RETRY_PAUSE: Duration = Duration::from_millis(250);

/// A heartbeat ends when the lease has ended, and the wait goes on without it. By default there is none.
#[derive(Default)]
pub(crate) struct Heartbeat(Option<Beating>);

struct Beating {
    beat: Box<Beat>,
    next_at: Instant,
    /// When the lease ends without another beat.
    ends_at: Instant,
}

type Beat = dyn FnMut(Duration) -> Result<bool, Error> + Send + Sync;

impl Heartbeat {
    /// `beat` promises that the next one follows within the given time, and says whether that is still of use. It ends
    /// within `policy::STORE_OPERATION_MAX`. The first one is due a pause after `last_at`, when the lease was extended.
    pub(crate) fn new(
        last_at: Instant,
        beat: impl FnMut(Duration) -> Result<bool, Error> + Send + Sync + 'static,
    ) -> Self {
        let (next_at, ends_at) = (last_at + policy::LEASE_EXTEND_PAUSE, last_at + policy::LEASE_DURATION);
        Self(Some(Beating { beat: Box::new(beat), next_at, ends_at }))
    }

    /// Beats now. The next beat follows within this time.
    pub(crate) fn beat(&mut self, within: Duration) {
        let Some(beating) = &mut self.0 else { return };
        let started_at = clock::now().boottime;
        let is_held = match (beating.beat)(within) {
            Ok(is_held) => {
                beating.ends_at = started_at + within;
                beating.next_at = started_at + policy::LEASE_EXTEND_PAUSE;
                is_held
            }
            Err(_) => {
                beating.next_at = clock::now().boottime + RETRY_PAUSE;
                beating.next_at < beating.ends_at
            }
        };
        if !is_held {
            self.0 = None;
        }
    }

    /// Beats if a beat is due that can end before the deadline. Returns how long the thread may wait: until the next
    /// beat, or until the deadline. Then it calls this again. A `TimedOut` error if the deadline has passed.
    pub(super) fn beat_if_due(&mut self, deadline: Instant) -> io::Result<Duration> {
        let now = clock::now().boottime;
        let is_due = self.0.as_ref().is_some_and(|beating| beating.next_at <= now);
        if is_due && now + policy::STORE_OPERATION_MAX <= deadline {
            self.beat(policy::LEASE_DURATION);
        }
        let left = time_left(deadline)?;
        let until_beat = self.0.as_ref().map(|beating| beating.next_at.saturating_since(clock::now().boottime));
        Ok(until_beat.filter(|time| !time.is_zero()).map_or(left, |time| time.min(left)))
    }
}

#[cfg(test)]
mod tests;
