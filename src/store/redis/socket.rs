//! A connection to a Unix socket whose operations end by a deadline.

use std::io;
use std::path::Path;

use bankhub_core::Instant;

#[cfg(unix)]
pub(super) use unix::connect;

#[cfg(not(unix))]
pub(super) fn connect(_: &Path, _: Instant) -> io::Result<crate::net::TcpBounded> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(unix)]
mod unix {
    use std::io::{ErrorKind, Read, Write};
    use std::os::unix::net::UnixStream;

    use socket2::{Domain, SockAddr, Socket, Type};

    use super::*;
    use crate::net::{Stream, time_left};
    use crate::runtime::descriptor::open_above_2;

    pub(in super::super) struct UnixBounded {
        stream: UnixStream,
        deadline: Instant,
    }

    /// The stream has the same deadline.
    pub(in super::super) fn connect(path: &Path, deadline: Instant) -> io::Result<UnixBounded> {
        let (socket, address) =
            (open_above_2(|| Socket::new(Domain::UNIX, Type::STREAM, None))?, SockAddr::unix(path)?);
        uninterrupted(|| {
            // It waits if the queue of the server is full, and a timeout of writing ends that.
            socket.set_write_timeout(Some(time_left(deadline)?))?;
            socket.connect(&address)
        })?;
        Ok(UnixBounded { stream: socket.into(), deadline })
    }

    impl Read for UnixBounded {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            uninterrupted(|| {
                self.stream.set_read_timeout(Some(time_left(self.deadline)?))?;
                self.stream.read(bytes)
            })
        }
    }

    impl Write for UnixBounded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            uninterrupted(|| {
                self.stream.set_write_timeout(Some(time_left(self.deadline)?))?;
                self.stream.write(bytes)
            })
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Stream for UnixBounded {
        fn set_deadline(&mut self, deadline: Instant) {
            self.deadline = deadline;
        }
    }

    /// A process that was stopped and goes on interrupts what has a timeout, whatever its signal mask is.
    fn uninterrupted<T>(mut operate: impl FnMut() -> io::Result<T>) -> io::Result<T> {
        loop {
            match operate() {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Err(ErrorKind::TimedOut.into()),
                result => return result,
            }
        }
    }
}
