//! Connections whose every operation ends by a deadline: TCP to the first address that accepts, and TLS over it.

mod certificate;
pub(crate) mod connect;
mod crypto_provider;
pub(crate) mod heartbeat;
pub(crate) mod roots;
pub(crate) mod tls;

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bankhub_core::Instant;

use crate::runtime::clock;
use heartbeat::Heartbeat;

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
    heartbeat: Heartbeat,
}

/// The error of an operation on a socket whose timeout has passed.
const SOCKET_TIMEOUT: ErrorKind = if cfg!(windows) { ErrorKind::TimedOut } else { ErrorKind::WouldBlock };

impl TcpBounded {
    fn new(stream: TcpStream, deadline: Instant, heartbeat: Heartbeat) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self { stream, deadline, heartbeat })
    }

    /// Tries the operation, each time for as long as it is told, until it succeeds or the deadline has passed.
    fn wait(&mut self, mut operate: impl FnMut(&TcpStream, Duration) -> io::Result<usize>) -> io::Result<usize> {
        loop {
            let most = self.heartbeat.beat_if_due(self.deadline)?;
            match operate(&self.stream, most) {
                // A process that was stopped and continues, or that a debugger attaches to, interrupts it.
                Err(error) if [SOCKET_TIMEOUT, ErrorKind::Interrupted].contains(&error.kind()) => {}
                result => return result,
            }
        }
    }
}

impl Read for TcpBounded {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.wait(|mut stream, most| {
            stream.set_read_timeout(Some(most))?;
            stream.read(bytes)
        })
    }
}

impl Write for TcpBounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.wait(|mut stream, most| {
            stream.set_write_timeout(Some(most))?;
            stream.write(bytes)
        })
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
