//! The cache and the token as Rust programs hold them.

use std::fmt;
use std::mem::MaybeUninit;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::config::Config;
use crate::error::{Error, Status};
use crate::life::Stats;
use crate::runtime::published_token::{Buffer, TOKEN_CAPACITY};
use crate::secret::Secret;
use crate::table::Handle;

/// Keeps one valid access token; to be shared by all threads, behind an `Arc` or in a `static`.
///
/// A forked child may go on using it. Dropping it ends it: see [`close`](Self::close).
pub struct TokenCache {
    handle: Handle,
}

impl TokenCache {
    /// A cache without a token: the first request goes out when somebody asks for one. Reads the platform's trusted
    /// roots, `ca_file` and the environment, once.
    ///
    /// # Errors
    /// `InvalidArgument`: the message names the field that is wrong.
    pub fn new(config: Config) -> Result<Self, Error> {
        Ok(Self { handle: Handle::open(&config)? })
    }

    /// `Self::new(Config::from_env()?)`.
    ///
    /// # Errors
    /// As of [`Config::from_env`] and [`new`](Self::new).
    pub fn from_env() -> Result<Self, Error> {
        Self::new(Config::from_env()?)
    }

    /// A valid token: at once where there is one, else after the one fetch that all callers wait for.
    ///
    /// # Errors
    /// Every [`Status`]; `Deadline` after the configured `get_timeout`.
    pub fn get(&self) -> Result<AccessToken, Error> {
        self.copy_out(None)
    }

    /// [`get`](Self::get) with a timeout of its own; zero never waits. A timeout ends the wait, never the fetch.
    ///
    /// # Errors
    /// Every [`Status`].
    pub fn get_within(&self, timeout: Duration) -> Result<AccessToken, Error> {
        self.copy_out(Some(timeout))
    }

    /// The generation of the token that `get` would return at once, or 0. Never blocks; sets a due renewal going.
    pub fn generation(&self) -> u64 {
        self.handle.generation()
    }

    /// Reports that an API answered 401 to this token. If it is the current one it is replaced; any other text changes
    /// nothing. Never blocks.
    ///
    /// # Errors
    /// `Closed`.
    pub fn invalidate(&self, rejected: &str) -> Result<(), Error> {
        self.handle.invalidate(rejected)
    }

    /// What the cache has done and is doing.
    ///
    /// # Errors
    /// `Closed`.
    pub fn stats(&self) -> Result<Stats, Error> {
        self.handle.stats()
    }

    /// Ends the cache: waiting callers wake with `Closed`, which every later call answers too; its token is wiped.
    pub fn close(&self) {
        self.handle.close();
    }

    fn copy_out(&self, timeout: Option<Duration>) -> Result<AccessToken, Error> {
        let mut memory = [MaybeUninit::uninit(); TOKEN_CAPACITY / size_of::<u64>()];
        let mut buffer = Buffer::new(&mut memory);
        let reading = match self.handle.read(&mut buffer) {
            Some(reading) => reading,
            None => self.handle.wait(timeout, &mut buffer).inspect_err(|_| buffer.wipe())?,
        };
        let value = str::from_utf8(buffer.text()).map(str::to_owned);
        buffer.wipe();
        let value = value.map_err(|_| Error::new(Status::Internal, "the token is not text; please report this"))?;
        Ok(AccessToken {
            value: Secret::new(value),
            generation: reading.generation,
            expires_at: UNIX_EPOCH + reading.expires_at,
        })
    }
}

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
    /// The text that belongs after `Authorization: Bearer `.
    pub fn value(&self) -> &str {
        self.value.expose()
    }

    /// Never 0; grows with every new token of its cache.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The moment its request was sent, plus its ttl.
    pub fn expires_at(&self) -> SystemTime {
        self.expires_at
    }
}
