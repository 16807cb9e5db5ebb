//! The guarantees of one cache, a model each.

use std::sync::Arc;
use std::time::Duration;

use bankhub_core::Status;
use loom::thread::{self, JoinHandle};

use crate::config::Config;
use crate::http::token_endpoint::{StubResponse, TokenEndpoint};
use crate::runtime::cache::Cache;
use crate::runtime::clock;
use crate::runtime::published_token::{MaybeOwned, PublishedToken, TokenCopy};
use crate::runtime::thread::{let_threads_start, wait_for_all};
use crate::store::Store;
pub(crate) use crate::sync::let_pauses_take;

/// A cache, and what it stands on.
#[derive(Clone)]
pub(crate) struct Fixture {
    pub(crate) cache: Arc<Cache>,
    pub(crate) endpoint: TokenEndpoint,
    published: &'static PublishedToken,
}

impl Fixture {
    fn new(responses: impl IntoIterator<Item = StubResponse>) -> Self {
        Self::with(TokenEndpoint::new(responses), None)
    }

    pub(crate) fn with(endpoint: TokenEndpoint, store: Option<Store>) -> Self {
        let timeout = Duration::from_secs(10);
        let config = Config { get_timeout: timeout, request_timeout: timeout, refresh_ahead: None };
        let published = &*Box::leak(Box::<PublishedToken>::default());
        let cache = Arc::new(Cache::new(&config, endpoint.clone(), store, MaybeOwned(published)));
        Self { cache, endpoint, published }
    }

    pub(crate) fn get(&self) -> Result<String, Status> {
        self.get_within(None)
    }

    pub(crate) fn get_within(&self, timeout: Option<Duration>) -> Result<String, Status> {
        let mut copy = TokenCopy::default();
        self.cache.get(timeout, &mut copy).map_err(|error| error.status())?;
        Ok(String::from_utf8(copy.text).unwrap())
    }

    pub(crate) fn close(&self) {
        self.cache.close();
        self.published.give_up();
    }

    pub(crate) fn spawn<T: 'static>(&self, call: impl FnOnce(&Self) -> T + 'static) -> JoinHandle<T> {
        let fixture = self.clone();
        thread::spawn(move || call(&fixture))
    }
}

pub(crate) fn token(value: &str) -> Result<String, Status> {
    Ok(value.to_owned())
}

/// In every order of events with at most three interruptions of threads that could have gone on. Without that bound it
/// takes ten times as long.
pub(crate) fn check_every_order(model: impl Fn() -> TokenEndpoint + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(3);
    builder.max_threads = 5;
    builder.check(move || {
        clock::begin();
        let_pauses_take(Some(Duration::ZERO));
        let_threads_start(true);
        let endpoint = model();
        wait_for_all();
        assert!(endpoint.got_one_request_at_a_time(), "two requests at once, or one too many");
    });
}

#[test]
fn all_callers_wait_for_one_request() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Token("a")]);
        let others = [fixture.spawn(Fixture::get), fixture.spawn(Fixture::get)];
        assert_eq!(fixture.get(), token("a"));
        for other in others {
            assert_eq!(other.join().unwrap(), token("a"));
        }
        assert_eq!(fixture.published.text().as_deref(), Some("a"));
        fixture.endpoint
    });
}

#[test]
fn woken_callers_do_not_publish_the_token_again() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Token("a")]);
        let other = fixture.spawn(Fixture::get);
        assert_eq!(fixture.get(), token("a"));
        assert_eq!(other.join().unwrap(), token("a"));
        // First that there is no token, then the token.
        assert_eq!(fixture.published.publications(), 2);
        fixture.endpoint
    });
}

#[test]
fn a_failed_request_fails_every_caller() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Failure(Status::Unauthenticated)]);
        let others = [fixture.spawn(Fixture::get), fixture.spawn(Fixture::get)];
        assert_eq!(fixture.get(), Err(Status::Unauthenticated));
        for other in others {
            assert_eq!(other.join().unwrap(), Err(Status::Unauthenticated));
        }
        fixture.endpoint
    });
}

#[test]
fn callers_wait_through_a_retry() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Failure(Status::Unavailable), StubResponse::Token("a")]);
        let other = fixture.spawn(Fixture::get);
        assert_eq!(fixture.get(), token("a"));
        assert_eq!(other.join().unwrap(), token("a"));
        fixture.endpoint
    });
}

#[test]
fn a_pause_that_takes_too_long_fails_every_caller() {
    check_every_order(|| {
        let_pauses_take(Some(Duration::from_secs(60)));
        let fixture = Fixture::new([StubResponse::Failure(Status::Unavailable)]);
        let other = fixture.spawn(Fixture::get);
        assert_eq!(fixture.get(), Err(Status::Unavailable));
        assert_eq!(other.join().unwrap(), Err(Status::Unavailable));
        fixture.endpoint
    });
}

