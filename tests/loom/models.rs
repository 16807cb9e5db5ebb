//! The promises, a model each.

use std::sync::Arc;
use std::time::Duration;

use loom::thread::{self, JoinHandle};

use crate::config::Config;
use crate::error::Status;
use crate::http::token_endpoint::{StubResponse, TokenEndpoint};
use crate::runtime::cache::Cache;
use crate::runtime::clock;
use crate::runtime::fetch_thread::{let_threads_start, wait_for_all};
use crate::runtime::published_token::{Buffer, Slot};
use crate::sync::let_pauses_take;

/// A cache, and what stands around it.
#[derive(Clone)]
struct World {
    cache: Arc<Cache>,
    endpoint: TokenEndpoint,
    slot: &'static Slot,
}

impl World {
    fn new(answers: impl IntoIterator<Item = StubResponse>) -> Self {
        let timeout = Duration::from_secs(10);
        let config = Config { get_timeout: timeout, request_timeout: timeout, refresh_ahead: None };
        let (endpoint, slot) = (TokenEndpoint::new(answers), &*Box::leak(Box::default()));
        Self { cache: Arc::new(Cache::new(&config, endpoint.clone(), None, slot)), endpoint, slot }
    }

    fn get(&self) -> Result<String, Status> {
        self.get_within(None)
    }

    fn get_within(&self, timeout: Option<Duration>) -> Result<String, Status> {
        let mut buffer = Buffer::default();
        self.cache.get(timeout, &mut buffer).map_err(|error| error.status)?;
        Ok(String::from_utf8(buffer.text).unwrap())
    }

    fn close(&self) {
        self.cache.close();
        self.slot.give_up();
    }

    fn spawn<T: 'static>(&self, call: impl FnOnce(&Self) -> T + 'static) -> JoinHandle<T> {
        let world = self.clone();
        thread::spawn(move || call(&world))
    }
}

fn token(value: &str) -> Result<String, Status> {
    Ok(value.to_owned())
}

/// In every order of events with at most three interruptions of threads that could have gone on. Without that bound it
/// takes ten times as long.
fn in_every_order(model: impl Fn() -> TokenEndpoint + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        clock::begin();
        let_pauses_take(Some(Duration::ZERO));
        let_threads_start(true);
        let endpoint = model();
        wait_for_all();
        assert!(endpoint.is_content(), "two requests at once, or one too many");
    });
}

#[test]
fn all_callers_wait_for_one_request() {
    in_every_order(|| {
        let world = World::new([StubResponse::Token("a")]);
        let others = [world.spawn(World::get), world.spawn(World::get)];
        assert_eq!(world.get(), token("a"));
        for other in others {
            assert_eq!(other.join().unwrap(), token("a"));
        }
        assert_eq!(world.slot.text().as_deref(), Some("a"));
        world.endpoint
    });
}

#[test]
fn a_request_that_fails_is_told_to_all() {
    in_every_order(|| {
        let world = World::new([StubResponse::Failure(Status::Unauthenticated)]);
        let others = [world.spawn(World::get), world.spawn(World::get)];
        assert_eq!(world.get(), Err(Status::Unauthenticated));
        for other in others {
            assert_eq!(other.join().unwrap(), Err(Status::Unauthenticated));
        }
        world.endpoint
    });
}

#[test]
fn callers_wait_through_a_request_that_is_tried_again() {
    in_every_order(|| {
        let world = World::new([StubResponse::Failure(Status::Unavailable), StubResponse::Token("a")]);
        let other = world.spawn(World::get);
        assert_eq!(world.get(), token("a"));
        assert_eq!(other.join().unwrap(), token("a"));
        world.endpoint
    });
}

#[test]
fn a_pause_that_takes_too_long_is_told_to_all() {
    in_every_order(|| {
        let_pauses_take(Some(Duration::from_secs(60)));
        let world = World::new([StubResponse::Failure(Status::Unavailable)]);
        let other = world.spawn(World::get);
        assert_eq!(world.get(), Err(Status::Unavailable));
        assert_eq!(other.join().unwrap(), Err(Status::Unavailable));
        world.endpoint
    });
}

#[test]
fn a_panic_is_told_to_all() {
    in_every_order(|| {
        let world = World::new([StubResponse::Panic]);
        let other = world.spawn(World::get);
        assert_eq!(world.get(), Err(Status::Internal));
        assert_eq!(other.join().unwrap(), Err(Status::Internal));
        world.endpoint
    });
}

#[test]
fn a_thread_that_cannot_start_is_told_to_all() {
    in_every_order(|| {
        let_threads_start(false);
        let world = World::new([]);
        let others = [world.spawn(World::get), world.spawn(World::get)];
        assert_eq!(world.get(), Err(Status::Internal));
        for other in others {
            assert_eq!(other.join().unwrap(), Err(Status::Internal));
        }
        world.endpoint
    });
}

#[test]
fn who_does_not_wait_neither_misses_a_token_nor_hangs() {
    in_every_order(|| {
        let world = World::new([StubResponse::Token("a")]);
        let other = world.spawn(|world| world.get_within(Some(Duration::ZERO)));
        assert_eq!(world.get(), token("a"));
        assert!([token("a"), Err(Status::Deadline)].contains(&other.join().unwrap()));
        assert_eq!(world.get_within(Some(Duration::ZERO)), token("a"));
        world.endpoint
    });
}

#[test]
fn close_wakes_all_and_ends_a_fetch() {
    in_every_order(|| {
        let world = World::new([StubResponse::Token("a")]);
        let others = [world.spawn(World::get), world.spawn(World::get)];
        world.close();
        for other in others {
            assert!([token("a"), Err(Status::Closed)].contains(&other.join().unwrap()));
        }
        assert_eq!(world.get(), Err(Status::Closed));
        world.endpoint
    });
}

#[test]
fn close_wakes_all_though_the_endpoint_never_answers() {
    in_every_order(|| {
        let world = World::new([StubResponse::Later("a")]);
        let other = world.spawn(World::get);
        world.close();
        assert_eq!(other.join().unwrap(), Err(Status::Closed));
        world.endpoint.go_on();
        world.endpoint
    });
}

#[test]
fn close_ends_the_pause_between_two_requests() {
    in_every_order(|| {
        let_pauses_take(None);
        let world = World::new([StubResponse::Failure(Status::Unavailable)]);
        let other = world.spawn(World::get);
        world.close();
        assert_eq!(other.join().unwrap(), Err(Status::Closed));
        world.endpoint
    });
}

#[test]
fn a_token_that_two_report_is_replaced_once() {
    in_every_order(|| {
        let world = World::new([StubResponse::Token("a"), StubResponse::Token("b")]);
        assert_eq!(world.get(), token("a"));
        let report = |world: &World| {
            world.cache.invalidate("a").unwrap();
            world.get()
        };
        let other = world.spawn(report);
        assert_eq!(report(&world), token("b"));
        assert_eq!(other.join().unwrap(), token("b"));
        world.endpoint
    });
}

#[test]
fn a_renewal_is_begun_once_and_nobody_waits_for_it() {
    in_every_order(|| {
        let world = World::new([StubResponse::Token("a"), StubResponse::Later("b")]);
        assert_eq!(world.get(), token("a"));
        clock::pass(Duration::from_secs(530));
        let other = world.spawn(|world| world.cache.look_in());
        world.cache.look_in();
        assert_eq!(world.get(), token("a"));
        other.join().unwrap();
        world.endpoint.go_on();
        world.endpoint
    });
}
