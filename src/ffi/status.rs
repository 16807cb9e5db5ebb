//! How a call ended, as C sees it.

use std::ffi::c_char;

use crate::Status;

/// How a call ended: one of the constants below. Numbers are never reused.
pub type bankhub_status = i32;

/// It worked.
pub const BANKHUB_OK: bankhub_status = 0;
/// An argument is wrong; the message names it. Calling again with the same arguments fails again.
pub const BANKHUB_INVALID_ARGUMENT: bankhub_status = 1;
/// The client id or secret is refused or disabled: 401, or a 403 whose body is JSON.
pub const BANKHUB_UNAUTHENTICATED: bankhub_status = 2;
/// Too many requests: 429. `retry_after_ms` says when the next one may go out.
pub const BANKHUB_RATE_LIMITED: bankhub_status = 3;
/// Try later: name lookup, connect, TLS, timeout, reset, 408, 5xx, or a 403 that is not JSON (a block page).
pub const BANKHUB_UNAVAILABLE: bankhub_status = 4;
/// An answer that the API does not promise: any other status, a redirect, or a body that is not the documented JSON.
pub const BANKHUB_BAD_RESPONSE: bankhub_status = 5;
/// The caller's own timeout passed first; the message names the last failure.
pub const BANKHUB_DEADLINE: bankhub_status = 6;
/// The handle was freed, or never was one.
pub const BANKHUB_CLOSED: bankhub_status = 7;
/// A caught panic, or a thread that could not start.
pub const BANKHUB_INTERNAL: bankhub_status = 8;

/// The constant's name, such as "BANKHUB_OK", or "BANKHUB_UNKNOWN" for a number that is no status.
///
/// Static text: never NULL, never to be freed.
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
        Status::Deadline => BANKHUB_DEADLINE,
        Status::Closed => BANKHUB_CLOSED,
        Status::Internal => BANKHUB_INTERNAL,
    }
}
