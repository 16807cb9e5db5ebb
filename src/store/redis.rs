//! A Redis server: a key for the token, which expires with it, and one for the lease, which expires if its holder dies.
//!
//! The `redis` crate speaks the protocol. Its own connections are not used: each reads the environment and the
//! platform's roots again, and bounds a read, but not the time that an answer takes.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::mpsc;
use std::time::Duration;

use redis::{Cmd, ConnectionAddr, IntoConnectionInfo, Parser, RedisConnectionInfo, Value};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::sealed::{hexadecimal, random};
use super::{Lying, Shelf, failed, wrong};
use crate::config::Config;
use crate::error::Error;
use crate::http::roots::load_roots;
use crate::life::Moment;
use crate::policy;
use crate::runtime::clock;
use crate::runtime::fetch_thread;
use crate::runtime::fork;
use crate::secret::Secret;
use crate::turn::Lease;

/// More than any answer has that is asked for here.
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

/// What lies there, and for how many milliseconds it will.
const READ: &str = "return {redis.call('GET', KEYS[1]), redis.call('PTTL', KEYS[1])}";

/// Ends the lease, too. Who has lost it replaces no more than what it was to replace. The token's end is told in
/// Redis's own time, as this may be executed long after it was sent.
const WRITE: &str = "\
local owner = redis.call('GET', KEYS[2])
local there = redis.call('GET', KEYS[1])
if owner ~= ARGV[1] and there and there ~= ARGV[2] and there ~= ARGV[4] then return 0 end
local now = redis.call('TIME')
local left = ARGV[3] - now[1] * 1000 - math.floor(now[2] / 1000)
if left > 0 then redis.call('SET', KEYS[1], ARGV[2], 'PX', string.format('%.0f', left)) end
if owner == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1";

const DELETE_IF: &str = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

pub(super) struct Server {
    host: String,
    port: u16,
    /// One more than the number of forks that led to the process in which a lookup is going on, or 0.
    looking_up: Arc<AtomicU64>,
    login: RedisConnectionInfo,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    token: String,
    lease: String,
}

pub(super) struct ServerVisit<'s> {
    server: &'s Server,
    connection: Box<dyn Connection>,
    /// The connection is of no use any more, but a new one may be.
    ended: bool,
    /// Holds what has arrived of the next answers.
    parser: Parser,
    /// Tells this fetch from all others.
    owner: String,
    found: Vec<u8>,
    /// A moment, and what Redis called it, in milliseconds since 1970, at the earliest.
    leased: Option<(Moment, u64)>,
}

trait Connection: Read + Write {
    /// What is asked from now on must be answered by then (`boot`).
    fn set_end(&mut self, until: Duration);
}

