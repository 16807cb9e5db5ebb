//! One connection to a server or a Sentinel: pipelines of commands, and the login.
//!
//! The `redis` crate speaks the protocol. Its own connections are not used: each reads the environment and the
//! platform's roots again, and limits the time of one read, but not the time of a whole reply.

use std::io::{self, ErrorKind, Read};

use bankhub_core::{Error, Instant};
use redis::{Cmd, Parser, ServerError, Value};
use zeroize::Zeroizing;

use super::errors::{self, Kind};
use super::server::{Servers, Unreachable};
use super::url::{Address, Login};
use crate::net::Stream;
use crate::store::failed;

/// More than any expected reply has.
const REPLY_BYTES_MAX: u64 = 64 * 1024;

/// The first byte of an alert of TLS, which no reply of Redis begins with.
const TLS_ALERT: u8 = 0x15;

pub(super) struct Link {
    pub(super) address: Address,
    /// For messages, as "on Redis at localhost:6379".
    place: String,
    stream: Box<dyn Stream>,
    is_tls: bool,
    /// A node of a Cluster that gets the keys of the store one after the other: each command is to follow an ASKING.
    pub(super) is_ask: bool,
    /// Holds the bytes that have arrived of the next replies.
    parser: Parser,
    first_byte: Option<u8>,
}

/// Why an attempt failed.
pub(super) struct Problem {
    pub(super) kind: Kind,
    pub(super) error: Error,
}

impl Link {
    /// To a server of Redis. Nothing is sent yet. It has the same deadline.
    pub(super) fn open(servers: &Servers, address: &Address, deadline: Instant) -> Result<Self, Problem> {
        Self::open_to(servers, address, format!("on Redis at {address}"), deadline)
    }

    pub(super) fn open_to_sentinel(servers: &Servers, at: &Address, deadline: Instant) -> Result<Self, Problem> {
        Self::open_to(servers, at, format!("on the Sentinel at {at}"), deadline)
    }

    fn open_to(servers: &Servers, address: &Address, place: String, deadline: Instant) -> Result<Self, Problem> {
        match servers.open(address, deadline) {
            Ok(stream) => Ok(Self {
                address: address.clone(),
                place,
                stream,
                is_tls: servers.is_tls(),
                is_ask: false,
                parser: Parser::new(),
                first_byte: None,
            }),
            Err(problem) => Err(unreachable(&problem, &place)),
        }
    }

    pub(super) fn set_deadline(&mut self, deadline: Instant) {
        self.stream.set_deadline(deadline);
    }

    /// `problem` follows the name of the server.
    pub(super) fn failed(&self, problem: impl std::fmt::Display) -> Error {
        failed(format!("{} {problem}", self.place))
    }

    pub(super) fn log_in(&mut self, login: &Login) -> Result<(), Problem> {
        if let Some(password) = &login.password {
            let mut auth = redis::cmd("AUTH");
            if let Some(user) = &login.user {
                auth.arg(user.expose());
            }
            let first = self.exchange(&[auth.arg(password.expose()).to_owned()])?;
            match first.into_iter().next() {
                Some(Value::ServerError(error)) if login.user.is_some() && errors::knows_no_users(&error) => {
                    self.pipeline(&[redis::cmd("AUTH").arg(password.expose()).to_owned()], login)?;
                }
                Some(Value::ServerError(error)) => return Err(self.refused(&auth, &error, login)),
                _ => {}
            }
        }
        if login.database != 0 {
            self.pipeline(&[redis::cmd("SELECT").arg(login.database).to_owned()], login)?;
        }
        Ok(())
    }

    pub(super) fn asking(self, is_ask: bool) -> Self {
        Self { is_ask, ..self }
    }

    /// Commands of an operation, and a reply to each.
    pub(super) fn carry_out(&mut self, commands: &[Cmd], login: &Login) -> Result<Vec<Value>, Problem> {
        if !self.is_ask {
            return self.pipeline(commands, login);
        }
        let asking: Vec<_> = commands.iter().flat_map(|command| [redis::cmd("ASKING"), command.clone()]).collect();
        Ok(self.pipeline(&asking, login)?.into_iter().skip(1).step_by(2).collect())
    }

