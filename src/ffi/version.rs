//! Which library is running: the numbers that a wrapper compares with the header it was written against.

use std::ffi::c_char;

/// Grows when a symbol or a struct layout changes; so does the soname. 1 at the first release.
pub const BANKHUB_ABI_MAJOR: u32 = 0;
/// Grows when a function, or a field at the end of a struct with a `size`, is added.
pub const BANKHUB_ABI_MINOR: u32 = 1;

/// The ABI of the library that is running: `major << 16 | minor`.
///
/// A wrapper refuses a library whose major differs from BANKHUB_ABI_MAJOR, or whose minor is smaller than
/// BANKHUB_ABI_MINOR, both as of the header it was written against.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_abi_version() -> u32 {
    guard!(0, BANKHUB_ABI_MAJOR << 16 | BANKHUB_ABI_MINOR)
}

/// The version of the library that is running, such as "0.1.0". Static text: never NULL, never to be freed.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_version() -> *const c_char {
    guard!(c"".as_ptr(), concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast())
}