impl Server {
    pub(super) fn new(url: &Secret, config: &Config, name: &str) -> Result<Self, Error> {
        let expected =
            "is not a URL of Redis; expected redis://[[user]:password@]host[:port][/database], or rediss://…";
        let url = url.expose();
        if url.contains(['?', '#']) {
            return Err(wrong("has a query or a fragment ('?', '#'); write them as %3F and %23 in a password"));
        }
        let (scheme, rest) = url.split_once("://").ok_or_else(|| wrong(expected))?;
        // Without its own TLS the crate knows one of the two schemes alone.
        let info = format!("redis://{rest}").into_connection_info().map_err(|_| wrong(expected))?;
        let ConnectionAddr::Tcp(host, port) = info.addr().clone() else { return Err(wrong(expected)) };
        if port == 0 {
            return Err(wrong("has a port that is not a number from 1 to 65535"));
        }
        let tls = match scheme {
            "rediss" => {
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong("has a host that TLS cannot check"))?;
                Some((tls_config(config)?, name))
            }
            _ => None,
        };
        // The braces keep both on one node of a cluster.
        let [token, lease] = ["token", "lease"].map(|end| format!("bankhub:{{{name}}}:{end}"));
        Ok(Self { host, port, looking_up: Arc::default(), login: info.redis_settings().clone(), tls, token, lease })
    }

    pub(super) fn visit(&self) -> Result<ServerVisit<'_>, Error> {
        let owner = hexadecimal(&random::<16>()?);
        let connection = self.connect(operation_end()).map_err(|error| self.broken(&error))?;
        let (parser, found) = (Parser::new(), Vec::new());
        let mut visit = ServerVisit { server: self, connection, ended: false, parser, owner, found, leased: None };
        visit.converse(&self.greeting())?;
        Ok(visit)
    }

    fn greeting(&self) -> Vec<Cmd> {
        let mut greeting = Vec::new();
        if let Some(password) = self.login.password() {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = self.login.username() {
                auth.arg(user);
            }
            greeting.push(auth.arg(password).to_owned());
        }
        if self.login.db() != 0 {
            greeting.push(redis::cmd("SELECT").arg(self.login.db()).to_owned());
        }
        greeting
    }

    /// What is then asked must be answered by that time, too.
    fn connect(&self, until: Duration) -> io::Result<Box<dyn Connection>> {
        let mut refused = io::Error::new(ErrorKind::NotFound, "its name has no address");
        let addresses = self.look_up(until)?;
        for (index, address) in addresses.iter().enumerate() {
            // One that leads nowhere leaves time for those behind it.
            let share = left(until)? / (addresses.len() - index) as u32;
            match TcpStream::connect_timeout(address, share) {
                Ok(stream) => return self.secure(Bounded { stream, until }),
                Err(error) => refused = error,
            }
        }
        Err(refused)
    }

    /// No lookup can be given up: one that takes too long goes on beside the fetch, on a thread that ends with it.
    fn look_up(&self, until: Duration) -> io::Result<Vec<SocketAddr>> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![(address, self.port).into()]);
        }
        let here = fork::fork_depth() + 1;
        if self.looking_up.swap(here, Acquire) == here {
            return Err(ErrorKind::TimedOut.into()); // the last one still goes on
        }
        let (sender, receiver) = mpsc::channel();
        let (host, port, looking_up) = (self.host.clone(), self.port, Arc::clone(&self.looking_up));
        let look_up = move || {
            let found = (host.as_str(), port).to_socket_addrs().map(Vec::from_iter);
            looking_up.store(0, Release);
            let _ = sender.send(found);
        };
        fetch_thread::start(look_up).inspect_err(|_| self.looking_up.store(0, Release))?;
        receiver.recv_timeout(left(until)?).unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
    }

    fn secure(&self, bounded: Bounded) -> io::Result<Box<dyn Connection>> {
        bounded.stream.set_nodelay(true)?;
        Ok(match &self.tls {
            None => Box::new(bounded),
            Some((config, name)) => {
                let client = ClientConnection::new(Arc::clone(config), name.clone()).map_err(io::Error::other)?;
                Box::new(StreamOwned::new(client, bounded))
            }
        })
    }

    fn broken(&self, error: &io::Error) -> Error {
        self.failed(if is_late(error) {
            "did not answer in time".to_owned()
        } else {
            format!("could not be asked: {error}")
        })
    }

    fn failed(&self, problem: impl std::fmt::Display) -> Error {
        failed(format!("on Redis at {}:{} {problem}", self.host, self.port))
    }
}

fn tls_config(config: &Config) -> Result<Arc<ClientConfig>, Error> {
    let roots = load_roots(config.ca_file.as_deref())?;
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(roots.iter().map(|certificate| CertificateDer::from(certificate.der())));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = versions.expect("ring has what TLS 1.2 and 1.3 need").with_root_certificates(store);
    Ok(Arc::new(builder.with_no_client_auth()))
}

impl ServerVisit<'_> {
    /// Sends commands all at once, and reads an answer to each: over a new connection, where a server or a proxy has
    /// ended the one at hand while this process waited for its turn, or for the endpoint.
    fn ask(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        let until = operation_end();
        if !self.ended {
            self.connection.set_end(until);
            let answer = self.converse(commands);
            if !self.ended {
                return answer;
            }
        }
        self.connection = self.server.connect(until).map_err(|error| {
            self.leased = None;
            self.server.broken(&error)
        })?;
        (self.parser, self.ended) = (Parser::new(), false);
        self.converse(&self.server.greeting())?;
        self.converse(commands)
    }

    fn converse(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Error> {
        let mut asked = zeroize::Zeroizing::new(Vec::new());
        for command in commands {
            command.write_packed_command(&mut asked);
        }
        let connection = &mut self.connection;
        if let Err(error) = connection.write_all(&asked).and_then(|()| connection.flush()) {
            self.lose_connection(is_late(&error));
            return Err(self.server.broken(&error));
        }
        commands.iter().map(|_| self.answer()).collect()
    }

    /// Who does not answer in time is not waited for again, and lets the lease end by itself.
    fn lose_connection(&mut self, late: bool) {
        self.ended = !late;
        if late {
            self.leased = None;
        }
    }

    /// Nothing of its own text gets into a message: it may repeat what was sent. But its first word is that of a kind.
    fn answer(&mut self) -> Result<Value, Error> {
        let answer = self.parser.parse_value((&mut self.connection).take(ANSWER_BYTES_MAX));
        answer.and_then(Value::extract_error).map_err(|error| match error.code() {
            Some(code) if matches!(code.len(), 1..=16) && code.bytes().all(|byte| byte.is_ascii_uppercase()) => {
                self.server.failed(format!("answered {code}"))
            }
            _ if error.is_timeout() => {
                self.lose_connection(true);
                self.server.broken(&ErrorKind::TimedOut.into())
            }
            _ => {
                self.lose_connection(false);
                self.server.failed("gave an answer that cannot be read, or ended the connection")
            }
        })
    }

    fn strange(&self) -> Error {
        self.server.failed("gave an answer that was not asked for")
    }

    fn script(&self, script: &str, keys: &[&str]) -> Cmd {
        redis::cmd("EVAL").arg(script).arg(keys.len()).arg(keys).to_owned()
    }
}

