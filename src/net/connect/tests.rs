//! Connections to several addresses, on loopback.

use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::time::Duration;

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

#[test]
fn tries_every_address_within_a_short_timeout() {
    // Nobody accepts here, and once the queue is full, further packets are dropped.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let queue = fill(&silent);
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let addresses = [silent.local_addr().unwrap(), listener.local_addr().unwrap()];
    assert!(connect(&addresses, clock::now().boottime + ATTEMPT_DELAY / 2).is_ok());
    drop(queue);
}

/// Connects until the system takes no more connections.
fn fill(listener: &TcpListener) -> Vec<TcpStream> {
    let address = listener.local_addr().unwrap();
    let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(50)).ok();
    std::iter::from_fn(connect).collect()
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
