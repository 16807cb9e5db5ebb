//! The operations on a handle. A handle whose cache was closed, or that never was one, gets `Closed`.

use std::sync::Arc;
use std::time::Duration;

pub(super) use super::handle_table::Handle;
use super::handle_table::HandleTable;
use crate::http::token_endpoint::TokenEndpoint;
use crate::runtime::cache::Cache;
use crate::runtime::clock;
use crate::runtime::fork::held_by_forks;
use crate::runtime::published_token::{ReadToken, TokenCopy};
use crate::store::Store;
use crate::{Config, Error, Stats, Status};

static CACHES: HandleTable<Cache> = HandleTable::new();

held_by_forks!(CACHES.entries);

impl Handle {
    pub(super) fn open(config: &Config) -> Result<Self, Error> {
        let endpoint = TokenEndpoint::new(config)?;
        let store = Store::new(config)?;
        let handle = CACHES.insert(|published| Cache::new(config, endpoint, store, published.into()));
        handle.ok_or_else(|| Error::new(Status::Internal, "too many token caches are open; free some"))
    }

    /// Copies a valid token without a lock. `None`: `wait` for one.
    #[inline(always)]
    pub(super) fn read(self, copy: &mut TokenCopy<'_>) -> Option<ReadToken> {
        let read = CACHES.published(self)?.read(self.owner(), clock::coarse(), copy)?;
        if read.needs_check {
            self.refresh_if_due();
        }
        Some(read)
    }

    /// Waits for a token, at most `timeout` or else as configured.
    #[cold]
    pub(super) fn wait(self, timeout: Option<Duration>, copy: &mut TokenCopy<'_>) -> Result<ReadToken, Error> {
        self.cache()?.get(timeout, copy)
    }

    /// The generation of the token that `read` would copy, or 0.
    #[inline]
    pub(super) fn generation(self) -> u64 {
        match self.published_generation() {
            Some((generation, false)) => generation,
            _ => self.checked_generation(),
        }
    }

    pub(super) fn invalidate(self, token: &str) -> Result<(), Error> {
        self.cache()?.invalidate(token)
    }

    pub(super) fn stats(self) -> Result<Stats, Error> {
        Ok(self.cache()?.stats())
    }

    pub(super) fn close(self) {
        CACHES.remove(self, Cache::close);
    }

    #[inline(always)]
    fn published_generation(self) -> Option<(u64, bool)> {
        CACHES.published(self)?.generation(self.owner(), clock::coarse())
    }

    #[cold]
    fn checked_generation(self) -> u64 {
        self.refresh_if_due();
        self.published_generation().map_or(0, |(generation, _)| generation)
    }

    #[cold]
    fn refresh_if_due(self) {
        if let Ok(cache) = self.cache() {
            cache.refresh_if_due();
        }
    }

    fn cache(self) -> Result<Arc<Cache>, Error> {
        CACHES.find(self).ok_or_else(Error::closed)
    }
}
