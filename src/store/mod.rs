//! Where processes with the same credentials share a token: one of them fetches it, the others take it from here.
//!
//! Only the fetch thread uses a store, before it sends a request, or when it may not send one. A store delays a request
//! by no more than the time that lease holders may take.

#[cfg(unix)]
mod file;
mod redis;
mod sealed;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bankhub_core::{Error, Instant, Lease, Status, StoredEntry, Timestamp, policy};

use crate::config::Config;
use crate::net::heartbeat::Heartbeat;
use crate::runtime::clock;
use sealed::Seal;

const SCHEMES: &str =
    "must begin with file:, redis://, rediss://, redis+sentinel://, rediss+sentinel:// or redis+unix:";

pub(crate) struct Store {
    seal: Seal,
    /// When the cache was made. The process may lose sight of it later, in a chroot.
    boot_id: Option<String>,
    backend: Arc<dyn Backend>,
}

/// One fetch's use of the store. Its end releases the lease.
pub(crate) struct StoreSession<'s> {
    store: &'s Store,
    boot_id: Option<String>,
    /// The heartbeat of a request uses it too, on the same thread.
    session: Arc<Mutex<Box<dyn BackendSession>>>,
    /// When the lease was acquired or extended, at the earliest.
    leased_at: Instant,
}

/// A kind of store: a directory, or a Redis server.
trait Backend: Send + Sync {
    fn open_session(self: Arc<Self>) -> Result<Box<dyn BackendSession>, Error>;
}

/// Each operation ends within `policy::STORE_OPERATION_MAX`.
trait BackendSession: Send {
    fn read(&mut self) -> Result<Option<SealedEntry>, Error>;

    /// A time before the entry that `read` returned last was written, by a wall clock here or of the store. For a store
    /// that does not know when the entry ends.
    fn written_after(&self) -> Option<Duration> {
        None
    }

    /// Tries once to acquire the lease.
    fn acquire_lease(&mut self, duration: Duration) -> Result<Lease, Error>;

    /// Has the lease last this long from now on. `false`: it is another one's, or may be. Only for a lease holder.
    fn extend_lease(&mut self, duration: Duration) -> Result<bool, Error>;

    /// Replaces the entry. Only for the lease holder.
    fn write(&mut self, sealed: &[u8], ends_at: Timestamp) -> Result<(), Error>;

    /// Removes the entry that `read` returned last, unless it was replaced. Only for the lease holder.
    fn remove(&mut self) -> Result<(), Error>;

    fn release_lease(&mut self);
}

struct SealedEntry {
    sealed: Vec<u8>,
    /// When the entry ends, if the backend knows.
    ends_at: Option<Timestamp>,
}

impl Store {
    /// The configured store, if there is one. Does not use it yet.
    pub(crate) fn new(config: &Config) -> Result<Option<Self>, Error> {
        let Some(url) = &config.store else { return Ok(None) };
        let seal = Seal::new(config)?;
        let (scheme, rest) = url.expose().split_once(':').ok_or_else(|| invalid(SCHEMES))?;
        let backend: Arc<dyn Backend> = match scheme.to_ascii_lowercase().as_str() {
            #[cfg(unix)]
            "file" => Arc::new(file::FileStore::new(rest, seal.name())?),
            "redis" | "rediss" | "redis+sentinel" | "rediss+sentinel" | "redis+unix" => {
                Arc::new(redis::RedisStore::new(url, config, seal.name())?)
            }
            _ => return Err(invalid(SCHEMES)),
        };
        Ok(Some(Self { seal, boot_id: clock::boot_id(), backend }))
    }

    pub(crate) fn open_session(&self) -> Result<StoreSession<'_>, Error> {
        let session = Arc::new(Mutex::new(Arc::clone(&self.backend).open_session()?));
        // A container that was restored since, perhaps on another machine, has another clock.
        let boot_id = clock::boot_id().or_else(|| self.boot_id.clone());
        Ok(StoreSession { store: self, boot_id, session, leased_at: Instant::default() })
    }
}

impl StoreSession<'_> {
    pub(crate) fn read(&mut self) -> Result<StoredEntry, Error> {
        let now = clock::now();
        let mut session = lock(&self.session);
        let Some(SealedEntry { sealed, ends_at }) = session.read()? else {
            return Ok(StoredEntry::default());
        };
        let plain = self.store.seal.open(&sealed);
        let boot_id = self.boot_id.as_deref();
        let entry = plain.and_then(|plain| StoredEntry::decode(&plain, ends_at, boot_id, now));
        let Some(mut entry) = entry else {
            let problem = "contains data that this client cannot read: it is damaged, or another program wrote it";
            return Ok(StoredEntry { problem: Some(failed(problem)), ..StoredEntry::default() });
        };
        if let Some(written_after) = session.written_after() {
            entry.check_age(written_after);
        }
        Ok(entry)
    }

    /// Tries once to acquire the lease.
    pub(crate) fn acquire_lease(&mut self) -> Result<Lease, Error> {
        self.leased_at = clock::now().boottime;
        lock(&self.session).acquire_lease(policy::LEASE_DURATION)
    }

    /// `false`: the lease has expired, and may be another one's. Only for the lease holder.
    pub(crate) fn extend_lease(&mut self) -> Result<bool, Error> {
        self.leased_at = clock::now().boottime;
        lock(&self.session).extend_lease(policy::LEASE_DURATION)
    }

    /// Extends the lease while its holder waits for the endpoint.
    pub(crate) fn heartbeat(&self) -> Heartbeat {
        let session = Arc::clone(&self.session);
        Heartbeat::new(self.leased_at, move |within| lock(&session).extend_lease(within))
    }

    /// Only for the lease holder.
    pub(crate) fn write(&mut self, entry: &StoredEntry) -> Result<(), Error> {
        let plain = entry.encode(self.boot_id.as_deref().unwrap_or_default());
        lock(&self.session).write(&self.store.seal.close(&plain)?, entry.ends_at())
    }

    /// Removes the entry that was read last. Only for the lease holder.
    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        lock(&self.session).remove()
    }
}

impl Drop for StoreSession<'_> {
    fn drop(&mut self) {
        lock(&self.session).release_lease();
    }
}

fn lock(session: &Mutex<Box<dyn BackendSession>>) -> MutexGuard<'_, Box<dyn BackendSession>> {
    session.lock().unwrap_or_else(PoisonError::into_inner)
}

fn invalid(problem: &str) -> Error {
    Error::invalid("store", problem)
}

/// A store that fails does not fail a call. Only the statistics report it.
fn failed(problem: impl std::fmt::Display) -> Error {
    Error::new(Status::Unavailable, format!("the store {problem}; the token is not shared with other processes"))
}
