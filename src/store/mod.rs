//! Where processes that have the same credentials share a token: one of them fetches it, the others take it over.
//!
//! A store is asked on the fetch thread alone, before a request goes out or where none may, and keeps none from going
//! out for longer than the turns of others take.

#[cfg(unix)]
mod file;
mod redis;
mod sealed;
mod stored_token;

use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, Status};
use crate::life::{Grant, Moment};
use crate::policy;
use crate::runtime::clock;
use crate::secret::Secret;
use crate::turn::Lease;
use sealed::Seal;
use stored_token::Token;

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
    /// The store that is configured, if one is. Asks nothing of it yet.
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
        let plain = stored_token::encode(value, ttl, sent, boot_id);
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

fn wrong(problem: &str) -> Error {
    Error::invalid("store", problem)
}

/// A store that cannot be used is no failure of a call: it is told in the statistics alone.
fn failed(problem: impl std::fmt::Display) -> Error {
    Error::new(Status::Unavailable, format!("the store {problem}; this process keeps its token to itself meanwhile"))
}
