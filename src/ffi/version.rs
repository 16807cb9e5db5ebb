//! The version of the running library: a wrapper compares it with the header that it was written for.

use std::ffi::c_char;

/// Grows when a symbol or a struct layout changes. The soname then changes too. It is 1 at the first release.
pub const BANKHUB_ABI_MAJOR: u32 = 0;
/// Grows when a function is added, or a field at the end of a struct that has a `size`.
pub const BANKHUB_ABI_MINOR: u32 = 1;

/// The ABI version of the running library: `major << 16 | minor`.
///
/// A wrapper must reject a library if its major number differs from BANKHUB_ABI_MAJOR, or if its minor number is
/// smaller than BANKHUB_ABI_MINOR. Both constants are those of the header that the wrapper was written for.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_abi_version() -> u32 {
    guard!(0, BANKHUB_ABI_MAJOR << 16 | BANKHUB_ABI_MINOR)
}

/// The version of the running library, for example "0.1.0". The text is static: it is never NULL, and the caller must
/// not free it.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_version() -> *const c_char {
    guard!(c"".as_ptr(), concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast())
}