impl Shelf for ServerVisit<'_> {
    fn read(&mut self) -> Result<Option<Lying>, Error> {
        // Redis tells how much is left after this: the end that it amounts to is early, if anything.
        let now = clock::now();
        self.found.clear();
        let answer = self.ask(&[self.script(READ, &[&self.server.token])])?;
        let [Value::Array(parts)] = &answer[..] else { return Err(self.strange()) };
        match &parts[..] {
            [Value::Nil, _] => Ok(None),
            [Value::BulkString(sealed), Value::Int(left)] => {
                self.found.clone_from(sealed);
                // It has no end where somebody else took it away.
                let end = now.after(Duration::from_millis(u64::try_from(*left).unwrap_or_default()));
                Ok(Some(Lying { sealed: sealed.clone(), end: Some(end) }))
            }
            _ => Err(self.strange()),
        }
    }

    fn lease(&mut self, length: Duration) -> Result<Lease, Error> {
        let key = &self.server.lease;
        let ask = redis::cmd("SET").arg(key).arg(&self.owner).arg("NX").arg("PX").arg(millis(length)).to_owned();
        let whose = redis::cmd("GET").arg(key).to_owned();
        let answer = self.ask(&[ask, whose, redis::cmd("TIME")])?;
        let [_, whose, Value::Array(time)] = &answer[..] else { return Err(self.strange()) };
        let numbers: Option<Vec<u64>> = time.iter().map(number).collect();
        let Some([seconds, micros]) = numbers.as_deref() else { return Err(self.strange()) };
        match whose {
            Value::BulkString(owner) if *owner == self.owner.as_bytes() => {
                self.leased = Some((clock::now(), seconds * 1_000 + micros / 1_000));
                Ok(Lease::Held)
            }
            Value::BulkString(owner) => Ok(Lease::Others(digest(owner))),
            // It has just ended.
            Value::Nil => Ok(Lease::Others(0)),
            _ => Err(self.strange()),
        }
    }

    fn write(&mut self, sealed: &[u8], end: Moment) -> Result<(), Error> {
        let Some((leased, redis)) = self.leased else { return Ok(()) };
        let end = redis + millis(end.boot.saturating_sub(leased.boot));
        let mut script = self.script(WRITE, &[&self.server.token, &self.server.lease]);
        let answer = self.ask(&[script.arg(&self.owner).arg(sealed).arg(end).arg(&self.found).to_owned()])?;
        match answer[..] {
            [Value::Int(1)] => {
                self.leased = None;
                Ok(())
            }
            [Value::Int(0)] => Err(self.server.failed("had another token when this one arrived: the lease was over")),
            _ => Err(self.strange()),
        }
    }

    fn remove(&mut self) -> Result<(), Error> {
        let mut script = self.script(DELETE_IF, &[&self.server.token]);
        self.ask(&[script.arg(&self.found).to_owned()]).map(drop)
    }

    fn end_lease(&mut self) {
        if self.leased.take().is_some() {
            let mut script = self.script(DELETE_IF, &[&self.server.lease]);
            // It ends by itself where this fails.
            let _ = self.ask(&[script.arg(&self.owner).to_owned()]);
        }
    }
}

/// A connection each of whose operations ends in time, however slowly the other end does what.
struct Bounded {
    stream: TcpStream,
    until: Duration,
}

impl Read for Bounded {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(left(self.until)?))?;
        self.stream.read(bytes)
    }
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(left(self.until)?))?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Connection for Bounded {
    fn set_end(&mut self, until: Duration) {
        self.until = until;
    }
}

impl Connection for StreamOwned<ClientConnection, Bounded> {
    fn set_end(&mut self, until: Duration) {
        self.sock.set_end(until);
    }
}

fn operation_end() -> Duration {
    clock::now().boot + policy::STORE_OPERATION_MAX
}

fn left(until: Duration) -> io::Result<Duration> {
    let left = until.saturating_sub(clock::now().boot);
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::WouldBlock)
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
