//! A token as it is handed to C: bytes in the caller's own struct.

use std::ffi::c_char;
use std::time::Duration;

use zeroize::Zeroize;

use super::argument::required;
use crate::{Buffer, Error, Handle, Memory, TOKEN_CAPACITY};

/// Bytes in `bankhub_access_token.value`, the closing NUL included.
pub const BANKHUB_TOKEN_CAPACITY: usize = 4096;

/// One access token, copied into the caller's memory. Its size never changes.
///
/// It is a secret: wipe it with bankhub_access_token_wipe when it has been used.
#[repr(C)]
pub struct bankhub_access_token {
    /// Never 0; grows with every new token of this handle.
    pub generation: u64,
    /// Unix seconds: the moment its request was sent, plus its ttl.
    pub expires_at: i64,
    /// Written 0.
    pub reserved: [u64; 4],
    /// Bytes of `value` without the NUL; 0 where no token was handed out.
    pub length: usize,
    /// The text that belongs after "Authorization: Bearer ", closed by NUL.
    pub value: [c_char; BANKHUB_TOKEN_CAPACITY],
}

/// Overwrites the whole struct with zeros, in a way that no compiler removes. NULL is fine.
///
/// `token` is NULL or points to a `bankhub_access_token` that no other thread uses during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_access_token_wipe(token: *mut bankhub_access_token) {
    guard!((), {
        if required("token", token).is_ok() {
            // SAFETY: writable and used by no other thread, as the caller promises.
            unsafe { std::slice::from_raw_parts_mut(token.cast::<u8>(), size_of::<bankhub_access_token>()) }.zeroize();
        }
    })
}

/// Copies a valid token into the caller's struct; leaves it without one on failure.
///
/// # Safety
/// `out` is writable, aligned and used by no other thread.
pub(super) unsafe fn fill(
    out: *mut bankhub_access_token,
    handle: Result<Handle, Error>,
    timeout: Option<Duration>,
) -> Result<(), Error> {
    // SAFETY: all writes go to `*out`, which the caller promises; `value` is as large as `Memory`, which needs no
    // alignment, and which may be uninitialised, as C's memory may.
    unsafe {
        // First, so that it holds for a call that panics, too.
        (*out).length = 0;
        (*out).value[0] = 0;
        let mut buffer = Buffer::new(&mut *(&raw mut (*out).value).cast::<Memory>());
        let copied = handle.and_then(|handle| handle.get(timeout, &mut buffer));
        if copied.is_err() {
            buffer.wipe_whole();
        }
        let length = copied.as_ref().map_or(0, |_| buffer.text().len());
        let (generation, expires_at) =
            copied.as_ref().map_or((0, 0), |reading| (reading.generation, reading.expires_at.as_secs() as i64));
        (*out).generation = generation;
        (*out).expires_at = expires_at;
        (*out).reserved = [0; 4];
        (*out).length = length;
        (*out).value[length] = 0;
        copied.map(drop)
    }
}

const _: () = assert!(BANKHUB_TOKEN_CAPACITY == TOKEN_CAPACITY && size_of::<Memory>() == TOKEN_CAPACITY);
const _: () = assert!(align_of::<Memory>() == 1);
