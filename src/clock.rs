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

#[cfg(target_os = "linux")]
mod system {
    use std::time::Duration;

    use super::{Coarse, Moment};

    pub(crate) fn coarse() -> Coarse {
        Coarse { mono: nanoseconds(libc::CLOCK_MONOTONIC_COARSE), wall: nanoseconds(libc::CLOCK_REALTIME_COARSE) }
    }

    pub(crate) fn now() -> Moment {
        let read = |clock| Duration::from_nanos(nanoseconds(clock));
        Moment { boot: read(libc::CLOCK_BOOTTIME), wall: read(libc::CLOCK_REALTIME) }
    }

    /// A wall clock before 1970 reads as 1970; the token's end is then judged by the other clock.
    #[allow(unsafe_code)]
    #[inline]
    fn nanoseconds(clock: libc::clockid_t) -> u64 {
        let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        // SAFETY: `time` is writable, and every Linux that Rust supports has these clocks, so the call cannot fail.
        unsafe { libc::clock_gettime(clock, &mut time) };
        u64::try_from(time.tv_sec).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(time.tv_nsec as u64)
    }
}

#[cfg(not(target_os = "linux"))]
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
