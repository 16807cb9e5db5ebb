//! No store: waiting for other processes belongs to the simulation.

use std::time::Duration;

use crate::error::Error;
use crate::life::{Grant, Moment};
use crate::secret::Secret;
use crate::turn::Lease;

pub(crate) enum Store {}

#[allow(dead_code, reason = "there is no store that could hold one")]
pub(crate) enum StoredEntry {
    Empty,
    Token(Grant),
    Damaged(Error),
}

pub(crate) struct StoreSession<'s>(&'s Store);

impl Store {
    pub(crate) fn open_session(&self) -> Result<StoreSession<'_>, Error> {
        match *self {}
    }
}

impl StoreSession<'_> {
    pub(crate) fn read(&mut self) -> Result<StoredEntry, Error> {
        match *self.0 {}
    }

    pub(crate) fn acquire_lease(&mut self) -> Result<Lease, Error> {
        match *self.0 {}
    }

    pub(crate) fn write(&mut self, _: &Secret, _: Duration, _: Moment) -> Result<(), Error> {
        match *self.0 {}
    }

    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        match *self.0 {}
    }
}
