//! What a fork leaves: a child has one thread, and every lock that another thread held at the fork is held forever.
//!
//! So the child abandons what it may have to wait for and builds it anew. Only `vfork`, `clone` and the like, which run
//! no handlers, are not noticed; a child of those is to call `exec` anyway.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How many forks led to this process. Written by the only thread of a child that has just been forked.
static FORKS: AtomicU64 = AtomicU64::new(0);

/// To be called in a child, before anything else of this library.
pub(crate) fn count() {
    FORKS.store(FORKS.load(Relaxed) + 1, Relaxed);
}

/// A value of its own for each process: built when it is first wanted, abandoned, not dropped, after a fork.
pub(crate) struct PerProcess<T>(AtomicPtr<Made<T>>);

struct Made<T> {
    forks: u64,
    value: T,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value of this process. Never blocks: of two threads that build one at once, the second takes the first's.
    pub(crate) fn get_or_init(&self, build: impl FnOnce() -> T) -> &T {
        let forks = FORKS.load(Relaxed);
        let old = self.0.load(Acquire);
        // SAFETY: the pointer is null or came from `Box::into_raw` below, and nothing frees it until `self` is dropped.
        if let Some(made) = unsafe { old.as_ref() }
            && made.forks == forks
        {
            return &made.value;
        }
        let new = Box::into_raw(Box::new(Made { forks, value: build() }));
        match self.0.compare_exchange(old, new, AcqRel, Acquire) {
            // SAFETY: as above; what was there before is the parent's, and stays as it is: its locks may be held.
            Ok(_) => unsafe { &(*new).value },
            Err(first) => {
                // SAFETY: nobody else has seen `new`; `first` is not null, as above.
                unsafe {
                    drop(Box::from_raw(new));
                    &(*first).value
                }
            }
        }
    }
}

impl<T> Drop for PerProcess<T> {
    fn drop(&mut self) {
        let made = *self.0.get_mut();
        // SAFETY: as in `get_or_init`; `self` is owned, so nobody holds a reference into it.
        if let Some(own) = unsafe { made.as_ref() }
            && own.forks == FORKS.load(Relaxed)
        {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

// SAFETY: it hands out `&T` to any thread, and drops a T that any thread may have built.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

/// How long a fork waits for the lock: far longer than any work under it takes.
const FORK_TRIES: u32 = 1000;
const FORK_PAUSE: Duration = Duration::from_micros(100);

/// The same in a child as in its parent, for the thread that forked.
fn this_thread() -> usize {
    thread_local!(static PLACE: u8 = const { 0 });
    PLACE.with(|place| ptr::from_ref(place).addr())
}

/// A lock that every fork holds, so that its child finds what it guards whole, and free. For short work only.
pub(crate) struct ForkLock<T: 'static> {
    lock: Mutex<T>,
    forking: UnsafeCell<Option<MutexGuard<'static, T>>>,
    /// The thread that holds `lock` through a fork, or 0.
    forker: AtomicUsize,
}

// SAFETY: `forking` is touched by the thread that `forker` names alone, while it holds `lock`; the rest is a Mutex.
unsafe impl<T: Send> Sync for ForkLock<T> {}

impl<T> ForkLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self { lock: Mutex::new(value), forking: UnsafeCell::new(None), forker: AtomicUsize::new(0) }
    }

    pub(crate) fn lock(&'static self) -> MutexGuard<'static, T> {
        self.lock.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives up after a while: a signal handler may fork whose own thread holds the lock, below it on the stack. Its
    /// child has that stack, too, and lets go of the lock when it gets back there.
    pub(crate) fn before_fork(&'static self) {
        for _ in 0..FORK_TRIES {
            if let Ok(guard) = self.lock.try_lock() {
                // SAFETY: this thread holds the lock, and so is the only one here.
                unsafe { *self.forking.get() = Some(guard) };
                self.forker.store(this_thread(), Relaxed);
                return;
            }
            #[expect(clippy::disallowed_methods, reason = "a fork waits for other threads' short work")]
            std::thread::sleep(FORK_PAUSE);
        }
    }

    pub(crate) fn after_fork(&'static self) {
        if self.forker.load(Relaxed) == this_thread() {
            self.forker.store(0, Relaxed);
            // SAFETY: this thread took the lock in `before_fork`, or is the child's copy of the one that did.
            drop(unsafe { (*self.forking.get()).take() });
        }
    }
}

/// Has these run around every fork of this process: before it, and after it in the parent and in the child.
#[cfg(unix)]
pub(crate) fn watch(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: the handlers are functions of this library, which is never unmapped (linked with `nodelete`). The call
    // fails only for want of memory, and then forks go unnoticed, as they do where there is no fork.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}

#[cfg(not(unix))]
pub(crate) fn watch(_: extern "C" fn(), _: extern "C" fn(), _: extern "C" fn()) {}
