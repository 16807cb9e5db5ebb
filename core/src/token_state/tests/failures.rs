//! Failed requests: retries within a fetch, and the backoff after it.

use super::*;

#[test]
fn sends_three_requests_within_request_timeout() {
    let mut cache = TestCache::new();
    cache.get();
    cache.fail_fetch();
    assert_eq!(cache.stats().requests, 3);

    let mut cache = TestCache::new();
    cache.get();
    cache.pass(9.9);
    assert_eq!(cache.fail(Status::Unavailable), None, "a second request would begin after 10 s");

    for status in [Status::RateLimited, Status::Unauthenticated, Status::BadResponse, Status::Internal] {
        let mut cache = TestCache::new();
        cache.get();
        assert_eq!(cache.fail(status), None, "{status:?}");
    }
}

#[test]
fn sends_one_request_after_a_failed_fetch() {
    let mut cache = TestCache::new();
    cache.get();
    cache.fail_fetch();
    for _ in 0..3 {
        cache.pass(60.0);
        assert_eq!(cache.get(), BEGINS);
        assert_eq!(cache.fail(Status::Unavailable), None);
    }
    cache.pass(60.0);
    cache.get();
    cache.succeed("a", 60.0);
    cache.pass(60.0);
    cache.get();
    assert!(cache.fail(Status::Unavailable).is_some(), "a success resets the backoff");
}

#[test]
fn sends_no_request_after_a_pause_longer_than_request_timeout() {
    for (pause, sends) in [(0.2, true), (10.0, true), (10.01, false), (11.0, false)] {
        let mut cache = TestCache::new();
        cache.get();
        assert!(cache.fail(Status::Unavailable).is_some());
        cache.pass(pause);
        assert_eq!(cache.begin_request(), sends, "after {pause} s");
        assert_eq!(matches!(cache.get(), (Outcome::Fails(_), false)), !sends, "after {pause} s");
    }
}

#[test]
fn sends_third_request_within_request_timeout_of_the_first() {
    for (pause, sends) in [(4.0, true), (6.0, false)] {
        let mut cache = TestCache::new();
        cache.get();
        for sends in [true, sends] {
            assert!(cache.fail(Status::Unavailable).is_some());
            cache.pass(pause);
            assert_eq!(cache.begin_request(), sends, "after {pause} s each");
        }
    }
}

#[test]
fn ends_fetch_at_retry_after_and_obeys_it() {
    let mut cache = TestCache::new();
    cache.get();
    assert_eq!(cache.fail_with_retry_after(7.0), None);
    cache.pass(6.9);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() == Some(seconds(0.1))));
    cache.pass(0.1);
    assert_eq!(cache.get(), BEGINS);
}

#[test]
fn bounds_requests_to_an_endpoint_that_is_down() {
    let mut cache = TestCache::new();
    let end = cache.now.boottime + seconds(60.0);
    while cache.now.boottime < end {
        if cache.get().1 {
            cache.fail_fetch();
        }
        cache.pass(0.01);
    }
    let requests = cache.stats().requests;
    assert!(requests <= 9, "{requests} requests in a minute");
}

#[test]
fn a_panic_is_a_failed_request() {
    let mut cache = TestCache::new();
    cache.get();
    cache.state.fetch_panicked(Error::new(Status::Internal, "it panicked"), cache.now, EVEN);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.status() == Status::Internal));
    assert_eq!(cache.stats().failures, 1);
}

#[test]
fn names_the_last_failure() {
    let mut cache = TestCache::new();
    let named = |cache: &TestCache| cache.state.last_failure().map(Error::status);
    cache.get();
    assert_eq!(named(&cache), None);
    assert!(cache.fail(Status::Unavailable).is_some());
    assert_eq!(named(&cache), Some(Status::Unavailable), "of the request before");
    assert_eq!(cache.fail(Status::Unauthenticated), None);
    assert_eq!(named(&cache), Some(Status::Unauthenticated), "of the fetch before");
    cache.pass(60.0);
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(named(&cache), None);
}

#[test]
fn counts_with_unix_times() {
    let mut cache = TestCache::new();
    let start = 1_700_000_000;
    cache.get();
    cache.pass(1.0);
    cache.fail_with_retry_after(7.0);
    let stats = cache.stats();
    assert_eq!((stats.last_failure_at, stats.next_attempt_at, stats.last_success_at), (start + 1, start + 8, 0));
    cache.pass(7.0);
    cache.get();
    cache.succeed("a", 600.0);
    let stats = cache.stats();
    assert_eq!((stats.last_success_at, stats.expires_at, stats.next_attempt_at), (start + 8, start + 608, 0));
    assert!((start + 510..=start + 530).contains(&stats.refresh_at), "{}", stats.refresh_at);
    assert_eq!(cache.reject("a"), BEGINS);
    let stats = cache.stats();
    assert_eq!((stats.generation, stats.expires_at, stats.refresh_at), (0, 0, 0), "it is withdrawn");
}

#[test]
fn counts_requests_and_their_ends() {
    let mut cache = TestCache::new();
    let counts = |cache: &mut TestCache| {
        let Stats { requests, successes, failures, consecutive_failures, .. } = cache.stats();
        (requests, successes, failures, consecutive_failures)
    };
    cache.get();
    cache.fail_fetch();
    assert_eq!(counts(&mut cache), (3, 0, 3, 3));
    for value in ["a", "b"] {
        cache.pass(600.0);
        cache.get();
        cache.succeed(value, 600.0);
    }
    assert_eq!(counts(&mut cache), (5, 2, 3, 0));
}

#[test]
fn a_panic_ends_the_fetch_whatever_its_error() {
    let mut cache = TestCache::new();
    cache.get();
    cache.state.fetch_panicked(Error::new(Status::Unavailable, "it panicked"), cache.now, EVEN);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)));
    assert!(!cache.stats().fetching);
}
