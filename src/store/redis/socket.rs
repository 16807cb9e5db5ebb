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
        let socket = open_above_2(|| Socket::new(Domain::UNIX, Type::STREAM, None))?;
        // It waits if the queue of the server is full, and a timeout of writing ends that.
        socket.set_write_timeout(Some(time_left(deadline)?))?;
        socket.connect(&SockAddr::unix(path)?).map_err(late_as_timed_out)?;
        Ok(UnixBounded { stream: socket.into(), deadline })
    }

    impl Read for UnixBounded {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            self.stream.set_read_timeout(Some(time_left(self.deadline)?))?;
            self.stream.read(bytes).map_err(late_as_timed_out)
        }
    }

    impl Write for UnixBounded {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.stream.set_write_timeout(Some(time_left(self.deadline)?))?;
            self.stream.write(bytes).map_err(late_as_timed_out)
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

    fn late_as_timed_out(error: io::Error) -> io::Error {
        if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
    }
}
