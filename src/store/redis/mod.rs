//! A Redis server: a key for the token, which expires with it, and one for the lease, which expires if its holder dies.

mod connection;
mod errors;
mod link;
mod route;
mod server;
mod socket;
mod url;

use std::sync::Arc;
use std::time::Duration;

use bankhub_core::{Error, Lease, Secret, Timestamp};
use redis::{Cmd, Value};

use super::sealed::{hexadecimal, random};
use super::{Backend, BackendSession, SealedEntry};
use crate::config::Config;
use crate::runtime::clock;
use connection::Connection;
use server::Servers;

const READ: &str = include_str!("read.lua");
const EXTEND_LEASE: &str = include_str!("extend_lease.lua");
const WRITE: &str = include_str!("write.lua");
const DELETE_IF_EQUAL: &str = include_str!("delete_if_equal.lua");

pub(super) struct RedisStore {
    servers: Arc<Servers>,
    token_key: String,
    lease_key: String,
}

struct RedisSession {
    store: Arc<RedisStore>,
    connection: Connection,
    /// Tells this fetch from all others.
    owner: String,
    found: Vec<u8>,
    lease: Option<HeldLease>,
}

/// When the lease was acquired, by the clocks here, and by Redis: milliseconds since 1970, at the earliest.
struct HeldLease {
    acquired_at: Timestamp,
    redis_ms: u64,
}

impl RedisStore {
    pub(super) fn new(url: &Secret, config: &Config, name: &str) -> Result<Self, Error> {
        // The braces keep both on one node of a cluster.
        let [token_key, lease_key] = ["token", "lease"].map(|end| format!("bankhub:{{{name}}}:{end}"));
        Ok(Self { servers: Arc::new(Servers::new(url, config)?), token_key, lease_key })
    }
}

impl Backend for RedisStore {
    fn open_session(self: Arc<Self>) -> Result<Box<dyn BackendSession>, Error> {
        let owner = hexadecimal(&random::<16>()?);
        let connection = Connection::new(&self.servers);
        Ok(Box::new(RedisSession { store: self, connection, owner, found: Vec::new(), lease: None }))
    }
}

impl RedisSession {
    fn unexpected_reply(&self) -> Error {
        self.connection.failed("sent an unexpected reply")
    }
}

impl BackendSession for RedisSession {
    fn read(&mut self) -> Result<Option<SealedEntry>, Error> {
        // Redis measures the time that is left after this, so the end that follows from it is never late.
        let now = clock::now();
        self.found.clear();
        let replies = self.connection.request(&[script(READ, &[&self.store.token_key])])?;
        let [Value::Array(parts)] = &replies[..] else { return Err(self.unexpected_reply()) };
        match &parts[..] {
            [Value::Nil, _] => Ok(None),
            [Value::BulkString(sealed), Value::Int(left)] => {
                self.found.clone_from(sealed);
                // Negative if somebody else has removed the expiry.
                let left = Duration::from_millis(u64::try_from(*left).unwrap_or_default());
                Ok(Some(SealedEntry { sealed: sealed.clone(), ends_at: Some(now + left) }))
            }
            _ => Err(self.unexpected_reply()),
        }
    }

    fn acquire_lease(&mut self, duration: Duration) -> Result<Lease, Error> {
        let key = &self.store.lease_key;
        let set = redis::cmd("SET").arg(key).arg(&self.owner).arg("NX").arg("PX").arg(millis(duration)).to_owned();
        let get = redis::cmd("GET").arg(key).to_owned();
        let replies = self.connection.request(&[set, get, redis::cmd("TIME")])?;
        let [_, owner, Value::Array(time)] = &replies[..] else { return Err(self.unexpected_reply()) };
        let numbers: Option<Vec<u64>> = time.iter().map(number).collect();
        let Some([seconds, micros]) = numbers.as_deref() else { return Err(self.unexpected_reply()) };
        match owner {
            Value::BulkString(owner) if *owner == self.owner.as_bytes() => {
                let redis_ms = seconds * 1_000 + micros / 1_000;
                self.lease = Some(HeldLease { acquired_at: clock::now(), redis_ms });
                Ok(Lease::Held)
            }
            Value::BulkString(owner) => Ok(Lease::HeldByOther(digest(owner))),
            // It expired between the two commands.
            Value::Nil => Ok(Lease::HeldByOther(0)),
            _ => Err(self.unexpected_reply()),
        }
    }

    fn extend_lease(&mut self, duration: Duration) -> Result<bool, Error> {
        if self.lease.is_none() {
            return Ok(false);
        }
        let mut extend = script(EXTEND_LEASE, &[&self.store.lease_key]);
        match self.connection.request(&[extend.arg(&self.owner).arg(millis(duration)).to_owned()])?[..] {
            [Value::Int(extended)] => Ok(extended == 1),
            _ => Err(self.unexpected_reply()),
        }
    }

    fn write(&mut self, sealed: &[u8], ends_at: Timestamp) -> Result<(), Error> {
        let Some(HeldLease { acquired_at, redis_ms }) = self.lease else { return Ok(()) };
        let ends_at = redis_ms + millis(ends_at.boottime.saturating_since(acquired_at.boottime));
        let mut write = script(WRITE, &[&self.store.token_key, &self.store.lease_key]);
        let write = write.arg(&self.owner).arg(sealed).arg(ends_at).arg(&self.found).to_owned();
        match self.connection.request(&[write])?[..] {
            [Value::Int(1)] => {
                self.lease = None;
                Ok(())
            }
            [Value::Int(0)] => {
                Err(self.connection.failed("has a newer token: the lease expired before the token was written"))
            }
            _ => Err(self.unexpected_reply()),
        }
    }

    fn remove(&mut self) -> Result<(), Error> {
        let mut delete = script(DELETE_IF_EQUAL, &[&self.store.token_key]);
        self.connection.request(&[delete.arg(&self.found).to_owned()]).map(drop)
    }

    fn release_lease(&mut self) {
        // If Redis has just not responded, nobody waits for it once more: the lease expires by itself.
        if self.lease.take().is_some() && !self.connection.has_given_up() {
            let mut delete = script(DELETE_IF_EQUAL, &[&self.store.lease_key]);
            // If this fails, the lease expires by itself.
            let _ = self.connection.request(&[delete.arg(&self.owner).to_owned()]);
        }
    }
}

fn script(text: &str, keys: &[&str]) -> Cmd {
    redis::cmd("EVAL").arg(text).arg(keys.len()).arg(keys).to_owned()
}

fn millis(time: Duration) -> u64 {
    time.as_millis() as u64
}

fn number(value: &Value) -> Option<u64> {
    let Value::BulkString(digits) = value else { return None };
    str::from_utf8(digits).ok()?.parse().ok()
}

/// Tells one owner from the next.
fn digest(owner: &[u8]) -> u64 {
    Secret::new(String::from_utf8_lossy(owner).into_owned()).digest()
}
