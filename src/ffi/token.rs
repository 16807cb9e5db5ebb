//! The calls on a handle.

use std::ffi::c_char;
use std::time::Duration;

use zeroize::Zeroizing;

use super::access_token::{self, bankhub_access_token};
use super::argument::{required, text};
use super::config::{self, bankhub_config};
use super::error::bankhub_error;
use super::handle::Handle;
use super::stats::{self, bankhub_stats};
use super::status::bankhub_status;
use crate::Error;

/// For `timeout_ms`: what `bankhub_config.get_timeout_ms` says.
pub const BANKHUB_TIMEOUT_DEFAULT: u32 = u32::MAX;

/// A token cache, shared by all threads of a process. A number, not an address: never to be dereferenced.
pub struct bankhub_token {
    _opaque: (),
}

/// Makes a handle. No request is sent before the first bankhub_token_get, but `ca_file` is read here, and so is the
/// environment (HTTPS_PROXY, NO_PROXY); neither is read again. The platform's trusted roots, SSL_CERT_FILE and
/// SSL_CERT_DIR are read by the first call in a process.
///
/// On success `*out` is the caller's, to be given back with bankhub_token_free; otherwise `*out` is NULL and the
/// message names the field that is wrong. Fails with BANKHUB_INVALID_ARGUMENT or BANKHUB_INTERNAL.
///
/// `config` is NULL or readable for `config->size` bytes and its strings are NULL or closed by NUL; `out` and `error`
/// are NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_token_new(
    config: *const bankhub_config,
    out: *mut *mut bankhub_token,
    error: *mut bankhub_error,
) -> bankhub_status {
    guard!(report to error, {
        required("out", out)?;
        // SAFETY: not NULL, so writable, as the caller promises.
        unsafe { *out = std::ptr::null_mut() };
        // SAFETY: as the caller promises.
        let config = unsafe { config::read(config) }?;
        let handle = Handle::open(&config)?;
        // SAFETY: as above.
        unsafe { *out = std::ptr::without_provenance_mut(handle.to_bits()) };
        Ok(())
    })
}

/// Copies a valid token to `out`; fetches one first where there is none.
///
/// A valid token is handed out at once, without a lock, also while it is being renewed and while renewal fails.
/// Otherwise the call waits for the one fetch that is in flight for all callers, at most `timeout_ms` (0: not at all;
/// BANKHUB_TIMEOUT_DEFAULT: `get_timeout_ms` of the config). A timeout ends the wait, never the fetch. With 0 the
/// answer is, in this order: a token; BANKHUB_CLOSED; the last error while no request may go out; BANKHUB_INTERNAL if
/// no fetch could start; BANKHUB_DEADLINE, with a fetch under way.
///
/// On failure `out->length` is 0 and `out->value` empty. Fails with every status. `out` holds a secret:
/// bankhub_access_token_wipe it when it has been used.
///
/// `out` and `error` are NULL or writable, and no other thread uses them during the call.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_token_get(
    token: *const bankhub_token,
    timeout_ms: u32,
    out: *mut bankhub_access_token,
    error: *mut bankhub_error,
) -> bankhub_status {
    guard!(report to error, {
        required("out", out)?;
        let timeout = || (timeout_ms != BANKHUB_TIMEOUT_DEFAULT).then(|| Duration::from_millis(timeout_ms.into()));
        // SAFETY: not NULL, so writable and used by no other thread, as the caller promises.
        unsafe { access_token::fill(out, handle(token), timeout) }
    })
}

/// The generation of the token that bankhub_token_get would hand out at once, or 0: call bankhub_token_get.
///
/// Never blocks, never fails, and sets a renewal going when it is due. A caller that keeps the last token together with
/// its generation may use it as long as this answers the same number.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_token_generation(token: *const bankhub_token) -> u64 {
    guard!(0, handle(token).map_or(0, Handle::generation))
}

/// Reports that an API answered 401 to `rejected`, the text of the token that was sent. Never blocks.
///
/// If it is the current token, it is replaced: at once, or, when the tokens before it were rejected as well, after a
/// backoff during which it is still handed out. Any other text, an empty one and NULL change nothing and are counted as
/// ignored: a hundred callers that report the same token cause one fetch. Fails with BANKHUB_INVALID_ARGUMENT (the
/// handle is NULL), BANKHUB_CLOSED or BANKHUB_INTERNAL.
///
/// `rejected` is NULL or closed by NUL; `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_token_invalidate(
    token: *const bankhub_token,
    rejected: *const c_char,
    error: *mut bankhub_error,
) -> bankhub_status {
    guard!(report to error, {
        // SAFETY: NULL or closed by NUL, as the caller promises. What is not UTF-8 is no token of ours.
        let rejected = unsafe { text("rejected", rejected) }.ok().flatten().map(Zeroizing::new);
        handle(token)?.invalidate(rejected.as_deref().map_or("", String::as_str))
    })
}

/// Writes what the handle has done and is doing to `out`, whose `size` the caller has set. Never blocks.
///
/// Fails with BANKHUB_INVALID_ARGUMENT (NULL, or a size below the first release's, above 4,096 or inside a field),
/// BANKHUB_CLOSED or BANKHUB_INTERNAL; nothing is written then.
///
/// `out` is NULL or writable for `out->size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_token_stats(token: *const bankhub_token, out: *mut bankhub_stats) -> bankhub_status {
    guard!(report to std::ptr::null_mut(), {
        // SAFETY: NULL or writable for its size, as the caller promises.
        unsafe { stats::fill(out, handle(token)?) }
    })
}

/// Ends the handle: every waiting caller wakes with BANKHUB_CLOSED, and every later call on it answers BANKHUB_CLOSED
/// (bankhub_token_generation: 0). The token is wiped, and so is the secret, once a fetch that is in flight has ended by
/// itself.
///
/// May run while other threads are inside calls on the same handle. NULL and handles already freed are fine.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_token_free(token: *mut bankhub_token) {
    guard!(
        (),
        if let Ok(handle) = handle(token) {
            handle.close()
        }
    )
}

/// NULL is an argument that somebody forgot; any other number is looked up.
fn handle(token: *const bankhub_token) -> Result<Handle, Error> {
    match token.is_null() {
        true => Err(Error::invalid("token", "is NULL")),
        false => Ok(Handle::from_bits(token.addr())),
    }
}
