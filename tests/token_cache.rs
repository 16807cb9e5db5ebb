//! The Rust API against the mock server: what a closed cache answers, and what a forked child gets.

mod mock_server;

use std::net::TcpListener;
use std::panic::catch_unwind;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use bankhub::{Config, Status, TokenCache};
use mock_server::MockServer;

fn open(server: &MockServer) -> TokenCache {
    TokenCache::new(Config::new("mock-id", "mock-secret").base_url(server.url.as_str()))
        .expect("the settings are right")
}

#[track_caller]
fn check_closed(cache: &TokenCache) {
    assert_eq!(cache.get().map_err(|error| error.status()), Err(Status::Closed));
    assert_eq!(cache.get_within(Duration::ZERO).map_err(|error| error.status()), Err(Status::Closed));
    assert_eq!(cache.generation(), 0);
    assert_eq!(cache.invalidate("a token").map_err(|error| error.status()), Err(Status::Closed));
    assert_eq!(cache.stats().map(drop).map_err(|error| error.status()), Err(Status::Closed));
    cache.close();
}

#[test]
fn a_closed_cache_answers_closed() {
    let server = MockServer::start();
    let (closed, other) = (open(&server), open(&server));
    let token = closed.get().expect("the server grants it");
    assert_eq!(closed.generation(), token.generation());
    assert_eq!(closed.get().expect("it is cached").value(), token.value());
    closed.close();
    check_closed(&closed);
    assert!(other.get().is_ok(), "another cache is open");

    let unused = open(&server);
    unused.close();
    check_closed(&unused);
}

#[test]
fn close_during_a_panic_wakes_every_waiter() {
    struct CloseOnDrop<'c>(&'c TokenCache);
    impl Drop for CloseOnDrop<'_> {
        fn drop(&mut self) {
            self.0.close();
        }
    }
    // It accepts connections, and never responds.
    let endpoint = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let url = format!("http://{}", endpoint.local_addr().expect("an address"));
    let long = Duration::from_secs(600);
    let config = Config::new("mock-id", "mock-secret").base_url(url).request_timeout(long).get_timeout(long);
    let cache = Arc::new(TokenCache::new(config).expect("the settings are right"));
    let (sender, outcome) = mpsc::channel();
    let waiter = Arc::clone(&cache);
    thread::spawn(move || sender.send(waiter.get().map_err(|error| error.status())));
    while cache.stats().expect("it is open").waiters == 0 {
        thread::yield_now();
    }
    let panicked = catch_unwind(|| {
        let _closer = CloseOnDrop(&cache);
        panic!("the program's own");
    });
    assert!(panicked.is_err());
    assert_eq!(outcome.recv_timeout(Duration::from_secs(20)), Ok(Err(Status::Closed)));
}

#[cfg(unix)]
#[test]
fn a_forked_child_uses_the_open_caches_of_its_parent() {
    let server = MockServer::start();
    let (valid, empty, closed) = (open(&server), open(&server), open(&server));
    let token = valid.get().expect("the server grants it");
    closed.get().expect("the server grants it");
    closed.close();
    in_child(|| {
        let inherited = valid.get().expect("it was inherited");
        assert_eq!((inherited.value(), inherited.generation()), (token.value(), token.generation()));
        valid.invalidate(token.value()).expect("it is open");
        let replaced = valid.get().expect("the child fetches");
        assert_ne!(replaced.value(), token.value());
        assert!(empty.get().is_ok(), "the child fetches");
        check_closed(&closed);
    });
    assert_eq!(valid.get().expect("it is cached").value(), token.value(), "a child changes nothing in its parent");
}

/// Runs `work` in a child of fork, and fails if it does.
#[cfg(unix)]
#[allow(unsafe_code)]
fn in_child(work: impl FnOnce()) {
    // SAFETY: the child runs what a forked child may run according to the library, and ends without a return.
    let child = unsafe { libc::fork() };
    assert!(child >= 0, "fork: {}", std::io::Error::last_os_error());
    if child == 0 {
        let worked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).is_ok();
        // SAFETY: it takes a number.
        unsafe { libc::_exit(i32::from(!worked)) };
    }
    let mut status = 0;
    // SAFETY: `status` is writable, and the child is this thread's own.
    unsafe { libc::waitpid(child, &raw mut status, 0) };
    assert_eq!(status, 0, "the child failed; its output says why");
}