    /// Sends all commands at once, then reads a reply to each. After a problem the connection cannot be used again.
    pub(super) fn pipeline(&mut self, commands: &[Cmd], login: &Login) -> Result<Vec<Value>, Problem> {
        let replies = self.exchange(commands)?;
        let refused = commands.iter().zip(&replies).find_map(|(command, reply)| match reply {
            Value::ServerError(error) => Some((command, error)),
            _ => None,
        });
        match refused {
            Some((command, error)) => Err(self.refused(command, error, login)),
            None => Ok(replies),
        }
    }

    /// The replies end with the first one that is an error.
    fn exchange(&mut self, commands: &[Cmd]) -> Result<Vec<Value>, Problem> {
        let mut packed = Zeroizing::new(Vec::new());
        for command in commands {
            command.write_packed_command(&mut packed);
        }
        // A server that accepts no more clients says so, and closes the connection before it has read anything.
        match self.stream.write_all(&packed).and_then(|()| self.stream.flush()) {
            Err(error) if error.kind() == ErrorKind::TimedOut => return Err(unreachable(&error.into(), &self.place)),
            _ => {}
        }
        let mut replies = Vec::with_capacity(commands.len());
        while replies.len() < commands.len() && !matches!(replies.last(), Some(Value::ServerError(_))) {
            replies.push(self.reply()?);
        }
        Ok(replies)
    }

    fn reply(&mut self) -> Result<Value, Problem> {
        let mut reader = Noting { stream: &mut *self.stream, first_byte: &mut self.first_byte, end: None };
        let reply = self.parser.parse_value((&mut reader).take(REPLY_BYTES_MAX));
        let Noting { end, .. } = reader;
        reply.map_err(|_| self.lost(end))
    }

    /// `end`: how the connection ended, if it did.
    fn lost(&self, end: Option<io::Error>) -> Problem {
        use ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};

        let is_plain = !self.is_tls && matches!(self.address, Address::Tcp(..));
        let problem = match &end {
            _ if is_plain && self.first_byte == Some(TLS_ALERT) => {
                "expects TLS on this port; write rediss instead of redis"
            }
            Some(error)
                if matches!(error.kind(), UnexpectedEof | ConnectionReset | ConnectionAborted | BrokenPipe)
                    && error.get_ref().is_none() =>
            {
                match is_plain && self.first_byte.is_none() {
                    true => {
                        "closed the connection without a reply; if it expects TLS on this port, write rediss instead \
                         of redis"
                    }
                    false => "closed the connection",
                }
            }
            Some(_) => return unreachable(&end.expect("there is one").into(), &self.place),
            None => "sent a reply that cannot be read; check that it is a Redis server",
        };
        Problem { kind: Kind::Lost, error: self.failed(problem) }
    }

    fn refused(&self, command: &Cmd, error: &ServerError, login: &Login) -> Problem {
        Problem {
            kind: errors::kind(command, error, &self.address),
            error: self.failed(errors::describe(command, error, login, &self.address)),
        }
    }
}

fn unreachable(problem: &Unreachable, place: &str) -> Problem {
    let kind = if problem.is_late() { Kind::Late } else { Kind::Lost };
    Problem { kind, error: problem.in_words(place) }
}

/// The parser passes on neither the error of a read nor what it could not read.
struct Noting<'s> {
    stream: &'s mut dyn Stream,
    first_byte: &'s mut Option<u8>,
    end: Option<io::Error>,
}

impl Read for Noting<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.stream.read(bytes);
        match &read {
            Ok(0) if !bytes.is_empty() => self.end = Some(ErrorKind::UnexpectedEof.into()),
            Ok(count) if *count > 0 => *self.first_byte = self.first_byte.or(bytes.first().copied()),
            _ => {}
        }
        read.map_err(|error| {
            let kind = error.kind();
            self.end = Some(error);
            kind.into()
        })
    }
}
