//! The servers of a store: opens connections to them by a deadline, and remembers which one was the right one last.

use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};

use bankhub_core::{Error, Instant, Secret};

use super::url::{Address, Login, StoreUrl, Topology};
use crate::config::Config;
use crate::net::connect::{connect, look_up};
use crate::net::tls::{NO_CLIENT_CERTIFICATE, Tls, TlsProblem, server_name};
use crate::net::{Stream, time_left};
use crate::runtime::{fork::PerProcess, thread};
use crate::store::{failed, invalid};

pub(super) struct Servers {
    pub(super) topology: Topology,
    pub(super) login: Login,
    tls: Option<Tls>,
    /// The server, or the Sentinel, that an operation succeeded with last: the next one begins there.
    last_good: PerProcess<Mutex<Option<Address>>>,
    /// The hosts whose name lookup is running.
    lookups: PerProcess<Arc<Mutex<Vec<String>>>>,
}

impl Servers {
    pub(super) fn new(url: &Secret, config: &Config) -> Result<Self, Error> {
        let StoreUrl { topology, login, is_tls } = StoreUrl::parse(url.expose())?;
        let tls = if is_tls { Some(Tls::new(config)?) } else { None };
        let (Topology::Servers(hosts) | Topology::Sentinels { sentinels: hosts, .. }) = &topology;
        let has_name = |address: &Address| !matches!(address, Address::Tcp(host, _) if server_name(host).is_none());
        if is_tls && !hosts.iter().all(has_name) {
            return Err(invalid("has a host name that TLS cannot verify"));
        }
        Ok(Self { topology, login, tls, last_good: PerProcess::new(), lookups: PerProcess::new() })
    }

    pub(super) fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The stream has the same deadline.
    pub(super) fn open(&self, address: &Address, deadline: Instant) -> Result<Box<dyn Stream>, Unreachable> {
        let (host, port) = match address {
            Address::Tcp(host, port) => (host, *port),
            Address::Socket(path) => return Ok(Box::new(super::socket::connect(path, deadline)?)),
        };
        let stream = connect(&self.resolve(host, port, deadline)?, deadline)?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let name = server_name(host).ok_or_else(|| io::Error::other("TLS cannot verify this host name"))?;
        match tls.handshake(&name, stream) {
            Ok(stream) => Ok(Box::new(stream)),
            Err(error) => Err(Unreachable { is_in_handshake: true, error }),
        }
    }

    pub(super) fn last_good(&self) -> Option<Address> {
        self.lock_last_good().clone()
    }

    pub(super) fn set_last_good(&self, address: &Address) {
        *self.lock_last_good() = Some(address.clone());
    }

    fn lock_last_good(&self) -> MutexGuard<'_, Option<Address>> {
        lock(self.last_good.get_or_init(Mutex::default))
    }

    /// A name lookup cannot be interrupted: one that takes too long continues in the background, on its own thread.
    fn resolve(&self, host: &str, port: u16, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return Ok(vec![(address, port).into()]);
        }
        let running = Arc::clone(self.lookups.get_or_init(Arc::default));
        let host = host.to_owned();
        {
            let mut running = lock(&running);
            if running.contains(&host) {
                return Err(ErrorKind::TimedOut.into()); // the last lookup is still running
            }
            running.push(host.clone());
        }
        let (sender, receiver) = mpsc::channel();
        let lookup = {
            let (host, running) = (host.clone(), Arc::clone(&running));
            move || {
                let found = look_up(&host, port);
                lock(&running).retain(|other| *other != host);
                let _ = sender.send(found);
            }
        };
        thread::start(lookup).inspect_err(|_| lock(&running).retain(|other| *other != host))?;
        receiver.recv_timeout(time_left(deadline)?).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }
}

/// Why no connection could be opened.
pub(super) struct Unreachable {
    pub(super) is_in_handshake: bool,
    pub(super) error: io::Error,
}

impl From<io::Error> for Unreachable {
    fn from(error: io::Error) -> Self {
        Self { is_in_handshake: false, error }
    }
}

impl Unreachable {
    pub(super) fn is_late(&self) -> bool {
        self.error.kind() == ErrorKind::TimedOut
    }

    /// `place`: as "on Redis at localhost:6379".
    pub(super) fn in_words(&self, place: &str) -> Error {
        match self.error.get_ref() {
            Some(problem) if problem.is::<TlsProblem>() => {
                let problem = problem.to_string();
                let remedy =
                    if problem.ends_with(NO_CLIENT_CERTIFICATE) { "; set tls-auth-clients to no there" } else { "" };
                failed(format!("{place} {problem}{remedy}"))
            }
            _ if self.is_late() && self.is_in_handshake => failed(format!(
                "{place} did not respond to the TLS handshake in time; if it has no TLS on this port, write redis \
                 instead of rediss"
            )),
            _ if self.is_late() => failed(format!("{place} did not respond in time")),
            _ => failed(format!("{place} could not be reached: {}", self.error)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
