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
    assert_eq!(cache.fail(Status::Unavailable), AfterRequest::End, "a second request would begin after 10 s");

    for status in [Status::RateLimited, Status::Unauthenticated, Status::BadResponse, Status::Internal] {
        let mut cache = TestCache::new();
        cache.get();
        assert_eq!(cache.fail(status), AfterRequest::End, "{status:?}");
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
        assert_eq!(cache.fail(Status::Unavailable), AfterRequest::End);
    }
    cache.pass(60.0);
    cache.get();
    cache.succeed("a", 60.0);
    cache.pass(60.0);
    cache.get();
    assert!(matches!(cache.fail(Status::Unavailable), AfterRequest::RetryAt(_)), "a success resets the backoff");
}

#[test]
fn sends_no_request_after_a_pause_longer_than_request_timeout() {
    for (pause, sends) in [(0.2, true), (10.0, true), (10.01, false), (11.0, false)] {
        let mut cache = TestCache::new();
        cache.get();
        assert!(matches!(cache.fail(Status::Unavailable), AfterRequest::RetryAt(_)));
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
            assert!(matches!(cache.fail(Status::Unavailable), AfterRequest::RetryAt(_)));
            cache.pass(pause);
            assert_eq!(cache.begin_request(), sends, "after {pause} s each");
        }
    }
}

#[test]
fn ends_fetch_at_retry_after_and_obeys_it() {
    let mut cache = TestCache::new();
    cache.get();
    assert_eq!(cache.fail_with_retry_after(7.0), AfterRequest::End);
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
