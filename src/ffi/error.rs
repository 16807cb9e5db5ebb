//! What went wrong, written into the caller's own struct: no error text lives in a handle or a thread.

use std::ffi::c_char;

use super::status::{BANKHUB_OK, bankhub_status, to_c};
use crate::{Error, Status};

/// Bytes in `bankhub_error.message`, the closing NUL included.
pub const BANKHUB_MESSAGE_CAPACITY: usize = 512;

/// What went wrong, in the caller's memory. Its size never changes.
///
/// Every bankhub_error * parameter may be NULL. Where it is not, it is always written, with BANKHUB_OK too.
#[repr(C)]
pub struct bankhub_error {
    /// What the call returned.
    pub status: bankhub_status,
    /// The HTTP status of the answer behind the error; 0: no HTTP answer was involved.
    pub http_status: i32,
    /// Milliseconds until the next token request may go out, or, while one has outlasted its timeout, until it makes
    /// sense to look again; 0: now, or never.
    pub retry_after_ms: u64,
    /// Written 0.
    pub reserved: [u64; 4],
    /// One sentence for an operator, closed by NUL; empty with BANKHUB_OK. Never holds a secret.
    pub message: [c_char; BANKHUB_MESSAGE_CAPACITY],
}

impl From<&Error> for bankhub_error {
    fn from(error: &Error) -> Self {
        let retry_after = error.retry_after().unwrap_or_default();
        Self {
            status: to_c(error.status()),
            http_status: error.http_status().map_or(0, i32::from),
            // Rounded up: who waits as long finds that the time has come.
            retry_after_ms: u64::try_from(retry_after.as_micros().div_ceil(1000)).unwrap_or(u64::MAX),
            reserved: [0; 4],
            message: message(error.message()),
        }
    }
}

/// Writes how a call ended into the caller's struct, if there is one, and returns the status.
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
        // SAFETY: writable, as the caller promises. The rest of the message stays as it is: a token was handed out in
        // nanoseconds, and this is 512 bytes.
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

/// What a caller is told whose call panicked. The panic's own text could hold anything.
pub(super) fn panicked() -> Error {
    Error::new(Status::Internal, "the call panicked; please report this")
}

/// Cut where it is too long, between two characters, and closed by NUL.
fn message(text: &str) -> [c_char; BANKHUB_MESSAGE_CAPACITY] {
    let mut message = [0; BANKHUB_MESSAGE_CAPACITY];
    let cut = text.floor_char_boundary(BANKHUB_MESSAGE_CAPACITY - 1);
    for (place, byte) in message.iter_mut().zip(text[..cut].bytes()) {
        *place = byte as c_char;
    }
    message
}
