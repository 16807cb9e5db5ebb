//! Connects to the first of several addresses that accepts ("happy eyeballs", RFC 8305): an address that does not
//! respond costs 200 ms, and one that refuses costs nothing.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use bankhub_core::Instant;

use super::TcpBounded;
use super::heartbeat::Heartbeat;
use crate::runtime::clock;
use crate::runtime::descriptor::while_0_to_2_are_taken;

mod attempt;

/// How long an address is tried alone before the next one is tried too (RFC 8305, section 5, allows 100 ms to 2 s).
const ATTEMPT_DELAY: Duration = Duration::from_millis(200);

/// The addresses of a host name, or of an IP address without brackets. Nothing can interrupt a lookup.
pub(crate) fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    while_0_to_2_are_taken(|| (host, port).to_socket_addrs()).map(Vec::from_iter)
}

/// The stream has the same deadline. Any error of one address leaves the others; the last error is returned.
pub(crate) fn connect(addresses: &[SocketAddr], deadline: Instant) -> io::Result<TcpBounded> {
    connect_with(addresses, deadline, Heartbeat::default())
}

/// The same with a heartbeat, also of the stream.
pub(crate) fn connect_with(
    addresses: &[SocketAddr],
    deadline: Instant,
    mut heartbeat: Heartbeat,
) -> io::Result<TcpBounded> {
    let mut untried = alternating(addresses).into_iter();
    let mut attempts = Vec::new();
    let mut last_error = io::Error::new(ErrorKind::NotFound, "its name has no address");
    let mut next_attempt_at = clock::now().boottime;
    // Every address is to be tried before the deadline.
    let share = deadline.saturating_since(next_attempt_at) / u32::try_from(addresses.len().max(1)).unwrap_or(u32::MAX);
    let delay = ATTEMPT_DELAY.min(share);
    loop {
        let mut pause = heartbeat.beat_if_due(deadline)?;
        let now = clock::now().boottime;
        if untried.len() > 0 {
            if attempts.is_empty() || now >= next_attempt_at {
                let address = untried.next().expect("one is left");
                match attempt::start(address) {
                    Ok(attempt) => {
                        attempts.push(attempt);
                        next_attempt_at = now + delay;
                    }
                    Err(error) => last_error = error,
                }
                continue;
            }
            pause = pause.min(next_attempt_at.saturating_since(now));
        }
        if attempts.is_empty() {
            return Err(last_error);
        }
        match attempt::wait(&mut attempts, pause)? {
            Some(Ok(stream)) => return TcpBounded::new(stream, deadline, heartbeat),
            // The next address need not wait for its time.
            Some(Err(error)) => (last_error, next_attempt_at) = (error, now),
            None => {}
        }
    }
}

/// The addresses in the order of the resolver, but the families in turn (RFC 8305, section 4): a family that has no
/// route may have many addresses.
fn alternating(addresses: &[SocketAddr]) -> Vec<SocketAddr> {
    let is_first_family = |address: &SocketAddr| addresses.first().map(SocketAddr::is_ipv4) == Some(address.is_ipv4());
    let (first, second): (Vec<_>, Vec<_>) = addresses.iter().copied().partition(is_first_family);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut order = Vec::with_capacity(addresses.len());
    while order.len() < addresses.len() {
        order.extend(first.next());
        order.extend(second.next());
    }
    order
}

#[cfg(test)]
mod tests;
