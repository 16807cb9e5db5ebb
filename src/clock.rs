//! What time it is, through suspend and clock changes. The only file that reads a clock.

use crate::life::Moment;

/// The time in nanoseconds, good to a few milliseconds, at the least cost: neither read is a system call.
///
/// No coarse clock goes on through a suspend, but the difference of these two jumps at one, and when the wall clock
/// is set: whoever compares it with what it was knows when to ask [`now`].
#[derive(Clone, Copy)]
pub(crate) struct Coarse {
    pub(crate) mono: u64,
    pub(crate) wall: u64,
}

#[cfg(unix)]
mod system {
    use std::time::Duration;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    use libc::{
        CLOCK_BOOTTIME as BOOT, CLOCK_MONOTONIC_COARSE as COARSE_MONO, CLOCK_REALTIME as WALL,
        CLOCK_REALTIME_COARSE as COARSE_WALL,
    };
    // Goes on through a suspend on Apple's systems, where std's `Instant` does not.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    use libc::{
        CLOCK_MONOTONIC as BOOT, CLOCK_MONOTONIC as COARSE_MONO, CLOCK_REALTIME as WALL, CLOCK_REALTIME as COARSE_WALL,
    };

    use super::{Coarse, Moment};

    pub(crate) fn coarse() -> Coarse {
        Coarse { mono: nanoseconds(COARSE_MONO), wall: nanoseconds(COARSE_WALL) }
    }

    pub(crate) fn now() -> Moment {
        let read = |clock| Duration::from_nanos(nanoseconds(clock));
        Moment { boot: read(BOOT), wall: read(WALL) }
    }

    /// A wall clock before 1970 reads as 1970; the token's end is then judged by the other clock.
    #[allow(unsafe_code)]
    #[inline]
    fn nanoseconds(clock: libc::clockid_t) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is writable. Every system that Rust supports has these clocks, so the call cannot fail.
        unsafe { libc::clock_gettime(clock, &mut time) };
        u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
    }
}

/// The clock of Windows behind `Instant` goes on through a suspend.
#[cfg(not(unix))]
mod system {
    use std::sync::LazyLock;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    use super::{Coarse, Moment};

    #[expect(clippy::disallowed_methods, reason = "this is the file that reads clocks")]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(crate) fn coarse() -> Coarse {
        let Moment { boot, wall } = now();
        Coarse { mono: boot.as_nanos() as u64, wall: wall.as_nanos() as u64 }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the file that reads clocks")]
    pub(crate) fn now() -> Moment {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Moment { boot: START.elapsed(), wall }
    }
}

pub(crate) use system::{coarse, now};
