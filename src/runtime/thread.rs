//! Starts the thread of a fetch, or of a name lookup for it: with a name, a small stack, the scheduling of the program,
//! and all signals blocked, because they belong to the program.
#![allow(unsafe_code)]

#[cfg(all(target_os = "linux", not(miri)))]
mod scheduling;

use std::io;
use std::thread::Builder;

/// A TLS handshake uses 140 KiB in a debug build.
const STACK_BYTES: usize = 512 * 1024;

pub(crate) fn start(fetch: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let thread = Builder::new().name("bankhub-fetch".to_owned()).stack_size(STACK_BYTES + thread_local::bytes());
    let fetch = move || {
        scheduling::set_own_nice_to_program();
        fetch();
    };
    #[expect(clippy::disallowed_methods, reason = "the one thread of a cache, while a fetch is in flight")]
    let started = without_signals(|| thread.spawn(fetch))?;
    scheduling::set_to_program(&started);
    Ok(())
}

/// A thread inherits the signal mask of the thread that starts it. That thread's signals wait for some microseconds.
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

/// The size of the program's thread-local data, which glibc places on each thread's stack.
#[cfg(all(target_os = "linux", not(miri)))] // Miri has no loader that could be asked
mod thread_local {
    use std::ffi::{c_int, c_void};
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    static BYTES: AtomicUsize = AtomicUsize::new(0);

    pub(super) fn bytes() -> usize {
        BYTES.load(Relaxed)
    }

    extern "C" fn add_up() {
        // SAFETY: `add` has the required type, and uses no data.
        unsafe { libc::dl_iterate_phdr(Some(add), std::ptr::null_mut()) };
    }

    unsafe extern "C" fn add(object: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
        // SAFETY: the loader keeps the object and its headers valid during this call.
        let headers = unsafe { std::slice::from_raw_parts((*object).dlpi_phdr, usize::from((*object).dlpi_phnum)) };
        for header in headers.iter().filter(|header| header.p_type == libc::PT_TLS) {
            BYTES.fetch_add((header.p_memsz + header.p_align) as usize, Relaxed);
        }
        0
    }

    // At load: later, another thread may hold the loader's lock at a fork, and the child would wait for it for ever.
    // Objects that are loaded afterwards do not count, because their data is not on the stack.
    #[used]
    // SAFETY: the loader expects an array of such functions in this section, and calls each.
    #[unsafe(link_section = ".init_array")]
    static ADD_UP: extern "C" fn() = add_up;
}

/// Other systems are not asked.
#[cfg(not(all(target_os = "linux", not(miri))))]
mod scheduling {
    pub(super) fn set_to_program<T>(_: &std::thread::JoinHandle<T>) {}
    pub(super) fn set_own_nice_to_program() {}
}

#[cfg(not(all(target_os = "linux", not(miri))))]
mod thread_local {
    pub(super) fn bytes() -> usize {
        0
    }
}
