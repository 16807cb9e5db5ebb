//! The statistics of a handle, as C sees them.

use super::argument::{required, sized};
use super::error::{BANKHUB_MESSAGE_CAPACITY, bankhub_error};
use super::handle::Handle;
use super::status::BANKHUB_OK;
use crate::{Error, Stats};

/// Counters and times of a handle. For monitoring only: do not use it to decide when to call
/// bankhub_token_get. It holds no secret.
#[repr(C)]
pub struct bankhub_stats {
    /// The caller sets it to `sizeof(bankhub_stats)`. The library writes no more than that. A size that is larger than
    /// this library's is accepted: the additional bytes are set to 0.
    pub size: usize,
    /// The generation of the token that bankhub_token_get would return at once. 0: no valid token now.
    pub generation: u64,
    /// When that token expires, in Unix seconds. 0: no valid token now.
    pub expires_at: i64,
    /// When a refresh of that token is due, in Unix seconds. It runs in the background. 0: no valid token now.
    pub refresh_at: i64,
    /// Before this time, in Unix seconds, no token request is sent. 0: a request may be sent now.
    pub next_attempt_at: i64,
    /// When the last token request succeeded, in Unix seconds. 0: none has.
    pub last_success_at: i64,
    /// When the last token request failed, in Unix seconds. 0: none has.
    pub last_failure_at: i64,
    /// Number of token requests sent.
    pub requests: u64,
    /// Number of token requests that returned a usable token.
    pub successes: u64,
    /// Number of token requests that failed.
    pub failures: u64,
    /// Number of token requests that failed since the last success.
    pub consecutive_failures: u64,
    /// Number of bankhub_token_invalidate calls that named the current token.
    pub rejections: u64,
    /// Number of bankhub_token_invalidate calls that named any other text. They changed nothing.
    pub ignored_rejections: u64,
    /// Number of callers that wait in bankhub_token_get now.
    pub waiters: u64,
    /// 1 while a fetch is in flight, else 0.
    pub fetching: u32,
    /// The library writes 0.
    pub reserved: u32,
    /// The error of the last failed fetch, until one succeeds, or else of the store, until it works again. Status
    /// BANKHUB_OK: neither.
    pub last_error: bankhub_error,
}

/// # Safety
/// `out` is NULL or writable for `out->size` bytes.
pub(super) unsafe fn fill(out: *mut bankhub_stats, handle: Handle) -> Result<(), Error> {
    required("out", out)?;
    // SAFETY: the size comes first in every version, and that many bytes are writable.
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
