//! The effects of a fork: a child has one thread, and a lock that another thread held at the fork stays held for
//! ever.
//!
//! So a child abandons whatever it might wait for, and builds it anew. `vfork`, `clone` and other calls that run no
//! handlers are not noticed, but their child must call `exec` anyway.
#![allow(unsafe_code)]
#![cfg_attr(not(unix), expect(dead_code, reason = "there are no forks"))]

use std::cell::{Cell, UnsafeCell};
use std::ptr;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed};
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::time::Duration;

/// Makes every fork of this process hold the lock, a static. Then its child calls the function, if one is given, and
/// says whether the lock was held. This begins when the library is loaded: any later moment could fall into a fork of
/// another thread, and the lock would stay held for ever in that child.
macro_rules! held_by_forks {
    ($lock:expr $(, $in_child:expr)?) => {
        #[cfg(unix)]
        const _: () = {
            extern "C" fn before() {
                $lock.before_fork();
            }
            extern "C" fn in_parent() {
                $lock.after_fork();
            }
            extern "C" fn in_child() {
                let _was_held: bool = $lock.after_fork();
                $(($in_child)(_was_held);)?
            }
            extern "C" fn watch() {
                $crate::runtime::fork::watch(before, in_parent, in_child);
            }
            #[allow(unsafe_code)]
            #[used]
            // SAFETY: the loader expects an array of such functions in this section, and calls each.
            #[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
            #[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
            static WATCH: extern "C" fn() = watch;
        };
    };
}

pub(crate) use held_by_forks;

/// How many forks led to this process. Written by the only thread of a child that has just been forked.
static DEPTH: AtomicU64 = AtomicU64::new(0);

/// For [`without_forks`].
static GATE: ForkLock<()> = ForkLock::new(());

held_by_forks!(GATE, |_| DEPTH.store(fork_depth() + 1, Relaxed));

/// Another number than in the process that this one was forked from.
#[inline]
pub(crate) fn fork_depth() -> u64 {
    DEPTH.load(Relaxed)
}

/// A fork waits until `work` has ended, which must be short.
pub(crate) fn without_forks<R>(work: impl FnOnce() -> R) -> R {
    GATE.with(|()| work())
}

/// A value of its own for each process: built at its first use, and after a fork abandoned, not dropped.
pub(crate) struct PerProcess<T>(AtomicPtr<Made<T>>);

struct Made<T> {
    fork_depth: u64,
    value: T,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The value of this process. Never blocks: of two threads that build one at once, the second takes the first's.
    pub(crate) fn get_or_init(&self, build: impl FnOnce() -> T) -> &T {
        let fork_depth = fork_depth();
        let old = self.0.load(Acquire);
        // SAFETY: the pointer is null or came from `Box::into_raw` below, and nothing frees it until `self` is dropped.
        if let Some(made) = unsafe { old.as_ref() }
            && made.fork_depth == fork_depth
        {
            return &made.value;
        }
        let new = Box::into_raw(Box::new(Made { fork_depth, value: build() }));
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
            && own.fork_depth == fork_depth()
        {
            // SAFETY: as above.
            drop(unsafe { Box::from_raw(made) });
        }
    }
}

// SAFETY: it gives `&T` to any thread, and drops a T that any thread may have built.
unsafe impl<T: Send + Sync> Sync for PerProcess<T> {}

/// How often, and how far apart, a fork tries to take a lock that its own thread may hold.
const FORK_TRIES: u32 = 1000;
const FORK_PAUSE: Duration = Duration::from_micros(100);

thread_local! {
    /// Whether this thread holds a `ForkLock`, or is about to. Its address identifies this thread, in a child as in its
    /// parent.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

fn this_thread() -> usize {
    INSIDE.with(|inside| ptr::from_ref(inside).addr())
}

/// A lock that every fork holds, so that in the child it is free and its value is whole: see [`held_by_forks`]. For
/// short work only.
pub(crate) struct ForkLock<T: 'static> {
    lock: Mutex<T>,
    forking: UnsafeCell<Option<MutexGuard<'static, T>>>,
    /// The thread that holds `lock` through a fork, or 0.
    forker: AtomicUsize,
    fork_count: AtomicU64,
}

// SAFETY: only the thread that `forker` names uses `forking`, while it holds `lock`; the rest is a Mutex.
unsafe impl<T: Send> Sync for ForkLock<T> {}

impl<T> ForkLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self {
            lock: Mutex::new(value),
            forking: UnsafeCell::new(None),
            forker: AtomicUsize::new(0),
            fork_count: AtomicU64::new(0),
        }
    }

    /// Another number than before the last fork, in parent and child. Does not change while the lock is held.
    pub(crate) fn fork_count(&self) -> u64 {
        self.fork_count.load(Relaxed)
    }

    /// `work` must not use a `ForkLock`.
    pub(crate) fn with<R>(&'static self, work: impl FnOnce(&mut T) -> R) -> R {
        struct Inside;
        impl Drop for Inside {
            fn drop(&mut self) {
                INSIDE.set(false);
            }
        }
        if self.forker.load(Relaxed) == this_thread() {
            // A fork handler of the program, which runs between those below: this thread already holds the lock.
            // SAFETY: as in `after_fork`, and nobody else borrows it, because `work` calls nothing that comes here.
            return work(unsafe { (*self.forking.get()).as_mut() }.expect("held through the fork"));
        }
        INSIDE.set(true);
        let _inside = Inside;
        work(&mut self.lock.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn before_fork(&'static self) {
        let guard = if INSIDE.get() {
            // A signal handler that interrupted `with` forks. If this thread holds the lock, so will the child, which
            // must end, or call `exec`, in the handler.
            (0..FORK_TRIES).find_map(|_| self.try_lock())
        } else {
            Some(self.lock.lock().unwrap_or_else(PoisonError::into_inner))
        };
        if guard.is_some() {
            // SAFETY: this thread holds the lock, and so is the only one here.
            unsafe { *self.forking.get() = guard };
            self.forker.store(this_thread(), Relaxed);
        }
    }

    fn try_lock(&'static self) -> Option<MutexGuard<'static, T>> {
        match self.lock.try_lock() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => {
                #[expect(clippy::disallowed_methods, reason = "a fork waits for other threads' short work")]
                std::thread::sleep(FORK_PAUSE);
                None
            }
        }
    }

    /// Whether this fork held the lock.
    pub(crate) fn after_fork(&'static self) -> bool {
        self.fork_count.fetch_add(1, Relaxed);
        let held = self.forker.load(Relaxed) == this_thread();
        if held {
            self.forker.store(0, Relaxed);
            // SAFETY: this thread took the lock in `before_fork`, or is the child's copy of the one that did.
            drop(unsafe { (*self.forking.get()).take() });
        }
        held
    }
}

/// For `held_by_forks` alone.
#[cfg(unix)]
pub(crate) fn watch(before: extern "C" fn(), in_parent: extern "C" fn(), in_child: extern "C" fn()) {
    // SAFETY: the handlers exist as long as they may be called: the shared library is never unmapped (`nodelete`), and
    // libc drops the handlers of any other library that contains this code. The call fails only if there is no memory,
    // and then forks are not noticed.
    unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) };
}
