//! Connections to several addresses, on loopback.

#[cfg(target_os = "linux")]
use std::net::TcpStream;
use std::net::{Ipv4Addr, TcpListener};
#[cfg(target_os = "linux")]
use std::sync::mpsc::channel;
use std::time::Duration;

#[cfg(target_os = "linux")]
use bankhub_core::policy;
#[cfg(target_os = "linux")]
use socket2::{Domain, Socket, Type};

use super::*;

fn soon() -> Instant {
    clock::now().boottime + Duration::from_secs(5)
}

/// An address at which nothing listens.
fn refusing() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap()
}

#[test]
fn takes_the_families_in_turn() {
    let addresses = ["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"].map(|address| address.parse().unwrap());
    let order: Vec<_> = alternating(&addresses).iter().map(ToString::to_string).collect();
    assert_eq!(order, ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
    assert_eq!(alternating(&[]), []);
}

#[test]
fn connects_to_the_one_address_that_accepts() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    // A broadcast address gives "permission denied" at once, as a route that the administrator has closed.
    let addresses = ["255.255.255.255:1".parse().unwrap(), refusing(), listener.local_addr().unwrap()];
    assert!(connect(&addresses, soon()).is_ok());
}

/// A listener that does not respond, because its queue is full, and the connection that fills it.
#[cfg(target_os = "linux")]
fn silent() -> (Socket, TcpStream) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let first = TcpStream::connect(address_of(&socket)).unwrap();
    (socket, first)
}

#[cfg(target_os = "linux")]
fn address_of(socket: &Socket) -> SocketAddr {
    socket.local_addr().unwrap().as_socket().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn tries_every_address_within_a_short_timeout() {
    let (silent, _first) = silent();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addresses = [address_of(&silent), listener.local_addr().unwrap()];
    assert!(connect(&addresses, clock::now().boottime + ATTEMPT_DELAY / 2).is_ok());
}

#[test]
#[cfg(target_os = "linux")]
fn goes_on_at_once_after_an_address_that_fails_at_once() {
    let (silent, _first) = silent();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let failing = "255.255.255.255:1".parse().unwrap();
    let addresses = [address_of(&silent), failing, failing, failing, failing, listener.local_addr().unwrap()];
    let start = clock::now().boottime;
    assert!(connect(&addresses, soon()).is_ok());
    assert!(clock::now().boottime.saturating_since(start) < ATTEMPT_DELAY * 3);
}

#[test]
#[cfg(target_os = "linux")]
fn beats_while_no_address_responds() {
    let (silent, _first) = silent();
    let (sender, beats) = channel();
    let heartbeat = Heartbeat::new(Instant::default(), move |_| Ok(sender.send(()).is_ok()));
    let deadline = clock::now().boottime + policy::STORE_OPERATION_MAX + ATTEMPT_DELAY;
    assert!(connect_with(&[address_of(&silent)], deadline, heartbeat).is_err());
    assert_eq!(beats.iter().count(), 1, "and no more when there is no time for one");
}

#[test]
fn fails_if_no_address_accepts() {
    let error = |addresses: &[SocketAddr]| connect(addresses, soon()).err().map(|error| error.kind());
    assert_eq!(error(&[]), Some(ErrorKind::NotFound));
    assert_eq!(error(&[refusing(), refusing()]), Some(ErrorKind::ConnectionRefused));
}

#[test]
fn fails_after_the_deadline() {
    let error = connect(&[refusing()], clock::now().boottime).err().map(|error| error.kind());
    assert_eq!(error, Some(ErrorKind::TimedOut));
}
