//! The guarantees of caches that share a store, a model each. Each cache stands for a process.

use std::time::Duration;

use bankhub_core::Status;

use crate::http::token_endpoint::{StubResponse, TokenEndpoint};
use crate::models::{Fixture, check_every_order, let_pauses_take, token};
use crate::runtime::thread::wait_for_all;
use crate::store::Store;

/// Two caches, one store and one endpoint.
fn two_processes(responses: impl IntoIterator<Item = StubResponse>) -> (Fixture, Fixture, Store) {
    let (endpoint, store) = (TokenEndpoint::new(responses), Store::new());
    let process = || Fixture::with(endpoint.clone(), Some(store.clone()));
    (process(), process(), store)
}

#[test]
fn processes_that_share_a_store_send_one_request() {
    check_every_order(|| {
        let (first, second, store) = two_processes([StubResponse::Token("a")]);
        let other = second.spawn(Fixture::get);
        assert_eq!(first.get(), token("a"));
        assert_eq!(other.join().unwrap(), token("a"));
        assert_eq!(store.content().0.as_deref(), Some("a"));
        first.endpoint
    });
}

#[test]
fn a_stored_token_costs_no_request() {
    check_every_order(|| {
        let (first, second, store) = two_processes([StubResponse::Token("a")]);
        assert_eq!(first.get(), token("a"));
        let other = second.spawn(Fixture::get);
        assert_eq!(second.get(), token("a"));
        assert_eq!(other.join().unwrap(), token("a"));
        assert_eq!(store.content().0.as_deref(), Some("a"));
        first.endpoint
    });
}

#[test]
fn a_token_that_two_processes_reject_is_replaced_once() {
    check_every_order(|| {
        let (first, second, store) = two_processes([StubResponse::Token("a"), StubResponse::Token("b")]);
        for process in [&first, &second] {
            assert_eq!(process.get(), token("a"));
        }
        for process in [&first, &second] {
            process.cache.invalidate("a").unwrap();
        }
        for process in [&first, &second] {
            assert_eq!(process.get(), token("b"));
        }
        assert_eq!(store.content().0.as_deref(), Some("b"));
        first.endpoint
    });
}

#[test]
fn processes_that_share_a_store_send_one_request_to_an_endpoint_that_refuses() {
    check_every_order(|| {
        let (first, second, _) = two_processes([StubResponse::Refusal(Status::Unauthenticated)]);
        let other = second.spawn(Fixture::get);
        assert_eq!(first.get(), Err(Status::Unauthenticated));
        assert_eq!(other.join().unwrap(), Err(Status::Unauthenticated));
        first.endpoint
    });
}

#[test]
fn a_store_that_fails_costs_no_call() {
    check_every_order(|| {
        let (first, _, store) = two_processes([StubResponse::Token("a")]);
        store.fail();
        let other = first.spawn(Fixture::get);
        assert_eq!(first.get(), token("a"));
        assert_eq!(other.join().unwrap(), token("a"));
        first.endpoint
    });
}

#[test]
fn close_ends_the_wait_for_the_lease() {
    check_every_order(|| {
        let_pauses_take(None);
        let (first, second, store) = two_processes([StubResponse::Held("a")]);
        for process in [&first, &second] {
            assert_eq!(process.get_within(Some(Duration::ZERO)), Err(Status::DeadlineExceeded));
        }
        // One waits for the response, the other one for the lease.
        first.close();
        second.close();
        first.endpoint.release();
        wait_for_all();
        assert!(store.content().1, "somebody still holds the lease");
        first.endpoint
    });
}

#[test]
fn every_fetch_releases_the_lease() {
    check_every_order(|| {
        let (first, second, store) =
            two_processes([StubResponse::Failure(Status::Unauthenticated), StubResponse::Token("a")]);
        assert_eq!(first.get(), Err(Status::Unauthenticated));
        assert_eq!(second.get(), token("a"));
        wait_for_all();
        assert!(store.content().1, "somebody still holds the lease");
        first.endpoint
    });
}
