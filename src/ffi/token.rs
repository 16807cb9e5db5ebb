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

/// For `timeout_ms`: use the timeout in `bankhub_config.get_timeout_ms`.
pub const BANKHUB_TIMEOUT_DEFAULT: u32 = u32::MAX;

/// A token cache, shared by all threads of a process. It is a number, not an address: never dereference it.
pub struct bankhub_token {
    _opaque: (),
}

/// Creates a handle. It sends no request: the first bankhub_token_get does. This call alone reads the environment
/// (HTTPS_PROXY, NO_PROXY, SSL_CERT_FILE, SSL_CERT_DIR). It reads `ca_file` and the platform's trusted roots. They are
/// read again, at most once a minute, when no trusted authority signed the certificate of the server. A program that is
/// setuid or setgid, or has capabilities from its file, does not obey those variables: its caller sets them. Such a
/// program must not pass on getenv to the config either.
///
/// On success the caller owns `*out` and releases it with bankhub_token_free. On failure `*out` is NULL, and the
/// message names the field that is wrong. Fails with BANKHUB_INVALID_ARGUMENT or BANKHUB_INTERNAL.
///
/// `config` is NULL or readable for `config->size` bytes. Its strings are NULL or NUL-terminated. `out` and `error` are
/// NULL or writable.
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

/// Copies a valid token to `out`. If there is none, the call fetches one first.
///
/// If there is a valid token, the call returns it at once, without a lock. This is also true while the token is
/// refreshed in the background, and while that refresh fails. If there is none, the call waits for the one fetch that
/// is in flight for all callers. It waits at most `timeout_ms` (0: it does not wait; BANKHUB_TIMEOUT_DEFAULT:
/// `get_timeout_ms` of the config). A timeout ends the wait, never the fetch. While a backoff forbids a request, the
/// call does not wait: it returns the last error. If there is a store and the token is due, the call waits for the
/// token of another process, for at most 100 milliseconds; then it returns the one that it has. With `timeout_ms` 0 the
/// result is the first of these that applies: a token; BANKHUB_CLOSED; the last error, while no request may be sent;
/// BANKHUB_INTERNAL, if no fetch could be started; BANKHUB_DEADLINE, while a fetch is in flight.
///
/// On failure `out->length` is 0 and `out->value` is empty. Fails with every status. `out` holds a secret: call
/// bankhub_access_token_wipe after its last use.
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

/// The generation of the token that bankhub_token_get would return at once. 0: there is none, or another process may be
/// about to replace it; call bankhub_token_get.
///
/// Never blocks and never fails. It starts a refresh in the background when one is due. A caller that keeps its last
/// token together with the token's generation may use that token as long as this function returns the same number.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_token_generation(token: *const bankhub_token) -> u64 {
    guard!(0, handle(token).map_or(0, Handle::generation))
}

/// Reports that an API answered 401 to a request that carried the token `rejected`. Never blocks: it does not wait for
/// the replacement.
///
/// If `rejected` is the current token, that token is replaced. The replacement is requested at once or, if the tokens
/// before it were rejected too, after a pause of up to 60 seconds. bankhub_token_get waits if at most 300 milliseconds
/// of the pause are left; otherwise it returns the rejected token meanwhile. Any other text, an empty text and NULL
/// change nothing and are counted as ignored: a hundred callers that report the same token cause one fetch. Fails with
/// BANKHUB_INVALID_ARGUMENT (the handle is NULL), BANKHUB_CLOSED or BANKHUB_INTERNAL.
///
/// `rejected` is NULL or NUL-terminated. `error` is NULL or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_token_invalidate(
    token: *const bankhub_token,
    rejected: *const c_char,
    error: *mut bankhub_error,
) -> bankhub_status {
    guard!(report to error, {
        // SAFETY: NULL or NUL-terminated, as the caller promises. Text that is not UTF-8 is no token of ours.
        let rejected = unsafe { text("rejected", rejected) }.ok().flatten().map(Zeroizing::new);
        handle(token)?.invalidate(rejected.as_deref().map_or("", String::as_str))
    })
}

/// Writes the statistics of the handle to `out`. The caller sets `out->size` first. Never blocks.
///
/// Fails with BANKHUB_INVALID_ARGUMENT (NULL, or a size that is smaller than the first release's, larger than 4,096 or
/// ends inside a field), BANKHUB_CLOSED or BANKHUB_INTERNAL. It then writes nothing.
///
/// `out` is NULL or writable for `out->size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn bankhub_token_stats(token: *const bankhub_token, out: *mut bankhub_stats) -> bankhub_status {
    guard!(report to std::ptr::null_mut(), {
        // SAFETY: NULL or writable for its size, as the caller promises.
        unsafe { stats::fill(out, handle(token)?) }
    })
}

/// Frees the handle. Every waiting caller wakes at once with BANKHUB_CLOSED, and every later call on the handle returns
/// BANKHUB_CLOSED (bankhub_token_generation returns 0). The token is wiped. The secret is wiped too, after a fetch that
/// is in flight has ended.
///
/// It may run while other threads are inside calls on the same handle. NULL and handles that were freed before are
/// allowed and do nothing.
#[unsafe(no_mangle)]
pub extern "C" fn bankhub_token_free(token: *mut bankhub_token) {
    guard!(
        (),
        if let Ok(handle) = handle(token) {
            handle.close()
        }
    )
}

/// NULL is an argument that the caller forgot. Any other number is looked up.
fn handle(token: *const bankhub_token) -> Result<Handle, Error> {
    match token.is_null() {
        true => Err(Error::invalid("token", "is NULL")),
        false => Ok(Handle::from_bits(token.addr())),
    }
}
