//! One HTTP exchange over a connection that is ready. ureq writes the request and parses the response.

use std::fmt;
use std::io::{self, BufReader, Cursor, Read, Take, Write};
use std::sync::{Mutex, PoisonError};

use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport};
use ureq::{Agent, config::Config};

use super::head;
use crate::net::Stream;

/// More is not read of a response, with what is not its body: interim responses, chunk sizes, trailers.
const RESPONSE_BYTES_MAX: u64 = 1024 * 1024;

/// For one request over the connection; without one, a request ends before it would use the network. The deadline is
/// that of the stream.
pub(super) fn agent(config: Config, connection: Option<Box<dyn Stream>>) -> Agent {
    let buffers = LazyBuffers::new(config.input_buffer_size(), config.output_buffer_size());
    let connection = connection.map(|stream| Connection {
        reader: BufReader::new(stream.take(RESPONSE_BYTES_MAX)),
        head: None,
        buffers,
    });
    Agent::with_parts(config, ReadyConnection(Mutex::new(connection)), NoLookup)
}

/// The response has more bytes than any expected one. Within an `io::Error`.
#[derive(Debug)]
pub(super) struct TooLarge;

struct Connection {
    reader: BufReader<Take<Box<dyn Stream>>>,
    /// The head that arrived last: of the response, or of an interim response before it.
    head: Option<Cursor<Vec<u8>>>,
    buffers: LazyBuffers,
}

impl Connection {
    fn receive(&mut self) -> io::Result<usize> {
        let head = match &mut self.head {
            Some(head) if !is_interim_and_read(head) => head,
            _ => {
                let head = head::without_unused_headers(head::read(&mut self.reader)?);
                self.head.insert(Cursor::new(head))
            }
        };
        let input = self.buffers.input_append_buf();
        let count = head.chain(&mut self.reader).read(input)?;
        if count == 0 && !input.is_empty() && self.reader.get_ref().limit() == 0 {
            return Err(io::Error::other(TooLarge));
        }
        self.buffers.input_appended(count);
        Ok(count)
    }

    fn transmit(&mut self, amount: usize) -> io::Result<()> {
        let stream = self.reader.get_mut().get_mut();
        stream.write_all(&self.buffers.output()[..amount])?;
        stream.flush()
    }
}

/// Whether another head follows (RFC 9110, section 15.2). After 101 another protocol would.
fn is_interim_and_read(head: &Cursor<Vec<u8>>) -> bool {
    let is_read = head.position() == head.get_ref().len() as u64;
    is_read && matches!(head::status(head.get_ref()), Some(100 | 102..=199))
}

impl Transport for Connection {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, _: NextTimeout) -> Result<(), ureq::Error> {
        Ok(self.transmit(amount)?)
    }

    fn await_input(&mut self, _: NextTimeout) -> Result<bool, ureq::Error> {
        Ok(self.receive()? > 0)
    }

    /// It serves one request.
    fn is_open(&mut self) -> bool {
        false
    }

    /// For plain http nobody asks.
    fn is_tls(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct ReadyConnection(Mutex<Option<Connection>>);

impl Connector<()> for ReadyConnection {
    type Out = Connection;

    fn connect(&self, _: &ConnectionDetails, _: Option<()>) -> Result<Option<Connection>, ureq::Error> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).take())
    }
}

/// The connection exists, so its address is not asked for.
#[derive(Debug)]
struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &ureq::http::Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Ok(self.empty())
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Connection")
    }
}

impl fmt::Display for TooLarge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the response has more than {RESPONSE_BYTES_MAX} bytes")
    }
}

impl std::error::Error for TooLarge {}
