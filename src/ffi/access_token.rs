//! A token as C receives it: bytes in the caller's own struct.

use std::ffi::c_char;
use std::mem::MaybeUninit;
use std::time::Duration;

use zeroize::Zeroize;

use super::argument::required;
use super::handle::Handle;
use crate::{Error, ReadToken, TOKEN_CAPACITY, TokenCopy, TokenMemory};

/// Bytes in `bankhub_access_token.value`, including the terminating NUL.
pub const BANKHUB_TOKEN_CAPACITY: usize = 4096;

/// One access token, copied into the caller's memory. Its size never changes.
///
/// It is a secret: call bankhub_access_token_wipe after its last use.
#[repr(C)]
pub struct bankhub_access_token {
    /// Never 0 after success. It grows with every new token of this handle.
    pub generation: u64,
    /// Unix seconds: the time at which its request was sent, plus its ttl.
    pub expires_at: i64,
    /// The library writes 0.
    pub reserved: [u64; 4],
    /// Bytes of `value` without the NUL; 0 if the call returned no token.
    pub length: usize,
    /// The text to send after "Authorization: Bearer ": 1 to 4,095 characters of visible ASCII (0x21 to 0x7E),
    /// NUL-terminated.
    pub value: [c_char; BANKHUB_TOKEN_CAPACITY],
}

/// Overwrites the whole struct with zeros. No compiler removes this write. NULL is allowed and does nothing.
///
/// `token` is NULL or points to a `bankhub_access_token` that no other thread uses during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_access_token_wipe(token: *mut bankhub_access_token) {
    guard!((), {
        if required("token", token).is_ok() {
            // SAFETY: writable and used by no other thread, as the caller promises.
            unsafe { wipe(token) };
        }
    })
}

/// Copies a valid token into the caller's struct. After a failure the struct holds no token.
///
/// # Safety
/// `out` is writable, aligned and used by no other thread. The same holds for every function below.
#[inline(always)]
pub(super) unsafe fn fill(
    out: *mut bankhub_access_token,
    handle: Result<Handle, Error>,
    timeout: impl FnOnce() -> Option<Duration>,
) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    unsafe {
        let handle = handle.inspect_err(|_| wipe(out))?;
        let mut copy = copy(out);
        match handle.read(&mut copy) {
            Some(read) => finish(out, &read, copy.text().len()),
            None => wait(out, handle, timeout())?,
        }
    }
    Ok(())
}

#[cold]
unsafe fn wait(out: *mut bankhub_access_token, handle: Handle, timeout: Option<Duration>) -> Result<(), Error> {
    // SAFETY: as the caller promises.
    unsafe {
        // First, so that a call that fails or panics leaves nothing behind.
        wipe(out);
        let mut copy = copy(out);
        let read = handle.wait(timeout, &mut copy)?;
        finish(out, &read, copy.text().len());
    }
    Ok(())
}

unsafe fn copy<'a>(out: *mut bankhub_access_token) -> TokenCopy<'a> {
    // SAFETY: `value` is as large as `TokenMemory`, which needs no alignment, and which may be uninitialised, as C's
    // may.
    TokenCopy::new(unsafe { &mut *(&raw mut (*out).value).cast::<TokenMemory>() })
}

/// Writes all but the text, which `copy` has written.
#[inline(always)]
unsafe fn finish(out: *mut bankhub_access_token, read: &ReadToken, length: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        (*out).generation = read.generation;
        (*out).expires_at = read.expires_at.as_secs() as i64;
        (*out).reserved = [0; 4];
        (*out).length = length;
        (*out).value[length] = 0;
    }
}

unsafe fn wipe(out: *mut bankhub_access_token) {
    let bytes = out.cast::<MaybeUninit<u8>>();
    // SAFETY: as the caller promises; the bytes may be uninitialised.
    unsafe { std::slice::from_raw_parts_mut(bytes, size_of::<bankhub_access_token>()) }.zeroize();
}

const _: () = assert!(BANKHUB_TOKEN_CAPACITY == TOKEN_CAPACITY && size_of::<TokenMemory>() == TOKEN_CAPACITY);
const _: () = assert!(align_of::<TokenMemory>() == 1);
