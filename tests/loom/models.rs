//! The guarantees, one model each.

use std::sync::Arc;
use std::time::Duration;

use loom::thread::{self, JoinHandle};

use crate::config::Config;
use crate::error::Status;
use crate::http::token_endpoint::{StubResponse, TokenEndpoint};
use crate::runtime::cache::Cache;
use crate::runtime::clock;
use crate::runtime::fetch_thread::{let_threads_start, wait_for_all};
use crate::runtime::published_token::{MaybeOwned, PublishedToken, TokenCopy};
use crate::sync::let_pauses_take;

/// A cache and its surroundings.
#[derive(Clone)]
struct World {
    cache: Arc<Cache>,
    endpoint: TokenEndpoint,
    published: &'static PublishedToken,
}

impl World {
    fn new(answers: impl IntoIterator<Item = StubResponse>) -> Self {
        let timeout = Duration::from_secs(10);
        let config = Config { get_timeout: timeout, request_timeout: timeout, refresh_ahead: None };
        let (endpoint, published) = (TokenEndpoint::new(answers), &*Box::leak(Box::default()));
        Self {
            cache: Arc::new(Cache::new(&config, endpoint.clone(), None, MaybeOwned(published))),
            endpoint,
            published,
        }
    }

    fn get(&self) -> Result<String, Status> {
        self.get_within(None)
    }

    fn get_within(&self, timeout: Option<Duration>) -> Result<String, Status> {
        let mut copy = TokenCopy::default();
        self.cache.get(timeout, &mut copy).map_err(|error| error.status)?;
        Ok(String::from_utf8(copy.text).unwrap())
    }

    fn close(&self) {
        self.cache.close();
        self.published.give_up();
    }

    fn spawn<T: 'static>(&self, call: impl FnOnce(&Self) -> T + 'static) -> JoinHandle<T> {
        let world = self.clone();
        thread::spawn(move || call(&world))
    }
}

fn token(value: &str) -> Result<String, Status> {
    Ok(value.to_owned())
}

/// In every order of events with at most three preemptions. Without that bound it takes ten times as long.
fn in_every_order(model: impl Fn() -> TokenEndpoint + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(move || {
        clock::begin();
        let_pauses_take(Some(Duration::ZERO));
        let_threads_start(true);
        let endpoint = model();
        wait_for_all();
        assert!(endpoint.was_asked_correctly(), "two requests at once, or one too many");
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
        assert_eq!(world.published.text().as_deref(), Some("a"));
        world.endpoint
    });
}

#[test]
fn a_failed_request_wakes_all() {
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
fn callers_wait_through_a_retry() {
    in_every_order(|| {
        let world = World::new([StubResponse::Failure(Status::Unavailable), StubResponse::Token("a")]);
        let other = world.spawn(World::get);
        assert_eq!(world.get(), token("a"));
        assert_eq!(other.join().unwrap(), token("a"));
        world.endpoint
    });
}

#[test]
fn a_pause_that_takes_too_long_wakes_all() {
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
fn a_panic_wakes_all() {
    in_every_order(|| {
        let world = World::new([StubResponse::Panic]);
        let other = world.spawn(World::get);
        assert_eq!(world.get(), Err(Status::Internal));
        assert_eq!(other.join().unwrap(), Err(Status::Internal));
        world.endpoint
    });
}

#[test]
fn a_thread_that_cannot_start_wakes_all() {
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
fn a_zero_timeout_neither_misses_a_token_nor_hangs() {
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
fn close_wakes_all_while_the_endpoint_hangs() {
    in_every_order(|| {
        let world = World::new([StubResponse::Later("a")]);
        let other = world.spawn(World::get);
        world.close();
        assert_eq!(other.join().unwrap(), Err(Status::Closed));
        world.endpoint.release();
        world.endpoint
    });
}

#[test]
fn close_ends_the_pause_before_a_retry() {
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
fn replaces_a_token_that_two_callers_report_once() {
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
fn begins_one_refresh_and_nobody_waits_for_it() {
    in_every_order(|| {
        let world = World::new([StubResponse::Token("a"), StubResponse::Later("b")]);
        assert_eq!(world.get(), token("a"));
        clock::pass(Duration::from_secs(530));
        let other = world.spawn(|world| world.cache.refresh_if_due());
        world.cache.refresh_if_due();
        assert_eq!(world.get(), token("a"));
        other.join().unwrap();
        world.endpoint.release();
        world.endpoint
    });
}
