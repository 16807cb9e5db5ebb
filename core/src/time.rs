//! Points in time, on the two clocks that decide when a token ends. Computes with them, and reads no clock.

use core::ops::{Add, Sub};
use core::time::Duration;

/// A point in time on a clock that is never set and that continues while the machine sleeps, as `CLOCK_BOOTTIME`.
///
/// Sums and differences stop at the ends of what it can hold; none panics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(Duration);

impl Instant {
    /// Later than every other.
    pub const MAX: Self = Self(Duration::MAX);

    /// The point in time that is this long after the origin of the clock.
    pub const fn from_origin(since_origin: Duration) -> Self {
        Self(since_origin)
    }

    /// How long after the origin of the clock it is.
    pub const fn since_origin(self) -> Duration {
        self.0
    }

    /// How long after `earlier` it is; zero if it is not later.
    pub const fn saturating_since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self(self.0.saturating_add(time))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self(self.0.saturating_sub(time))
    }
}

/// A point in time on both clocks. A token is stale as soon as either of them says so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Timestamp {
    /// On the clock that is never set.
    pub boottime: Instant,
    /// Since 1970, on the wall clock, which may be set at any moment: `CLOCK_REALTIME`.
    pub realtime: Duration,
}

impl Timestamp {
    /// The earlier of both, on each clock.
    pub fn earliest(self, other: Self) -> Self {
        Self { boottime: self.boottime.min(other.boottime), realtime: self.realtime.min(other.realtime) }
    }

    /// The wall clock's time at `at`, if nobody sets it until then.
    pub(crate) fn realtime_at(self, at: Instant) -> Duration {
        let ahead = at.saturating_since(self.boottime);
        self.realtime.saturating_add(ahead).saturating_sub(self.boottime.saturating_since(at))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, time: Duration) -> Self {
        Self { boottime: self.boottime + time, realtime: self.realtime.saturating_add(time) }
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, time: Duration) -> Self {
        Self { boottime: self.boottime - time, realtime: self.realtime.saturating_sub(time) }
    }
}

/// Whole seconds since 1970.
pub(crate) fn unix_seconds(realtime: Duration) -> i64 {
    i64::try_from(realtime.as_secs()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
