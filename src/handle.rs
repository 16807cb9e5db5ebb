//! What can be done with a handle. One whose cache was closed, or that never was one, is answered with `Closed`.

use std::panic::catch_unwind;
use std::sync::Arc;
use std::time::Duration;

use crate::config::Config;
use crate::error::{Error, Status};
use crate::http::token_endpoint::TokenEndpoint;
use crate::life::Stats;
use crate::runtime::cache::Cache;
use crate::runtime::clock;
use crate::runtime::fork::held_by_forks;
use crate::runtime::published_token::{Buffer, Reading};
use crate::store::Store;
use crate::table::{Handle, Table};

static CACHES: Table<Cache> = Table::new();

held_by_forks!(CACHES.rooms);

impl Handle {
    pub(crate) fn open(config: &Config) -> Result<Self, Error> {
        let endpoint = TokenEndpoint::new(config)?;
        let store = Store::new(config)?;
        let handle = CACHES.insert(|slot| {
            endpoint.warm_up(); // here, where no fork comes in between
            Cache::new(config, endpoint, store, slot)
        });
        handle.ok_or_else(|| Error::new(Status::Internal, "too many token caches are open: free some"))
    }

    /// Copies a token that is good, without a lock. `None`: `wait` for one.
    #[inline(always)]
    pub(crate) fn read(self, buffer: &mut Buffer<'_>) -> Option<Reading> {
        let reading = CACHES.slot(self)?.read(self.owner(), clock::coarse(), buffer)?;
        if reading.attention {
            self.look_in();
        }
        Some(reading)
    }

    /// A token from the cache, in turn with every other caller, within `timeout` or else as configured.
    #[cold]
    pub(crate) fn wait(self, timeout: Option<Duration>, buffer: &mut Buffer<'_>) -> Result<Reading, Error> {
        self.cache()?.get(timeout, buffer)
    }

    /// Of the token that `get` would return at once, or 0.
    #[inline]
    pub(crate) fn generation(self) -> u64 {
        match self.peek() {
            Some((generation, false)) => generation,
            _ => self.generation_after_a_look(),
        }
    }

    pub(crate) fn invalidate(self, token: &str) -> Result<(), Error> {
        self.cache()?.invalidate(token)
    }

    pub(crate) fn stats(self) -> Result<Stats, Error> {
        Ok(self.cache()?.stats())
    }

    pub(crate) fn close(self) {
        CACHES.remove(self, Cache::close);
    }

    #[inline(always)]
    fn peek(self) -> Option<(u64, bool)> {
        CACHES.slot(self)?.peek(self.owner(), clock::coarse())
    }

    #[cold]
    fn generation_after_a_look(self) -> u64 {
        self.look_in();
        self.peek().map_or(0, |(generation, _)| generation)
    }

    /// A caller has a token, and is none the worse for a renewal that cannot begin: not even for a panic in there.
    #[cold]
    fn look_in(self) {
        let _ = catch_unwind(|| self.cache().map(|cache| cache.look_in()));
    }

    fn cache(self) -> Result<Arc<Cache>, Error> {
        CACHES.find(self).ok_or_else(Error::closed)
    }
}
