//! Attempts to connect that are in progress at the same time, on sockets that do not block.
#![allow(unsafe_code)]

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};

use crate::runtime::descriptor::open_above_2;

pub(super) type Attempt = Socket;

pub(super) fn start(address: SocketAddr) -> io::Result<Attempt> {
    let socket = open_above_2(|| Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP)))?;
    socket.set_nonblocking(true)?;
    match socket.connect(&address.into()) {
        Err(error) if !is_in_progress(&error) => Err(error),
        _ => Ok(socket),
    }
}

/// Waits until one attempt has ended, and takes it out of the list: the connection, or the error of its address.
/// `None`: the time has passed, or a signal arrived.
pub(super) fn wait(attempts: &mut Vec<Attempt>, most: Duration) -> io::Result<Option<io::Result<TcpStream>>> {
    let ended = wait_for_one(attempts, most)?;
    Ok(ended.map(|ended| finish(attempts.swap_remove(ended))))
}

fn finish(socket: Attempt) -> io::Result<TcpStream> {
    if let Some(error) = socket.take_error()? {
        return Err(error);
    }
    socket.peer_addr()?; // without poll, the error may have been taken before
    socket.set_nonblocking(false)?;
    Ok(socket.into())
}

#[cfg(unix)]
fn is_in_progress(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::EINPROGRESS) || error.kind() == ErrorKind::Interrupted
}

#[cfg(unix)]
fn wait_for_one(attempts: &[Attempt], most: Duration) -> io::Result<Option<usize>> {
    use std::os::fd::AsRawFd;

    let polled =
        attempts.iter().map(|socket| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 });
    let mut polled: Vec<_> = polled.collect();
    // Rounded up: a wait of less than a millisecond is not to become a loop.
    let milliseconds = most.as_nanos().div_ceil(1_000_000).try_into().unwrap_or(i32::MAX);
    // SAFETY: the pointer and the length are those of a vector that nobody else uses.
    let count = unsafe { libc::poll(polled.as_mut_ptr(), polled.len() as libc::nfds_t, milliseconds) };
    if count < 0 {
        let error = io::Error::last_os_error();
        return if error.kind() == ErrorKind::Interrupted { Ok(None) } else { Err(error) };
    }
    Ok(polled.iter().position(|polled| polled.revents != 0))
}

#[cfg(not(unix))]
fn is_in_progress(error: &io::Error) -> bool {
    error.kind() == ErrorKind::WouldBlock
}

/// Without `poll`, which has no safe form there, it looks often.
#[cfg(not(unix))]
fn wait_for_one(attempts: &[Attempt], most: Duration) -> io::Result<Option<usize>> {
    const PAUSE: Duration = Duration::from_millis(5);

    let has_ended = |socket: &Attempt| socket.peer_addr().is_ok() || !matches!(socket.take_error(), Ok(None));
    let ended = attempts.iter().position(has_ended);
    if ended.is_none() {
        #[expect(clippy::disallowed_methods, reason = "the one wait of a connect")]
        std::thread::sleep(PAUSE.min(most));
    }
    Ok(ended)
}
