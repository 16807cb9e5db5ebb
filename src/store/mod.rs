//! Where processes that have the same credentials share a token: one of them fetches it, the others take it over.
//!
//! A store is asked on the fetch thread alone, before a request goes out, and never keeps one from going out for long.

#[cfg(unix)]
mod file;
mod redis;
mod sealed;

use std::time::Duration;

use zeroize::Zeroizing;

use crate::clock;
use crate::config::Config;
use crate::error::{Error, Status};
use crate::life::{Grant, Moment};
use crate::policy;
use crate::secret::Secret;
use sealed::Seal;

pub(crate) struct Store {
    seal: Seal,
    boot_id: Option<String>,
    /// For how long a lease holds whose holder does not end it.
    lease: Duration,
    place: Place,
}

enum Place {
    #[cfg(unix)]
    File(file::Folder),
    Redis(redis::Server),
}

/// What lies in the store.
pub(crate) enum Entry {
    Nothing,
    Token(Grant),
    /// Something that is no token of this client, and why.
    Damaged(Error),
}

/// Whose turn it is to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    Held,
    /// Somebody else, who is told from others by this.
    Others(u64),
}

/// One fetch's dealings with the store. When it goes, so does its lease.
pub(crate) struct Visit<'s> {
    store: &'s Store,
    shelf: Box<dyn Shelf + 's>,
}

/// What is asked of a kind of store. Each operation ends within `policy::STORE_OPERATION_MAX`.
trait Shelf {
    fn read(&mut self) -> Result<Option<Lying>, Error>;

    /// Asks for the lease, once.
    fn lease(&mut self, length: Duration) -> Result<Lease, Error>;

    /// Replaces what lies there, for who holds the lease. `end` is when the token is over.
    fn write(&mut self, sealed: &[u8], end: Moment) -> Result<(), Error>;

    /// Removes what `read` found last, unless there is something else by now; for who holds the lease.
    fn remove(&mut self) -> Result<(), Error>;

    fn end_lease(&mut self);
}

struct Lying {
    sealed: Vec<u8>,
    /// When it is over, where the store says so.
    end: Option<Moment>,
}

impl Store {
    /// The store that is configured, if one is. Reads no file, and no network.
    pub(crate) fn new(config: &Config) -> Result<Option<Self>, Error> {
        let Some(place) = &config.store else { return Ok(None) };
        let seal = Seal::new(config)?;
        let place = match place.expose().split_once(':') {
            #[cfg(unix)]
            Some(("file", path)) => Place::File(file::Folder::new(path, seal.name())?),
            Some(("redis" | "rediss", _)) => Place::Redis(redis::Server::new(place, config, seal.name())?),
            _ => return Err(wrong("is none of file:DIR, redis://… and rediss://…")),
        };
        Ok(Some(Self { seal, boot_id: clock::boot_id(), lease: policy::lease(config.request_timeout), place }))
    }

    pub(crate) fn visit(&self) -> Result<Visit<'_>, Error> {
        let shelf: Box<dyn Shelf> = match &self.place {
            #[cfg(unix)]
            Place::File(folder) => Box::new(folder.visit()?),
            Place::Redis(server) => Box::new(server.visit()?),
        };
        Ok(Visit { store: self, shelf })
    }
}

impl Visit<'_> {
    pub(crate) fn read(&mut self) -> Result<Entry, Error> {
        let now = clock::now();
        let Some(Lying { sealed, end }) = self.shelf.read()? else { return Ok(Entry::Nothing) };
        let token = self.store.seal.open(&sealed).and_then(|plain| Token::decode(&plain));
        let Some(token) = token else {
            return Ok(Entry::Damaged(failed("holds what this client did not put there, or what was damaged")));
        };
        Ok(token.into_grant(end, self.store.boot_id.as_deref(), now).map_or(Entry::Nothing, Entry::Token))
    }

    pub(crate) fn lease(&mut self) -> Result<Lease, Error> {
        self.shelf.lease(self.store.lease)
    }

    /// For who holds the lease.
    pub(crate) fn write(&mut self, value: &Secret, ttl: Duration, sent: Moment) -> Result<(), Error> {
        let boot_id = self.store.boot_id.as_deref().unwrap_or_default();
        let plain = encode(value, ttl, sent, boot_id);
        self.shelf.write(&self.store.seal.close(&plain)?, sent.after(ttl))
    }

    /// Removes what was read last; for who holds the lease.
    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        self.shelf.remove()
    }
}

impl Drop for Visit<'_> {
    fn drop(&mut self) {
        self.shelf.end_lease();
    }
}

