//! A clock that stands still until a model moves it.

use std::cell::Cell;
use std::time::Duration;

use bankhub_core::{Instant, Timestamp};

thread_local! {
    // loom runs all threads of a model on one of the system's.
    static PASSED: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

#[derive(Clone, Copy)]
pub(crate) struct Coarse;

pub(crate) fn coarse() -> Coarse {
    Coarse
}

pub(crate) fn now() -> Timestamp {
    let (boottime, realtime) = (Instant::from_origin(Duration::from_secs(1_000)), Duration::from_secs(1_700_000_000));
    Timestamp { boottime, realtime } + PASSED.get()
}

/// A model begins.
pub(crate) fn begin() {
    PASSED.set(Duration::ZERO);
}

pub(crate) fn pass(time: Duration) {
    PASSED.set(PASSED.get() + time);
}
