//! Starts the thread of a fetch, a guest in another's process: all signals blocked, a name, a small stack.
#![allow(unsafe_code)]

use std::io;
use std::thread::Builder;

/// A TLS handshake takes 140 KiB in a debug build, and a program's thread-local data lies in here too.
const STACK_BYTES: usize = 512 * 1024;

pub(crate) fn start(fetch: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = Builder::new().name("bankhub-fetch".to_owned()).stack_size(STACK_BYTES);
    #[expect(clippy::disallowed_methods, reason = "the one thread of a cache, while a fetch is in flight")]
    without_signals(|| thread.spawn(fetch)).map(drop)
}

/// A thread inherits the mask of the one that starts it. Its starter's signals wait for some microseconds.
#[cfg(unix)]
fn without_signals<R>(start: impl FnOnce() -> R) -> R {
    let mut all = std::mem::MaybeUninit::uninit();
    let mut before = std::mem::MaybeUninit::uninit();
    // SAFETY: `sigfillset` initialises `all`, and the first call `before`; neither can fail with these arguments.
    unsafe {
        libc::sigfillset(all.as_mut_ptr());
        libc::pthread_sigmask(libc::SIG_SETMASK, all.as_ptr(), before.as_mut_ptr());
    }
    let started = start();
    // SAFETY: `before` was written above.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), std::ptr::null_mut()) };
    started
}

#[cfg(not(unix))]
fn without_signals<R>(start: impl FnOnce() -> R) -> R {
    start()
}
