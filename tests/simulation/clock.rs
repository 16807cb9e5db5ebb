//! The time of the simulated machine: it passes when somebody says so, sleeps, and has a wall clock that is set.

use std::time::Duration;

use crate::life::Moment;

pub(crate) const SECOND: Duration = Duration::from_secs(1);
pub(crate) const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Copy)]
pub(crate) struct Clock {
    /// Stands still while the machine sleeps. Everything that waits, waits by it.
    pub(crate) running: Duration,
    now: Moment,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let now = Moment { boot: 1_000 * SECOND, wall: 1_700_000_000 * SECOND };
        Self { running: Duration::ZERO, now }
    }

    pub(crate) fn now(&self) -> Moment {
        self.now
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.running += time;
        self.sleep(time);
    }

    pub(crate) fn sleep(&mut self, time: Duration) {
        self.now.boot += time;
        self.now.wall += time;
    }

    pub(crate) fn set_wall_forward(&mut self, by: Duration) {
        self.now.wall += by;
    }

    /// Not before 1970, as the real clock is read.
    pub(crate) fn set_wall_back(&mut self, by: Duration) {
        self.now.wall = self.now.wall.saturating_sub(by);
    }

    /// What only a sleep or a set wall clock changes, and so tells a reader of the slot that something happened.
    pub(crate) fn offset(&self) -> i128 {
        self.now.wall.as_nanos() as i128 - self.running.as_nanos() as i128
    }
}
