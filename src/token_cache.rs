//! The Rust API: the cache, and the token that it returns.

use std::fmt;
use std::mem::MaybeUninit;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bankhub_core::{Error, Secret, Stats, Status};

use crate::config::Config;
use crate::http::token_endpoint::TokenEndpoint;
use crate::runtime::cache::Cache;
use crate::runtime::clock;
use crate::runtime::published_token::{MaybeOwned, NO_OWNER, ReadToken, TokenCopy, TokenMemory};
use crate::store::Store;

/// The owner of a cache's published token until the cache is closed.
const OWNER: u64 = 1;

/// Keeps one valid access token. Share it between all threads, behind an `Arc` or in a `static`.
///
/// A forked child may use the caches of its parent. Dropping a cache closes it: see [`close`](Self::close).
pub struct TokenCache {
    cache: Arc<Cache>,
}

impl TokenCache {
    /// Makes a cache without a token. The first `get` sends the first request. Reads the platform's trusted roots,
    /// `ca_file` and the environment, once.
    ///
    /// # Errors
    /// `InvalidArgument`: the message names the field that is wrong.
    pub fn new(config: Config) -> Result<Self, Error> {
        let (endpoint, store) = (TokenEndpoint::new(&config)?, Store::new(&config)?);
        let cache = Cache::new(&config, endpoint, store, MaybeOwned::of(OWNER));
        Ok(Self { cache: Arc::new(cache) })
    }

    /// `Self::new(Config::from_env()?)`.
    ///
    /// # Errors
    /// Those of [`Config::from_env`] and [`new`](Self::new).
    pub fn from_env() -> Result<Self, Error> {
        Self::new(Config::from_env()?)
    }

    /// Returns a valid token: at once if there is one, otherwise after the one fetch that all callers wait for. If
    /// there is a store and the token is due, it first waits for the token of another process, for at most 100 ms.
    ///
    /// # Errors
    /// Every [`Status`]; `DeadlineExceeded` after the configured `get_timeout`.
    pub fn get(&self) -> Result<AccessToken, Error> {
        self.read().map_or_else(|| self.wait(None), Ok).map(AccessToken::new)
    }

    /// Like [`get`](Self::get), with a timeout of its own. Zero does not wait. A timeout ends the wait, not the fetch.
    ///
    /// # Errors
    /// Every [`Status`].
    pub fn get_within(&self, timeout: Duration) -> Result<AccessToken, Error> {
        self.read().map_or_else(|| self.wait(Some(timeout)), Ok).map(AccessToken::new)
    }

    /// The generation of the token that `get` would return at once. 0: there is none, or another process may be about
    /// to replace it. Never blocks. Starts a refresh if one is due.
    pub fn generation(&self) -> u64 {
        match self.published_generation() {
            Some((generation, false)) => generation,
            _ => self.checked_generation(),
        }
    }

    /// Reports that an API answered 401 to this token. The current token is replaced; any other text has no effect.
    /// Never blocks.
    ///
    /// # Errors
    /// `Closed`.
    pub fn invalidate(&self, rejected: &str) -> Result<(), Error> {
        self.open_cache()?.invalidate(rejected)
    }

    /// Counters and times for monitoring.
    ///
    /// # Errors
    /// `Closed`.
    pub fn stats(&self) -> Result<Stats, Error> {
        Ok(self.open_cache()?.stats())
    }

    /// Closes the cache: waiting callers get `Closed`, and so does every later call. The token is wiped.
    pub fn close(&self) {
        if self.open_cache().is_ok() {
            self.cache.published().set_owner(NO_OWNER);
            self.cache.close();
        }
    }

    /// Copies a valid token without a lock. `None`: `wait` for one.
    #[inline(always)]
    fn read(&self) -> Option<(String, ReadToken)> {
        let (value, read) = self.cache.published().read_to_string(OWNER, clock::coarse())?;
        if read.needs_check {
            self.refresh_if_due();
        }
        Some((value, read))
    }

    #[cold]
    fn wait(&self, timeout: Option<Duration>) -> Result<(String, ReadToken), Error> {
        let mut memory: TokenMemory = [MaybeUninit::uninit(); _];
        let mut copy = TokenCopy::new(&mut memory);
        let read = self.open_cache()?.get(timeout, &mut copy)?;
        let value = str::from_utf8(copy.text()).map(str::to_owned);
        copy.wipe();
        let value = value.map_err(|_| Error::new(Status::Internal, "the token is not text; please report this"))?;
        Ok((value, read))
    }

    #[inline(always)]
    fn published_generation(&self) -> Option<(u64, bool)> {
        self.cache.published().generation(OWNER, clock::coarse())
    }

    #[cold]
    fn checked_generation(&self) -> u64 {
        self.refresh_if_due();
        self.published_generation().map_or(0, |(generation, _)| generation)
    }

    #[cold]
    fn refresh_if_due(&self) {
        if let Ok(cache) = self.open_cache() {
            cache.refresh_if_due();
        }
    }

    /// The owner also tells a child that was forked after `close`, where the state of the cache is built anew.
    fn open_cache(&self) -> Result<&Arc<Cache>, Error> {
        match self.cache.published().is_owned_by(OWNER) {
            true => Ok(&self.cache),
            false => Err(Error::closed()),
        }
    }
}

// A panic of the caller leaves nothing half changed. The compiler cannot know that of the store's trait object.
impl UnwindSafe for TokenCache {}
impl RefUnwindSafe for TokenCache {}

impl Drop for TokenCache {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache").field("generation", &self.generation()).finish_non_exhaustive()
    }
}

/// One access token. Wiped when dropped; its Debug output does not show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    value: Secret,
    generation: u64,
    expires_at: SystemTime,
}

impl AccessToken {
    #[inline(always)]
    fn new((value, read): (String, ReadToken)) -> Self {
        let expires_at = UNIX_EPOCH + read.expires_at;
        Self { value: Secret::new(value), generation: read.generation, expires_at }
    }

    /// The text to send after `Authorization: Bearer `: 1 to 4,095 characters of visible ASCII (0x21 to 0x7E).
    pub fn value(&self) -> &str {
        self.value.expose()
    }

    /// Never 0. Larger for every new token of its cache.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The time when its request was sent, plus its ttl.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}
