//! The content of a store, which processes share: a token, and how the endpoint refused the last request. Its bytes,
//! before they are sealed, and what another process may make of its times.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use zeroize::Zeroizing;

use crate::error::{Error, Status};
use crate::policy;
use crate::secret::Secret;
use crate::time::{Instant, Timestamp};
use crate::token::{Token, is_token};

/// The content of a store.
#[derive(Clone, Debug, Default, Hash)]
pub struct StoredEntry {
    /// The newest token.
    pub token: Option<Token>,
    /// How much older than its wall clock says the token was made when it was read. Written again, it is not.
    pub token_aged_by: Duration,
    /// The failure of the last request, if it was sent after the token's.
    pub failure: Option<SharedFailure>,
    /// Why something that is there is not used.
    pub problem: Option<Error>,
}

/// A failure that the endpoint itself answered. It concerns all processes with the same credentials.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SharedFailure {
    /// The error that callers get.
    pub error: Error,
    /// Fetches that failed one after the other, in all processes.
    pub failures: u32,
    /// When the next request may be sent: as soon as either clock says so.
    pub next_attempt_at: Timestamp,
}

/// The statuses that are shared. In an entry, each is the number of its place here.
const STATUSES: [Status; 4] = [Status::Unauthenticated, Status::RateLimited, Status::Unavailable, Status::BadResponse];

impl SharedFailure {
    /// Whether it still counts as one of several in a row. A directory keeps it for longer, and so does a token.
    pub(crate) fn is_remembered(&self, now: Timestamp) -> bool {
        let until = self.next_attempt_at + policy::SHARED_FAILURE_REMEMBERED;
        now.boottime < until.boottime && now.realtime < until.realtime
    }
}

impl StoredEntry {
    /// When nothing in it is of use any more.
    pub fn ends_at(&self) -> Timestamp {
        let token = self.token.as_ref().map(Token::expires_at);
        let failure = self.failure.as_ref().map(|it| it.next_attempt_at + policy::SHARED_FAILURE_REMEMBERED);
        match (token, failure) {
            (Some(token), Some(failure)) if token.boottime > failure.boottime => token,
            (token, failure) => failure.or(token).unwrap_or_default(),
        }
    }

    /// Big-endian. Each text follows its length in two bytes, each time is in nanoseconds, and a part that is absent is
    /// one byte, 0:
    /// the boottime of its end; the boot id; 1, ttl, boottime and realtime of `sent_at`, the token; 1, boottime and
    /// realtime of `next_attempt_at`, failures, the status, the HTTP status or 0, the message.
    pub fn encode(&self, boot_id: &str) -> Zeroizing<Vec<u8>> {
        let Self { token, token_aged_by, failure, .. } = self;
        let texts = [
            boot_id,
            token.as_ref().map_or("", |token| token.value.expose()),
            failure.as_ref().map_or("", |failure| failure.error.message()),
        ];
        // It never grows, so no copy of the token is left behind.
        let length = NUMBERS_BYTES_MAX + texts.iter().map(|text| text.len()).sum::<usize>();
        let mut plain = Zeroizing::new(Vec::with_capacity(length));
        put_time(&mut plain, self.ends_at().boottime.since_origin());
        put_text(&mut plain, boot_id);
        plain.push(token.is_some().into());
        if let Some(Token { value, ttl, sent_at }) = token {
            put_time(&mut plain, *ttl);
            let realtime = sent_at.realtime.saturating_add(*token_aged_by);
            put_timestamp(&mut plain, Timestamp { realtime, ..*sent_at });
            put_text(&mut plain, value.expose());
        }
        plain.push(failure.is_some().into());
        if let Some(SharedFailure { error, failures, next_attempt_at }) = failure {
            put_timestamp(&mut plain, *next_attempt_at);
            plain.extend_from_slice(&failures.to_be_bytes());
            plain.push(STATUSES.iter().position(|status| *status == error.status()).unwrap_or_default() as u8);
            plain.extend_from_slice(&error.http_status().unwrap_or_default().to_be_bytes());
            put_text(&mut plain, error.message());
        }
        plain
    }

