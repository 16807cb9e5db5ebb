//! Checks of the arguments that C passes: each error names the argument and what is wrong with it.

use std::ffi::{CStr, c_char};

use crate::Error;

/// No struct of this ABI will ever be this large: a larger number is not a size.
const SIZE_MAX_BYTES: usize = 4096;

pub(super) fn required<T>(name: &str, pointer: *const T) -> Result<(), Error> {
    if pointer.is_null() {
        return Err(Error::invalid(name, "is NULL"));
    }
    match pointer.is_aligned() {
        true => Ok(()),
        false => Err(Error::invalid(name, "is not aligned as its type demands")),
    }
}

/// A copy of a string; NULL is `None`.
///
/// # Safety
/// `text` is NULL or NUL-terminated.
pub(super) unsafe fn text(name: &str, text: *const c_char) -> Result<Option<String>, Error> {
    if text.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, so NUL-terminated, as the caller promises.
    let text = unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| Error::invalid(name, "is not UTF-8"))?;
    Ok(Some(text.to_owned()))
}

/// Whether a caller's struct of `size` bytes can be a `T` of some version. This library's version is the first.
pub(super) fn sized<T>(name: &str, size: usize) -> Result<(), Error> {
    match (size_of::<T>()..=SIZE_MAX_BYTES).contains(&size) {
        true => Ok(()),
        false => Err(Error::invalid(name, format!("is {size}, which no version has; set it to sizeof the struct"))),
    }
}
