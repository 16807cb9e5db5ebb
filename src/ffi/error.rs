//! The error of a call, written into the caller's own struct: no error text is kept in a handle or a thread.

use std::ffi::c_char;

use super::status::{BANKHUB_OK, bankhub_status, to_c};
use crate::{Error, Status};

/// Bytes in `bankhub_error.message`, including the terminating NUL.
pub const BANKHUB_MESSAGE_CAPACITY: usize = 512;

/// Why a call failed, in the caller's memory. Its size never changes.
///
/// Every bankhub_error * parameter may be NULL. If it is not NULL, the call always writes it, also with BANKHUB_OK.
#[repr(C)]
pub struct bankhub_error {
    /// The status that the call returned.
    pub status: bankhub_status,
    /// The HTTP status of the response that caused the error. 0: no HTTP response was involved.
    pub http_status: i32,
    /// Milliseconds until the next token request may be sent. While a request is overdue: milliseconds until it makes
    /// sense to call again. 0: no known wait; `status` tells whether a retry can help.
    pub retry_after_ms: u64,
    /// The library writes 0.
    pub reserved: [u64; 4],
    /// One sentence for an operator, NUL-terminated. Empty with BANKHUB_OK. It never holds a secret.
    pub message: [c_char; BANKHUB_MESSAGE_CAPACITY],
}

impl From<&Error> for bankhub_error {
    fn from(error: &Error) -> Self {
        let retry_after = error.retry_after().unwrap_or_default();
        Self {
            status: to_c(error.status()),
            http_status: error.http_status().map_or(0, i32::from),
            // Rounded up: after this wait a request is allowed.
            retry_after_ms: u64::try_from(retry_after.as_micros().div_ceil(1000)).unwrap_or(u64::MAX),
            reserved: [0; 4],
            message: message(error.message()),
        }
    }
}

/// Writes the outcome of a call into the caller's struct, if there is one, and returns the status.
///
/// # Safety
/// `out` is NULL or writable.
#[inline(always)]
pub(super) unsafe fn report(out: *mut bankhub_error, result: Result<(), Error>) -> bankhub_status {
    if let Err(error) = result {
        // SAFETY: as the caller promises.
        return unsafe { report_failure(out, &error) };
    }
    if !out.is_null() {
        // SAFETY: writable, as the caller promises. The rest of the message stays as it is: a cached token takes
        // nanoseconds, and the message has 512 bytes.
        unsafe {
            (*out).status = BANKHUB_OK;
            (*out).http_status = 0;
            (*out).retry_after_ms = 0;
            (*out).reserved = [0; 4];
            (*out).message[0] = 0;
        }
    }
    BANKHUB_OK
}

/// # Safety
/// `out` is NULL or writable.
#[cold]
unsafe fn report_failure(out: *mut bankhub_error, error: &Error) -> bankhub_status {
    if !out.is_null() {
        // SAFETY: writable, as the caller promises.
        unsafe { out.write(error.into()) };
    }
    to_c(error.status())
}

/// The error of a call that panicked, without the text of the panic: that text could hold a secret.
pub(super) fn panicked() -> Error {
    Error::new(Status::Internal, "the call panicked; please report this")
}

/// NUL-terminated, and cut between two characters if it is too long.
fn message(text: &str) -> [c_char; BANKHUB_MESSAGE_CAPACITY] {
    let mut message = [0; BANKHUB_MESSAGE_CAPACITY];
    let cut = text.floor_char_boundary(BANKHUB_MESSAGE_CAPACITY - 1);
    for (place, byte) in message.iter_mut().zip(text[..cut].bytes()) {
        *place = byte as c_char;
    }
    message
}
