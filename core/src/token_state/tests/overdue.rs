//! Requests, and waits for the lease, that take too long.

use super::*;

#[test]
fn fails_callers_of_an_overdue_request_and_begins_no_second() {
    let mut cache = TestCache::new();
    cache.get();
    cache.pass(10.6);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.status() == Status::Unavailable));
    cache.pass(100.0);
    let (Outcome::Fails(error), false) = cache.get() else { panic!("its thread is still the one in flight") };
    assert_eq!(error.retry_after(), Some(policy::OVERDUE_RETRY_AFTER), "not at once, and not never");
    cache.succeed("a", 600.0);
    assert_eq!(cache.get(), SERVED);
}

#[test]
fn fails_callers_of_a_thread_that_sends_nothing() {
    let mut cache = TestCache::new();
    assert!(cache.begin());
    cache.pass(10.6);
    let (Outcome::Fails(error), false) = cache.get() else { panic!("a caller waits for ever") };
    assert!(!error.message().contains("store"), "there is none: {error}");
}

#[test]
fn waits_for_the_lease_before_a_fetch_is_overdue() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    cache.pass(25.4);
    assert_eq!(cache.get(), WAITS);
    assert!(cache.begin_request());
    cache.pass(10.4);
    assert_eq!(cache.get(), WAITS);
    assert_eq!(cache.fail(Status::Unavailable), None, "a request has a timeout of its own");

    cache.pass(60.0);
    assert!(cache.begin());
    cache.pass(25.6);
    let (Outcome::Fails(error), false) = cache.get() else { panic!("a caller waits for ever") };
    assert!(error.message().contains("store"), "{error}");
    assert!(cache.begin_request());
    assert_eq!(cache.get(), WAITS, "the lease was acquired after all");
}

#[test]
fn leaves_time_for_the_store_after_a_slow_response() {
    let mut cache = TestCache::sharing();
    assert_eq!(cache.get(), BEGINS);
    cache.pass(10.4);
    cache.state.response_received(cache.now);
    cache.pass(2.4);
    assert_eq!(cache.get(), WAITS);
    cache.pass(0.2);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)), "but not for ever");
}

#[test]
fn waits_for_the_lease_again_before_a_second_request() {
    let mut cache = TestCache::sharing();
    assert_eq!(cache.get(), BEGINS);
    assert!(cache.fail(Status::Unavailable).is_some());
    cache.pass(25.4);
    assert_eq!(cache.get(), WAITS);
    cache.pass(0.2);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)));
}

#[test]
fn the_end_of_an_overdue_fetch_adds_only_its_retry_after() {
    for (retry_after, next_attempt) in [(0.0, 1.0), (100.0, 100.0)] {
        let mut cache = TestCache::new();
        cache.get();
        cache.pass(10.5);
        assert!(matches!(cache.get(), (Outcome::Fails(_), false)), "it is overdue");
        cache.fail_with_retry_after(retry_after);
        let (Outcome::Fails(error), false) = cache.get() else { panic!("no request may follow yet") };
        assert_eq!(error.retry_after(), Some(seconds(next_attempt)), "one failure, although it was told before");
    }
}

#[test]
fn an_overdue_request_ends_with_what_the_endpoint_answered() {
    let mut cache = TestCache::new();
    cache.get();
    cache.pass(10.5);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.http_status().is_none()));
    let error = Error::new(Status::Unauthenticated, "no").with_http_status(401);
    assert_eq!(cache.fail_with(error.into()), None);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.http_status() == Some(401)));
    cache.pass(1.0);
    cache.get();
    cache.fail(Status::Unavailable);
    let (Outcome::Fails(error), false) = cache.get() else { panic!("no request may follow yet") };
    assert!(error.retry_after() <= Some(seconds(2.0)), "it is only the second in a row");
}
