//! The user of this process, and whether it has more rights than whoever started it, who then must not decide about it.
#![allow(unsafe_code)]

/// Whether the program is setuid or setgid, or got capabilities from its file: then its environment is not trusted.
pub(crate) fn are_elevated() -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    // SAFETY: it reads a number that the kernel gave to the process at its start.
    return unsafe { libc::getauxval(libc::AT_SECURE) } != 0;
    #[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"))]
    // SAFETY: it has no arguments and no effects.
    return unsafe { libc::issetugid() } != 0;
    #[allow(unreachable_code, reason = "systems without such programs, or without a way to ask")]
    false
}

/// The user whose files this thread may use, after every change of user.
#[cfg(unix)]
pub(crate) fn effective_user() -> u32 {
    // SAFETY: it has no arguments and cannot fail.
    unsafe { libc::geteuid() }
}
