//! A token as a store holds it, before it is sealed, and how long another process may use it.

use std::time::Duration;

use zeroize::Zeroizing;

use crate::life::{Grant, Moment};
use crate::policy;
use crate::secret::Secret;

pub(super) struct Token {
    value: Secret,
    ttl: Duration,
    sent: Moment,
    /// Empty: not known.
    boot_id: String,
}

/// `ttl`, `sent.boot`, `sent.wall` (nanoseconds, big-endian), the boot id after its length (a byte), the token.
pub(super) fn encode(value: &Secret, ttl: Duration, sent: Moment, boot_id: &str) -> Zeroizing<Vec<u8>> {
    let mut plain = Zeroizing::new(Vec::with_capacity(3 * size_of::<u64>() + 1 + boot_id.len() + value.expose().len()));
    for time in [ttl, sent.boot, sent.wall] {
        plain.extend_from_slice(&(time.as_nanos() as u64).to_be_bytes());
    }
    plain.push(boot_id.len() as u8);
    plain.extend_from_slice(boot_id.as_bytes());
    plain.extend_from_slice(value.expose().as_bytes());
    plain
}

impl Token {
    pub(super) fn decode(plain: &[u8]) -> Option<Self> {
        let (times, rest) = plain.split_first_chunk::<{ 3 * size_of::<u64>() }>()?;
        let (times, _) = times.as_chunks();
        let [ttl, boot, wall] = [0, 1, 2].map(|index: usize| Duration::from_nanos(u64::from_be_bytes(times[index])));
        let (length, rest) = rest.split_first()?;
        let (boot_id, value) = rest.split_at_checked(usize::from(*length))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self { value: Secret::new(text(value)?), ttl, sent: Moment { boot, wall }, boot_id: text(boot_id)? })
    }

    /// The token as if this process had fetched it, if it is still valid. Its end is known best by the store
    /// (`expires_at`); then by this machine's clock, if this machine fetched the token since its start; then by the
    /// wall clock, which may be wrong by some minutes.
    pub(super) fn into_grant(self, expires_at: Option<Moment>, boot_id: Option<&str>, now: Moment) -> Option<Grant> {
        let sent = match expires_at {
            // Not in the future, even if the store's clock was set back.
            Some(expires_at) => expires_at.before(self.ttl).earliest(now),
            None if boot_id == Some(&self.boot_id) => self.sent,
            None => {
                let age_at_most = (now.wall + policy::WALL_CLOCKS_APART_MAX).checked_sub(self.sent.wall)?;
                now.before(age_at_most)
            }
        };
        Some(Grant { value: self.value, ttl: self.ttl, sent })
    }
}

#[cfg(test)]
#[path = "stored_token/tests.rs"] // also where a simulation includes this file by its path
mod tests;
