//! The time, also through suspend and clock changes. The only file that reads a clock.

use std::path::Path;
use std::time::Duration;

use bankhub_core::policy::TTL_MAX;
use bankhub_core::{Instant, Timestamp};

use super::descriptor;

/// `boottime` starts this long before the machine did, so that it can express when another machine requested a token.
const BEFORE_START: Duration = TTL_MAX;

/// The time in nanoseconds, precise to a few milliseconds, at the lowest cost: neither read is a system call.
///
/// No coarse clock continues through a suspend, but the difference of these two jumps at a suspend, and when the wall
/// clock is set. A reader compares it with an earlier difference to see that it must ask [`now`].
#[derive(Clone, Copy)]
pub(crate) struct Coarse {
    pub(crate) mono: u64,
    pub(crate) wall: u64,
}

#[cfg(unix)]
mod system {
    use std::mem::MaybeUninit;
    use std::time::Duration;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    use libc::{
        CLOCK_BOOTTIME as BOOT, CLOCK_MONOTONIC_COARSE as COARSE_MONO, CLOCK_REALTIME as WALL,
        CLOCK_REALTIME_COARSE as COARSE_WALL,
    };
    // On Apple's systems it continues through a suspend; std's `Instant` does not.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    use libc::{
        CLOCK_MONOTONIC as BOOT, CLOCK_MONOTONIC as COARSE_MONO, CLOCK_REALTIME as WALL, CLOCK_REALTIME as COARSE_WALL,
    };

    use super::{BEFORE_START, Coarse, Instant, Timestamp};

    /// A wall clock before 1970 or after the year 2262 reads as a time after every token's end, so that readers ask
    /// `now`: a check here would cost every reader.
    #[inline]
    pub(crate) fn coarse() -> Coarse {
        Coarse { mono: nanoseconds(COARSE_MONO) as u64, wall: nanoseconds(COARSE_WALL) as u64 }
    }

    /// A wall clock before 1970 reads as 1970. The other clock then decides when the token expires.
    pub(crate) fn now() -> Timestamp {
        let read = |clock| Duration::from_nanos(nanoseconds(clock).max(0) as u64);
        Timestamp { boottime: Instant::from_origin(BEFORE_START + read(BOOT)), realtime: read(WALL) }
    }

    #[allow(unsafe_code)]
    #[inline]
    fn nanoseconds(clock: libc::clockid_t) -> i64 {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: `time` is writable. Every system that Rust supports has these clocks, so the call writes it.
        let time = unsafe {
            libc::clock_gettime(clock, time.as_mut_ptr());
            time.assume_init()
        };
        (time.tv_sec as i64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as i64)
    }
}

/// On Windows the clock behind `Instant` continues through a suspend.
#[cfg(not(unix))]
mod system {
    use std::sync::LazyLock;
    use std::time::{Instant, SystemTime, UNIX_EPOCH};

    use super::{BEFORE_START, Coarse, Instant, Timestamp};

    #[expect(clippy::disallowed_methods, reason = "this is the file that reads clocks")]
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);

    pub(crate) fn coarse() -> Coarse {
        let Timestamp { boottime, realtime } = now();
        Coarse { mono: boottime.since_origin().as_nanos() as u64, wall: realtime.as_nanos() as u64 }
    }

    #[expect(clippy::disallowed_methods, reason = "this is the file that reads clocks")]
    pub(crate) fn now() -> Timestamp {
        let realtime = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp { boottime: Instant::from_origin(BEFORE_START + START.elapsed()), realtime }
    }
}

/// Identifies this boot of this machine, if the system tells; its processes share `Timestamp.boottime`.
pub(crate) fn boot_id() -> Option<String> {
    let id = String::from_utf8(descriptor::read_file(Path::new("/proc/sys/kernel/random/boot_id")).ok()?).ok()?;
    Some(id.trim().to_owned()).filter(|id| !id.is_empty())
}

pub(crate) use system::{coarse, now};
