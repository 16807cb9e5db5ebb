//! What a handle has done and is doing, as C sees it.

use super::argument::{required, sized};
use super::error::{BANKHUB_MESSAGE_CAPACITY, bankhub_error};
use super::handle::Handle;
use super::status::BANKHUB_OK;
use crate::{Error, Stats};

/// What a handle has done and is doing: for monitoring, never for deciding when to ask. Holds no secret.
#[repr(C)]
pub struct bankhub_stats {
    /// Set by the caller to `sizeof(bankhub_stats)`: no more than that is written. A size beyond this library's is
    /// accepted, its further bytes are written 0.
    pub size: usize,
    /// Of the token that bankhub_token_get would return at once; 0: no valid token now.
    pub generation: u64,
    /// Unix seconds; 0: no valid token now.
    pub expires_at: i64,
    /// Unix seconds from which the token is renewed beside its callers; 0: no valid token now.
    pub refresh_at: i64,
    /// Unix seconds before which no token request goes out; 0: one may go out now.
    pub next_attempt_at: i64,
    /// Unix seconds; 0: none yet.
    pub last_success_at: i64,
    /// Unix seconds; 0: none yet.
    pub last_failure_at: i64,
    /// Token requests sent.
    pub requests: u64,
    /// Token requests that brought a usable token.
    pub successes: u64,
    /// Token requests that did not.
    pub failures: u64,
    /// Token requests that did not, since the last that did.
    pub consecutive_failures: u64,
    /// Calls of bankhub_token_invalidate that named the current token.
    pub rejections: u64,
    /// Calls of bankhub_token_invalidate that named anything else, and so changed nothing.
    pub ignored_rejections: u64,
    /// Callers blocked in bankhub_token_get now.
    pub waiters: u64,
    /// 1 while a fetch is in flight, else 0.
    pub fetching: u32,
    /// Written 0.
    pub reserved: u32,
    /// Of the last failed fetch, or else of the store; status BANKHUB_OK: none since the last success.
    pub last_error: bankhub_error,
}

/// # Safety
/// `out` is NULL or writable for `out->size` bytes.
pub(super) unsafe fn fill(out: *mut bankhub_stats, handle: Handle) -> Result<(), Error> {
    required("out", out)?;
    // SAFETY: the size comes first in every version, and as many bytes are writable.
    unsafe {
        let size = (*out).size;
        sized::<bankhub_stats>("out.size", size)?;
        out.write(bankhub_stats { size, ..(&handle.stats()?).into() });
        out.add(1).cast::<u8>().write_bytes(0, size - size_of::<bankhub_stats>());
    }
    Ok(())
}

impl From<&Stats> for bankhub_stats {
    fn from(stats: &Stats) -> Self {
        let none = bankhub_error {
            status: BANKHUB_OK,
            http_status: 0,
            retry_after_ms: 0,
            reserved: [0; 4],
            message: [0; BANKHUB_MESSAGE_CAPACITY],
        };
        Self {
            size: size_of::<Self>(),
            generation: stats.generation,
            expires_at: stats.expires_at,
            refresh_at: stats.refresh_at,
            next_attempt_at: stats.next_attempt_at,
            last_success_at: stats.last_success_at,
            last_failure_at: stats.last_failure_at,
            requests: stats.requests,
            successes: stats.successes,
            failures: stats.failures,
            consecutive_failures: stats.consecutive_failures,
            rejections: stats.rejections,
            ignored_rejections: stats.ignored_rejections,
            waiters: stats.waiters,
            fetching: stats.fetching.into(),
            reserved: 0,
            last_error: stats.last_error.as_ref().map_or(none, bankhub_error::from),
        }
    }
}