    /// The entry as if this process had written it; `None`: these bytes are not an entry.
    ///
    /// The times in it are best known from the store (`ends_at`), then from this machine's clock if this machine wrote
    /// it, then from the wall clock, which may be wrong by [`policy::CLOCK_SKEW_MAX`].
    pub fn decode(plain: &[u8], ends_at: Option<Timestamp>, boot_id: Option<&str>, now: Timestamp) -> Option<Self> {
        let mut reader = Reader(plain);
        let written_end = Instant::from_origin(reader.time()?);
        let its_boot_id = reader.text()?;
        let here = |written: Timestamp| match ends_at {
            Some(ends_at) => ends_at - written_end.saturating_since(written.boottime),
            None if boot_id == Some(its_boot_id) => written,
            None => {
                let (theirs, ours) = (written.realtime, now.realtime + policy::CLOCK_SKEW_MAX);
                now + theirs.saturating_sub(ours) - ours.saturating_sub(theirs)
            }
        };
        let is_other_clock = ends_at.is_none() && boot_id != Some(its_boot_id);
        let mut entry = Self::default();
        if reader.is_present()? {
            let (ttl, sent_at) = (reader.time()?, here(reader.timestamp()?));
            let value = reader.text().filter(|text| is_token(text))?;
            if is_other_clock && sent_at.realtime > now.realtime {
                entry.problem = Some(Error::new(Status::Unavailable, CLOCK_AHEAD));
            } else {
                // Not later than now, even if the store's clock was set back since.
                let sent_at = sent_at.earliest(now);
                entry.token = Some(Token { value: Secret::new(value.to_owned()), ttl, sent_at });
                entry.token_aged_by = if is_other_clock { policy::CLOCK_SKEW_MAX } else { Duration::ZERO };
            }
        }
        if reader.is_present()? {
            let next_attempt_at = here(reader.timestamp()?);
            let failures = u32::from_be_bytes(reader.bytes()?);
            let [status] = reader.bytes()?;
            let http_status = u16::from_be_bytes(reader.bytes()?);
            let error = Error::new(*STATUSES.get(usize::from(status))?, String::from(reader.text()?));
            let error = if http_status == 0 { error } else { error.with_http_status(http_status) };
            // A clock that is further ahead would forbid requests for as long as it is ahead.
            let is_possible = next_attempt_at.realtime <= now.realtime + policy::RETRY_AFTER_MAX;
            let failure = SharedFailure { error, failures, next_attempt_at };
            entry.failure = Some(failure).filter(|_| !is_other_clock || is_possible);
        }
        reader.0.is_empty().then_some(entry)
    }

    /// Reports a token that counts as older than it can be. It was written after `written_after`, by a wall clock that
    /// is not that of the machine that fetched it.
    pub fn check_age(&mut self, written_after: Duration) {
        // The age has one skew added already. An entry with a failure may have been written long after its token.
        let oldest = written_after.saturating_sub(policy::CLOCK_SKEW_MAX * 2);
        if self.failure.is_none() && self.token.as_ref().is_some_and(|token| token.sent_at.realtime < oldest) {
            self.problem = Some(Error::new(Status::Unavailable, CLOCK_BEHIND));
        }
    }
}

const CLOCK_BEHIND: &str = "the store contains a token of a machine whose clock is behind by more than 5 minutes; \
                            the token counts as too old: set the clocks of the machines that share the store";
const CLOCK_AHEAD: &str = "the store contains a token of a machine whose clock is ahead by more than 5 minutes; \
                            the token is not used: set the clocks of the machines that share the store";

/// More than all but the texts take.
const NUMBERS_BYTES_MAX: usize = 96;

fn put_time(plain: &mut Vec<u8>, time: Duration) {
    plain.extend_from_slice(&(time.as_nanos() as u64).to_be_bytes());
}

fn put_timestamp(plain: &mut Vec<u8>, Timestamp { boottime, realtime }: Timestamp) {
    put_time(plain, boottime.since_origin());
    put_time(plain, realtime);
}

fn put_text(plain: &mut Vec<u8>, text: &str) {
    plain.extend_from_slice(&(text.len() as u16).to_be_bytes());
    plain.extend_from_slice(text.as_bytes());
}

/// The bytes that are left.
struct Reader<'p>(&'p [u8]);

impl<'p> Reader<'p> {
    fn bytes<const COUNT: usize>(&mut self) -> Option<[u8; COUNT]> {
        let (bytes, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*bytes)
    }

    fn is_present(&mut self) -> Option<bool> {
        self.bytes().map(|[present]| present != 0)
    }

    fn time(&mut self) -> Option<Duration> {
        self.bytes().map(|bytes| Duration::from_nanos(u64::from_be_bytes(bytes)))
    }

    fn timestamp(&mut self) -> Option<Timestamp> {
        Some(Timestamp { boottime: Instant::from_origin(self.time()?), realtime: self.time()? })
    }

    fn text(&mut self) -> Option<&'p str> {
        let length = u16::from_be_bytes(self.bytes()?);
        let (text, rest) = self.0.split_at_checked(usize::from(length))?;
        self.0 = rest;
        str::from_utf8(text).ok()
    }
}

#[cfg(test)]
mod tests;
