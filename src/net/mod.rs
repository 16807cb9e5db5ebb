//! Connections whose every operation ends by a deadline: TCP to the first address that accepts, and TLS over it.

mod certificate;
pub(crate) mod connect;
mod crypto_provider;
pub(crate) mod roots;
pub(crate) mod tls;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bankhub_core::Instant;

use crate::runtime::clock;

/// A byte stream. A read or write that would end after the deadline fails with `TimedOut`.
pub(crate) trait Stream: Read + Write + Send + Sync {
    /// For every read and write from now on.
    fn set_deadline(&mut self, deadline: Instant);

    /// Whether the server has asked for a certificate of this client.
    fn wants_certificate(&self) -> bool {
        false
    }
}

/// A TCP connection whose operations end by a deadline, however slowly the bytes arrive.
pub(crate) struct TcpBounded {
    stream: TcpStream,
    deadline: Instant,
}

impl TcpBounded {
    fn new(stream: TcpStream, deadline: Instant) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, deadline })
    }
}

impl Read for TcpBounded {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(Some(time_left(self.deadline)?))?;
        self.stream.read(bytes).map_err(late_as_timed_out)
    }
}

impl Write for TcpBounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(Some(time_left(self.deadline)?))?;
        self.stream.write(bytes).map_err(late_as_timed_out)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Stream for TcpBounded {
    fn set_deadline(&mut self, deadline: Instant) {
        self.deadline = deadline;
    }
}

/// The time until the deadline; a `TimedOut` error if it has passed.
pub(crate) fn time_left(deadline: Instant) -> io::Result<Duration> {
    let left = deadline.saturating_since(clock::now().boottime);
    if left.is_zero() { Err(ErrorKind::TimedOut.into()) } else { Ok(left) }
}

/// A socket with a timeout says `WouldBlock`, which would look like a socket that does not block.
fn late_as_timed_out(error: io::Error) -> io::Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}