/// A token as it lies in the store, sealed.
struct Token {
    value: Secret,
    ttl: Duration,
    sent: Moment,
    /// Empty: not known.
    boot_id: String,
}

/// `ttl`, `sent.boot`, `sent.wall` (nanoseconds, big-endian), the boot id after its length (a byte), the token.
fn encode(value: &Secret, ttl: Duration, sent: Moment, boot_id: &str) -> Zeroizing<Vec<u8>> {
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
    fn decode(plain: &[u8]) -> Option<Self> {
        let (times, rest) = plain.split_first_chunk::<{ 3 * size_of::<u64>() }>()?;
        let (times, _) = times.as_chunks();
        let [ttl, boot, wall] = [0, 1, 2].map(|index: usize| Duration::from_nanos(u64::from_be_bytes(times[index])));
        let (length, rest) = rest.split_first()?;
        let (boot_id, value) = rest.split_at_checked(usize::from(*length))?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).ok();
        Some(Self { value: Secret::new(text(value)?), ttl, sent: Moment { boot, wall }, boot_id: text(boot_id)? })
    }

    /// The token as if this process had fetched it, if it may live on. How long, the store says best (`end`), then this
    /// machine's clock if it is the one that sent for it, then the wall clock, which may be wrong by some minutes.
    fn into_grant(self, end: Option<Moment>, boot_id: Option<&str>, now: Moment) -> Option<Grant> {
        let sent = match end {
            // No later than now, even where the store's clock was set back meanwhile.
            Some(end) => end.before(self.ttl).earliest(now),
            None if boot_id == Some(&self.boot_id) => self.sent,
            None => {
                let age_at_most = (now.wall + policy::WALL_CLOCKS_APART_MAX).checked_sub(self.sent.wall)?;
                now.before(age_at_most)
            }
        };
        Some(Grant { value: self.value, ttl: self.ttl, sent })
    }
}

fn wrong(problem: &str) -> Error {
    Error::invalid("store", problem)
}

/// A store that cannot be used is no failure of a call: it is told in the statistics alone.
fn failed(problem: impl std::fmt::Display) -> Error {
    Error::new(Status::Unavailable, format!("the store {problem}; this process keeps its token to itself meanwhile"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(boot: u64, wall: u64) -> Moment {
        Moment { boot: Duration::from_secs(boot), wall: Duration::from_secs(wall) }
    }

    const TTL: Duration = Duration::from_secs(60_000);

    /// When a token counts as sent that was put into the store at 1,000 s of one clock and 5,000 s of the other.
    fn sent(end: Option<Moment>, boot_id: Option<&str>, now: Moment) -> Option<Moment> {
        let plain = encode(&Secret::new("token".to_owned()), TTL, seconds(1_000, 5_000), "this start");
        let token = Token::decode(&plain).expect("it was encoded");
        token.into_grant(end, boot_id, now).map(|grant| {
            assert_eq!((grant.value.expose(), grant.ttl), ("token", TTL));
            grant.sent
        })
    }

    #[test]
    fn a_token_of_this_start_of_the_machine_keeps_its_times() {
        assert_eq!(sent(None, Some("this start"), seconds(1_100, 9_999)), Some(seconds(1_000, 5_000)));
    }

    #[test]
    fn a_token_of_another_machine_counts_as_older_by_what_wall_clocks_may_be_apart() {
        for boot_id in [Some("another start"), None] {
            for (now, counts_as_sent) in [
                (seconds(90_000, 5_100), Some(seconds(89_600, 4_700))),
                (seconds(90_000, 4_700), Some(seconds(90_000, 4_700))),
                (seconds(90_000, 4_699), None),
            ] {
                assert_eq!(sent(None, boot_id, now), counts_as_sent, "{now:?}");
            }
        }
    }

    #[test]
    fn a_store_that_says_when_a_token_is_over_is_believed_but_never_beyond_its_ttl() {
        for (left, age) in [(60_000, 0), (59_000, 1_000), (70_000, 0)] {
            let now = seconds(90_000, 90_000);
            let end = now.after(Duration::from_secs(left));
            assert_eq!(sent(Some(end), Some("this start"), now), Some(now.before(Duration::from_secs(age))), "{left}");
        }
    }

    #[test]
    fn what_is_no_token_is_not_taken_for_one() {
        let plain = encode(&Secret::new("token".to_owned()), TTL, seconds(1_000, 5_000), "id");
        for length in 0..27 {
            assert!(Token::decode(&plain[..length]).is_none(), "{length} bytes");
        }
    }
}
