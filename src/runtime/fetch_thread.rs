//! Starts the thread of a fetch, or of a lookup beside it: a guest in another's process, with all signals blocked, a
//! name and a small stack.
#![allow(unsafe_code)]

use std::io;
use std::thread::Builder;

/// A TLS handshake takes 140 KiB in a debug build.
const STACK_BYTES: usize = 512 * 1024;

pub(crate) fn start(fetch: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = Builder::new().name("bankhub-fetch".to_owned()).stack_size(STACK_BYTES + thread_local::bytes());
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

/// The program's thread-local data, which glibc places in each thread's stack.
#[cfg(all(target_os = "linux", not(miri)))] // Miri has no loader that could be asked
mod thread_local {
    use std::ffi::{c_int, c_void};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    static BYTES: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn bytes() -> usize {
        BYTES.load(Relaxed)
    }

    extern "C" fn add_up() {
        // SAFETY: `add` has the type that is wanted, and takes no data.
        unsafe { libc::dl_iterate_phdr(Some(add), std::ptr::null_mut()) };
    }

    unsafe extern "C" fn add(object: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
        // SAFETY: the loader lends an object and its headers for the time of this call.
        let headers = unsafe { std::slice::from_raw_parts((*object).dlpi_phdr, usize::from((*object).dlpi_phnum)) };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_TLS) {
            BYTES.fetch_add((header.p_memsz + header.p_align) as usize, Relaxed);
        }
        0
    }

    // At load, because later another thread may hold the loader's lock at a fork, and the child would wait for it. What
    // is loaded after that does not count: its data lies elsewhere.
    #[used]
    // SAFETY: the loader takes this section for an array of such functions, and calls each.
    #[unsafe(link_section = ".init_array")]
    static ADD_UP: extern "C" fn() = add_up;
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod thread_local {
    pub(super) fn bytes() -> usize {
        0
    }
}