#[test]
fn a_panic_fails_every_caller() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Panic]);
        let other = fixture.spawn(Fixture::get);
        assert_eq!(fixture.get(), Err(Status::Internal));
        assert_eq!(other.join().unwrap(), Err(Status::Internal));
        fixture.endpoint
    });
}

#[test]
fn a_thread_that_cannot_start_fails_every_caller() {
    check_every_order(|| {
        let_threads_start(false);
        let fixture = Fixture::new([]);
        let others = [fixture.spawn(Fixture::get), fixture.spawn(Fixture::get)];
        assert_eq!(fixture.get(), Err(Status::Internal));
        for other in others {
            assert_eq!(other.join().unwrap(), Err(Status::Internal));
        }
        fixture.endpoint
    });
}

#[test]
fn a_zero_timeout_neither_misses_a_token_nor_hangs() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Token("a")]);
        let other = fixture.spawn(|fixture| fixture.get_within(Some(Duration::ZERO)));
        assert_eq!(fixture.get(), token("a"));
        assert!([token("a"), Err(Status::DeadlineExceeded)].contains(&other.join().unwrap()));
        assert_eq!(fixture.get_within(Some(Duration::ZERO)), token("a"));
        fixture.endpoint
    });
}

#[test]
fn close_wakes_every_caller_and_ends_a_fetch() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Token("a")]);
        let others = [fixture.spawn(Fixture::get), fixture.spawn(Fixture::get)];
        fixture.close();
        for other in others {
            assert!([token("a"), Err(Status::Closed)].contains(&other.join().unwrap()));
        }
        assert_eq!(fixture.get(), Err(Status::Closed));
        fixture.endpoint
    });
}

#[test]
fn close_wakes_every_caller_while_the_endpoint_hangs() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Held("a")]);
        let other = fixture.spawn(Fixture::get);
        fixture.close();
        assert_eq!(other.join().unwrap(), Err(Status::Closed));
        fixture.endpoint.release();
        fixture.endpoint
    });
}

#[test]
fn close_ends_the_pause_before_a_retry() {
    check_every_order(|| {
        let_pauses_take(None);
        let fixture = Fixture::new([StubResponse::Failure(Status::Unavailable)]);
        let other = fixture.spawn(Fixture::get);
        fixture.close();
        assert_eq!(other.join().unwrap(), Err(Status::Closed));
        fixture.endpoint
    });
}

#[test]
fn a_token_that_two_callers_report_is_replaced_once() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Token("a"), StubResponse::Token("b")]);
        assert_eq!(fixture.get(), token("a"));
        let report = |fixture: &Fixture| {
            fixture.cache.invalidate("a").unwrap();
            fixture.get()
        };
        let other = fixture.spawn(report);
        assert_eq!(report(&fixture), token("b"));
        assert_eq!(other.join().unwrap(), token("b"));
        fixture.endpoint
    });
}

/// A cache whose last two tokens were rejected, so that callers wait before the next request.
fn after_two_rejections(then: impl IntoIterator<Item = StubResponse>) -> Fixture {
    let first = [StubResponse::Token("a"), StubResponse::Token("b")];
    let fixture = Fixture::new(first.into_iter().chain(then));
    for token in ["a", "b"] {
        assert_eq!(fixture.get(), self::token(token));
        fixture.cache.invalidate(token).unwrap();
    }
    fixture
}

#[test]
fn close_wakes_every_caller_who_waits_without_a_fetch() {
    check_every_order(|| {
        let fixture = after_two_rejections([]);
        let others = [fixture.spawn(Fixture::get), fixture.spawn(Fixture::get)];
        fixture.close();
        for other in others {
            assert_eq!(other.join().unwrap(), Err(Status::Closed));
        }
        fixture.endpoint
    });
}

#[test]
fn a_caller_who_waits_without_a_fetch_gets_the_token_that_another_fetches() {
    check_every_order(|| {
        let fixture = after_two_rejections([StubResponse::Token("c")]);
        let other = fixture.spawn(Fixture::get);
        clock::pass(Duration::from_millis(100));
        assert_eq!(fixture.get(), token("c"));
        assert_eq!(other.join().unwrap(), token("c"));
        fixture.endpoint
    });
}

#[test]
fn a_refresh_begins_once_and_nobody_waits_for_it() {
    check_every_order(|| {
        let fixture = Fixture::new([StubResponse::Token("a"), StubResponse::Held("b")]);
        assert_eq!(fixture.get(), token("a"));
        clock::pass(Duration::from_secs(530));
        let other = fixture.spawn(|fixture| fixture.cache.refresh_if_due());
        fixture.cache.refresh_if_due();
        assert_eq!(fixture.get(), token("a"));
        other.join().unwrap();
        fixture.endpoint.release();
        fixture.endpoint
    });
}
