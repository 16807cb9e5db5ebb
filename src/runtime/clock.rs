//! The time, also through suspend and clock changes. The only file that reads a clock.

use std::fs;
use std::io::ErrorKind;
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
    use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
    use std::time::Duration;

    #[cfg(any(target_os = "linux", target_os = "android"))]
    use libc::{
        CLOCK_BOOTTIME as BOOT, CLOCK_MONOTONIC as MONO, CLOCK_MONOTONIC_COARSE as COARSE_MONO, CLOCK_REALTIME as WALL,
        CLOCK_REALTIME_COARSE as COARSE_WALL,
    };
    // On Apple's systems it continues through a suspend; std's `Instant` does not.
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    use libc::{
        CLOCK_MONOTONIC as BOOT, CLOCK_MONOTONIC as MONO, CLOCK_MONOTONIC as COARSE_MONO, CLOCK_REALTIME as WALL,
        CLOCK_REALTIME as COARSE_WALL,
    };

    use super::{BEFORE_START, Coarse, Instant, Timestamp};

    /// How long the machine has slept, as far as `BOOT` could be read, in nanoseconds.
    static SLEPT: AtomicU64 = AtomicU64::new(0);

    /// A wall clock before 1970 or after the year 2262 reads as a time after every token's end, so that readers ask
    /// `now`: a check here would cost every reader. So does a clock that cannot be read.
    #[inline]
    pub(crate) fn coarse() -> Coarse {
        Coarse { mono: read_coarse(COARSE_MONO, MONO), wall: read_coarse(COARSE_WALL, WALL) }
    }

    #[inline]
    fn read_coarse(coarse: libc::clockid_t, precise: libc::clockid_t) -> u64 {
        #[cold]
        fn read_precise(precise: libc::clockid_t) -> i64 {
            nanoseconds(precise).unwrap_or(i64::MAX)
        }
        nanoseconds(coarse).unwrap_or_else(|| read_precise(precise)) as u64
    }

    /// A wall clock before 1970, or one that cannot be read, reads as 1970. The other clock then decides when the token
    /// expires.
    pub(crate) fn now() -> Timestamp {
        let wall = nanoseconds(WALL).map(unsigned);
        let boot = boot().or(wall).expect("a clock can be read; else allow clock_gettime in the sandbox");
        let [boot, realtime] = [boot, wall.unwrap_or_default()].map(Duration::from_nanos);
        Timestamp { boottime: Instant::from_origin(BEFORE_START + boot), realtime }
    }

    /// A sandbox, or an emulated kernel, may refuse `BOOT`: always, or from some moment on. `MONO` takes over where it
    /// was, or else the end of a backoff could move far away. From then on no suspend is seen, and only the wall clock
    /// tells that a token expired in one.
    fn boot() -> Option<u64> {
        let mono = nanoseconds(MONO).map(unsigned);
        let Some(boot) = nanoseconds(BOOT).map(unsigned) else {
            return Some(mono?.saturating_add(SLEPT.load(Relaxed)));
        };
        SLEPT.store(boot.saturating_sub(mono.unwrap_or(boot)), Relaxed); // alone: nothing else is read by it
        Some(boot)
    }

    /// Whether all processes of this boot of the machine share the clock behind `now`.
    pub(super) fn is_shared() -> bool {
        nanoseconds(BOOT).is_some()
    }

    fn unsigned(nanoseconds: i64) -> u64 {
        nanoseconds.max(0) as u64
    }

    /// `None`: this clock cannot be read.
    #[allow(unsafe_code)]
    #[inline]
    fn nanoseconds(clock: libc::clockid_t) -> Option<i64> {
        let mut time = MaybeUninit::<libc::timespec>::uninit();
        // SAFETY: `time` is writable. A call that succeeds has written it.
        let time = unsafe {
            if libc::clock_gettime(clock, time.as_mut_ptr()) != 0 {
                return None;
            }
            time.assume_init()
        };
        Some((time.tv_sec as i64).wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec as i64))
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

    pub(super) fn is_shared() -> bool {
        false
    }

    #[expect(clippy::disallowed_methods, reason = "this is the file that reads clocks")]
    pub(crate) fn now() -> Timestamp {
        let realtime = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp { boottime: Instant::from_origin(BEFORE_START + START.elapsed()), realtime }
    }
}

/// Identifies the clock behind `Timestamp.boottime`, if the system tells: processes with the same text read the same
/// clock. It changes in a container that was frozen and restored.
pub(crate) fn boot_id() -> Option<String> {
    if !system::is_shared() {
        return None;
    }
    let boot = read_text("/proc/sys/kernel/random/boot_id")?;
    Some(format!("{}{}", boot.trim(), time_namespace()?)).filter(|id| !id.is_empty())
}

/// How far the boot clock of this time namespace is from the machine's: the namespaces that agree on it share a clock.
/// Their numbers would not do, because the system gives them away again.
fn time_namespace() -> Option<String> {
    let number = |namespace: &str| fs::read_link(Path::new("/proc/self/ns").join(namespace));
    match number("time") {
        // Linux has them since 5.6.
        Err(error) if error.kind() == ErrorKind::NotFound => number("uts").ok().map(|_| String::new()),
        // The offsets are those of future children, which may be in another one.
        own => {
            let is_own = own.ok()? == number("time_for_children").ok()?;
            let offsets = read_text("/proc/self/timens_offsets").filter(|_| is_own)?;
            offsets.lines().find_map(|line| line.strip_prefix("boottime")).map(str::to_owned)
        }
    }
}

fn read_text(path: &str) -> Option<String> {
    String::from_utf8(descriptor::read_file(Path::new(path)).ok()?).ok()
}

pub(crate) use system::{coarse, now};
