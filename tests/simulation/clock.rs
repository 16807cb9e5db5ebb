//! The clocks of the simulated machine: time passes only when the simulation says so, the machine sleeps, and its wall
//! clock is set.

use std::time::Duration;

use bankhub_core::{Instant, Timestamp};

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Stops while the machine sleeps. Whatever waits, waits by this clock.
    pub(crate) running: Duration,
    now: Timestamp,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let boottime = Instant::from_origin(1_000 * SECOND);
        Self { running: Duration::ZERO, now: Timestamp { boottime, realtime: 1_700_000_000 * SECOND } }
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    pub(crate) fn advance(&mut self, time: Duration) {
        self.running += time;
        self.sleep(time);
    }

    pub(crate) fn sleep(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    pub(crate) fn set_wall_forward(&mut self, by: Duration) {
        self.now.realtime += by;
    }

    /// Not before 1970: the real clock is read as 1970 then.
    pub(crate) fn set_wall_back(&mut self, by: Duration) {
        self.now.realtime = self.now.realtime.saturating_sub(by);
    }

    /// Changes only when the machine sleeps or its wall clock is set. Readers of the published token compare it.
    pub(crate) fn offset(&self) -> i128 {
        self.now.realtime.as_nanos() as i128 - self.running.as_nanos() as i128
    }
}
