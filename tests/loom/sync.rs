//! loom's locks, in the shape of std's. `Arc` is std's: it is not what may go wrong here.

use std::cell::Cell;
use std::sync::LockResult;
use std::time::Duration;

pub(crate) use std::sync::{Arc, PoisonError, TryLockError};

pub(crate) use loom::sync::{Mutex, MutexGuard};

use crate::runtime::clock;

thread_local! {
    static PAUSES: Cell<Option<Duration>> = const { Cell::new(None) };
}

/// How long the pause between two requests takes; `None`: it never ends by itself.
pub(crate) fn let_pauses_take(time: Option<Duration>) {
    PAUSES.set(time);
}

pub(crate) struct Condvar(loom::sync::Condvar);

impl Condvar {
    pub(crate) fn new() -> Self {
        Self(loom::sync::Condvar::new())
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }

    /// Never ends by the timeout: whoever is forgotten is a deadlock, which loom sees.
    pub(crate) fn wait_timeout<'m, T>(
        &self,
        guard: MutexGuard<'m, T>,
        _: Duration,
    ) -> LockResult<(MutexGuard<'m, T>, ())> {
        Ok((self.0.wait(guard).unwrap(), ()))
    }

    pub(crate) fn wait_timeout_while<'m, T>(
        &self,
        mut guard: MutexGuard<'m, T>,
        _: Duration,
        mut goes_on: impl FnMut(&mut T) -> bool,
    ) -> LockResult<(MutexGuard<'m, T>, ())> {
        while goes_on(&mut guard) {
            if let Some(time) = PAUSES.get() {
                clock::pass(time);
                // Whoever polls for something lets the others run first.
                loom::thread::yield_now();
                break;
            }
            guard = self.0.wait(guard).unwrap();
        }
        Ok((guard, ()))
    }
}
