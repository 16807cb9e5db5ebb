//! The status of a call, as C sees it.

use std::ffi::c_char;

use crate::Status;

/// The outcome of a call: one of the constants below. A number is never reused.
pub type bankhub_status = i32;

/// The call succeeded.
pub const BANKHUB_OK: bankhub_status = 0;
/// An argument is wrong. The message names it. The same call fails again.
pub const BANKHUB_INVALID_ARGUMENT: bankhub_status = 1;
/// The server rejects the client id or secret, or they are disabled: HTTP 401, or 403 with a JSON body.
pub const BANKHUB_UNAUTHENTICATED: bankhub_status = 2;
/// Too many requests: HTTP 429. `retry_after_ms` says when the next request may be sent.
pub const BANKHUB_RATE_LIMITED: bankhub_status = 3;
/// The service cannot be reached or is not available now; a later try can succeed: name lookup, connect, TLS, timeout,
/// connection reset, HTTP 408, 421, 425, 5xx, or 403 without a JSON body (a block page).
pub const BANKHUB_UNAVAILABLE: bankhub_status = 4;
/// A response that the API does not document: any other HTTP status, a redirect, or a body that is not the documented
/// JSON.
pub const BANKHUB_BAD_RESPONSE: bankhub_status = 5;
/// The caller's timeout passed before a token was available. The message names the last failure. The fetch continues.
pub const BANKHUB_DEADLINE: bankhub_status = 6;
/// The handle was freed, or never was one.
pub const BANKHUB_CLOSED: bankhub_status = 7;
/// An error in this library (a panic that was caught), or a thread that could not be started.
pub const BANKHUB_INTERNAL: bankhub_status = 8;

/// The name of the constant, for example "BANKHUB_OK", or "BANKHUB_UNKNOWN" if the number is not a status.
///
/// The text is static: it is never NULL, and the caller must not free it.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_status_name(status: bankhub_status) -> *const c_char {
    guard!(c"BANKHUB_UNKNOWN".as_ptr(), {
        let name = match status {
            BANKHUB_OK => c"BANKHUB_OK",
            BANKHUB_INVALID_ARGUMENT => c"BANKHUB_INVALID_ARGUMENT",
            BANKHUB_UNAUTHENTICATED => c"BANKHUB_UNAUTHENTICATED",
            BANKHUB_RATE_LIMITED => c"BANKHUB_RATE_LIMITED",
            BANKHUB_UNAVAILABLE => c"BANKHUB_UNAVAILABLE",
            BANKHUB_BAD_RESPONSE => c"BANKHUB_BAD_RESPONSE",
            BANKHUB_DEADLINE => c"BANKHUB_DEADLINE",
            BANKHUB_CLOSED => c"BANKHUB_CLOSED",
            BANKHUB_INTERNAL => c"BANKHUB_INTERNAL",
            _ => c"BANKHUB_UNKNOWN",
        };
        name.as_ptr()
    })
}

pub(super) fn to_c(status: Status) -> bankhub_status {
    match status {
        Status::InvalidArgument => BANKHUB_INVALID_ARGUMENT,
        Status::Unauthenticated => BANKHUB_UNAUTHENTICATED,
        Status::RateLimited => BANKHUB_RATE_LIMITED,
        Status::Unavailable => BANKHUB_UNAVAILABLE,
        Status::BadResponse => BANKHUB_BAD_RESPONSE,
        Status::DeadlineExceeded => BANKHUB_DEADLINE,
        Status::Closed => BANKHUB_CLOSED,
        Status::Internal => BANKHUB_INTERNAL,
    }
}
