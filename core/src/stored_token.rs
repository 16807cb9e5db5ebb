//! A token as a store holds it, before it is sealed, and how long another process may use it.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::policy;
use crate::secret::Secret;
use crate::time::{Instant, Timestamp};
use crate::token::{Token, is_token};

/// A token that some process has stored.
#[derive(Debug)]
pub struct StoredToken {
    token: Token,
    /// The boot id of the machine that sent the request; empty: not known.
    boot_id: String,
}

/// ttl, boottime and realtime of `sent_at`, each in nanoseconds.
const TIMES: usize = 3;

impl StoredToken {
    /// Big-endian: ttl, and boottime and realtime of `sent_at`, in nanoseconds; the length of the boot id in one byte;
    /// the boot id; the token.
    pub fn encode(token: &Token, boot_id: &str) -> Zeroizing<Vec<u8>> {
        let Token { value, ttl, sent_at } = token;
        let length = TIMES * size_of::<u64>() + 1 + boot_id.len() + value.expose().len();
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        for time in [*ttl, sent_at.boottime.since_origin(), sent_at.realtime] {
            plain.extend_from_slice(&(time.as_nanos() as u64).to_be_bytes());
        }
        plain.push(boot_id.len() as u8);
        plain.extend_from_slice(boot_id.as_bytes());
        plain.extend_from_slice(value.expose().as_bytes());
        plain
    }

    /// `None`: these bytes are not a token.
    pub fn decode(plain: &[u8]) -> Option<Self> {
        let (times, rest) = plain.split_first_chunk::<{ TIMES * size_of::<u64>() }>()?;
        let (times, _) = times.as_chunks();
        let [ttl, boottime, realtime] =
            [0, 1, 2].map(|index: usize| Duration::from_nanos(u64::from_be_bytes(times[index])));
        let (length, rest) = rest.split_first()?;
        let (boot_id, value) = rest.split_at_checked(usize::from(*length))?;
        let text = |bytes: &[u8]| str::from_utf8(bytes).ok().map(str::to_owned);
        let sent_at = Timestamp { boottime: Instant::from_origin(boottime), realtime };
        let value = Secret::new(text(value)?);
        let boot_id = text(boot_id)?;
        is_token(value.expose()).then_some(Self { token: Token { value, ttl, sent_at }, boot_id })
    }

    /// The token as if this process had requested it; `None`: it may be too old.
    ///
    /// Its age is best known from the store (`expires_at`), then from this machine's clock if this machine sent the
    /// request, then from the wall clock, which may be wrong by [`policy::CLOCK_SKEW_MAX`].
    pub fn into_token(self, expires_at: Option<Timestamp>, boot_id: Option<&str>, now: Timestamp) -> Option<Token> {
        let Token { ttl, sent_at, .. } = self.token;
        let sent_at = match expires_at {
            // Not later than now, even if the store's clock was set back since.
            Some(expires_at) => (expires_at - ttl).earliest(now),
            None if boot_id == Some(&self.boot_id) => sent_at,
            None => {
                let age_max = (now.realtime + policy::CLOCK_SKEW_MAX).checked_sub(sent_at.realtime)?;
                now - age_max
            }
        };
        Some(Token { sent_at, ..self.token })
    }
}

#[cfg(test)]
mod tests;
