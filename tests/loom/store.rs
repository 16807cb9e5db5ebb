//! No store: what is waited for there is other processes.

use std::time::Duration;

use crate::error::Error;
use crate::life::{Grant, Moment};
use crate::secret::Secret;
use crate::turn::Lease;

pub(crate) enum Store {}

#[allow(dead_code, reason = "there is no store that could hold one")]
pub(crate) enum Entry {
    Nothing,
    Token(Grant),
    Damaged(Error),
}

pub(crate) struct Visit<'s>(&'s Store);

impl Store {
    pub(crate) fn visit(&self) -> Result<Visit<'_>, Error> {
        match *self {}
    }
}

impl Visit<'_> {
    pub(crate) fn read(&mut self) -> Result<Entry, Error> {
        match *self.0 {}
    }

    pub(crate) fn lease(&mut self) -> Result<Lease, Error> {
        match *self.0 {}
    }

    pub(crate) fn write(&mut self, _: &Secret, _: Duration, _: Moment) -> Result<(), Error> {
        match *self.0 {}
    }

    pub(crate) fn remove(&mut self) -> Result<(), Error> {
        match *self.0 {}
    }
}
