//! A connection to a Redis server: connect, handshake, and pipelines of commands whose replies arrive in bounded time.
//!
//! The `redis` crate speaks the protocol. Its own connections are not used: each reads the environment and the
//! platform's roots again, and limits the time of one read, but not the time of a whole reply.

use std::io::{self, ErrorKind, Read};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::mpsc;

use bankhub_core::{Error, Instant, Secret, policy};
use redis::{Cmd, ConnectionAddr, IntoConnectionInfo, Parser, RedisConnectionInfo, Value};
use rustls::pki_types::ServerName;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::net::connect::{connect, look_up};
use crate::net::tls::{Tls, TlsProblem, server_name};
use crate::net::{Stream, time_left};
use crate::runtime::{clock, fork, thread};
use crate::store::{failed, invalid};

/// More than any expected reply has.
const REPLY_BYTES_MAX: u64 = 64 * 1024;

const NOT_A_URL: &str = "is not a Redis URL; expected redis://[[user]:password@]host[:port][/database], or rediss://…";

/// Where a Redis server is, and how to log in.
pub(super) struct Server {
    host: String,
    port: u16,
    /// One more than the fork depth of the process in which a name lookup is running, or 0.
    resolving: Arc<AtomicU64>,
    login: RedisConnectionInfo,
    tls: Option<(Tls, ServerName<'static>)>,
}

pub(super) struct Connection {
    server: Arc<Server>,
    stream: Box<dyn Stream>,
    /// Holds the bytes that have arrived of the next replies.
    parser: Parser,
    /// The server or a proxy has closed it. A new one may work.
    is_closed: bool,
    /// A reply was late, or the server could not be reached again. The lease is left to expire.
    has_given_up: bool,
}

impl Server {
    pub(super) fn new(url: &Secret, config: &Config) -> Result<Self, Error> {
        let url = url.expose();
        if url.contains(['?', '#']) {
            return Err(invalid("contains '?' or '#'; write %3F and %23 in a password"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| invalid(NOT_A_URL))?;
        // Without its own TLS the crate knows only one of the two schemes.
        let info = format!("redis://{rest}").into_connection_info().map_err(|_| invalid(NOT_A_URL))?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else { return Err(invalid(NOT_A_URL)) };
        if port == 0 {
            return Err(invalid("has a port that is not a number from 1 to 65535"));
        }
        let tls = match scheme {
            "rediss" => {
                let name = server_name(&host).ok_or_else(|| invalid("has a host name that TLS cannot verify"))?;
                Some((Tls::new(config)?, name))
            }
            _ => None,
        };
        Ok(Self { host, port, resolving: Arc::default(), login: info.redis_settings().clone(), tls })
    }

    pub(super) fn connect(self: &Arc<Self>) -> Result<Connection, Error> {
        let stream = self.open_stream(operation_deadline()).map_err(|error| self.unreachable(&error))?;
        let parser = Parser::new();
        let server = Arc::clone(self);
        let mut connection = Connection { server, stream, parser, is_closed: false, has_given_up: false };
        connection.pipeline(&self.handshake())?;
        Ok(connection)
    }

    pub(super) fn failed(&self, problem: impl std::fmt::Display) -> Error {
        failed(format!("on Redis at {}:{} {problem}", self.host, self.port))
    }

    pub(super) fn unexpected_reply(&self) -> Error {
        self.failed("sent an unexpected reply")
    }

    fn handshake(&self) -> Vec<Cmd> {
        let mut handshake = Vec::new();
        if let Some(password) = self.login.password() {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = self.login.username() {
                auth.arg(user);
            }
            handshake.push(auth.arg(password).to_owned());
        }
        if self.login.db() != 0 {
            handshake.push(redis::cmd("SELECT").arg(self.login.db()).to_owned());
        }
        handshake
    }

    /// The stream has the same deadline.
    fn open_stream(&self, deadline: Instant) -> io::Result<Box<dyn Stream>> {
        let stream = connect(&self.resolve(deadline)?, deadline)?;
        Ok(match &self.tls {
            None => Box::new(stream),
            Some((tls, name)) => Box::new(tls.handshake(name, stream)?),
        })
    }

    /// A name lookup cannot be interrupted: one that takes too long continues in the background, on its own thread.
    fn resolve(&self, deadline: Instant) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![(address, self.port).into()]);
        }
        let here = fork::fork_depth() + 1;
        if self.resolving.swap(here, Acquire) == here {
            return Err(ErrorKind::TimedOut.into()); // the last lookup is still running
        }
        let (sender, receiver) = mpsc::channel();
        let (host, port, resolving) = (self.host.clone(), self.port, Arc::clone(&self.resolving));
        let lookup = move || {
            let found = look_up(&host, port);
            resolving.store(0, Release);
            let _ = sender.send(found);
        };
        thread::start(lookup).inspect_err(|_| self.resolving.store(0, Release))?;
        receiver.recv_timeout(time_left(deadline)?).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    fn unreachable(&self, error: &io::Error) -> Error {
        match error.get_ref() {
            Some(within) if within.is::<TlsProblem>() => self.failed(within),
            _ if is_late(error) => self.failed("did not respond in time"),
            _ => self.failed(format!("could not be reached: {error}")),
        }
    }
}

impl Connection {
    /// Sends commands and returns their replies. Connects again first if the server or a proxy has closed the
    /// connection while this process waited for the lease, or for the endpoint.
    pub(super) fn request(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        let deadline = operation_deadline();
        if !self.is_closed {
            self.stream.set_deadline(deadline);
            let replies = self.pipeline(commands);
            if !self.is_closed {
                return replies;
            }
        }
        self.stream = self.server.open_stream(deadline).map_err(|error| {
            self.has_given_up = true;
            self.server.unreachable(&error)
        })?;
        (self.parser, self.is_closed) = (Parser::new(), false);
        self.pipeline(&self.server.handshake())?;
        self.pipeline(commands)
    }

    pub(super) fn has_given_up(&self) -> bool {
        self.has_given_up
    }

    /// Sends all commands at once, then reads a reply to each.
    fn pipeline(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        let mut packed = Zeroizing::new(Vec::new());
        for command in commands {
            command.write_packed_command(&mut packed);
        }
        let stream = &mut self.stream;
        if let Err(error) = stream.write_all(&packed).and_then(|()| stream.flush()) {
            self.note_loss(is_late(&error));
            return Err(self.server.unreachable(&error));
        }
        commands.iter().map(|_| self.reply()).collect()
    }

    /// No message repeats a reply's own text, which may echo what was sent; only its first word, the kind of error.
    fn reply(&mut self) -> Result<Value, Error> {
        let reply = self.parser.parse_value((&mut self.stream).take(REPLY_BYTES_MAX));
        reply.and_then(Value::extract_error).map_err(|error| match error.code() {
            Some(code) if matches!(code.len(), 1..=16) && code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                self.server.failed(format!("replied with the error {code}"))
            }
            _ if error.is_timeout() => {
                self.note_loss(true);
                self.server.unreachable(&ErrorKind::TimedOut.into())
            }
            _ => {
                self.note_loss(false);
                self.server.failed("sent a reply that cannot be read, or closed the connection")
            }
        })
    }

    /// A server that is late is not waited for a second time.
    fn note_loss(&mut self, is_late: bool) {
        self.is_closed = !is_late;
        self.has_given_up |= is_late;
    }
}

fn operation_deadline() -> Instant {
    clock::now().boottime + policy::STORE_OPERATION_MAX
}

fn is_late(error: &io::Error) -> bool {
    error.kind() == ErrorKind::TimedOut
}
