//! Failures that the endpoint answered to other processes: which are adopted, how they count, and when they end.

use super::shared_store::in_backoff;
use super::*;

/// A failure of another process. The next request may be sent after this time.
fn shared_failure(cache: &TestCache, failures: u32, wait: f64) -> StoredEntry {
    let error = Error::new(Status::Unavailable, "no").with_http_status(503);
    let failure = SharedFailure { error, failures, next_attempt_at: cache.now + seconds(wait) };
    StoredEntry { failure: Some(failure), ..StoredEntry::default() }
}

#[test]
fn adopts_a_failure_that_forbids_a_request_for_longer_than_its_own() {
    let mut cache = in_backoff(None);
    cache.pass(5.0);
    assert!(cache.begin());
    let shorter = shared_failure(&cache, 9, 54.0);
    assert_eq!(cache.read_entry(shorter), Verdict::FetchEnded);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() == Some(seconds(55.0))));
    cache.pass(5.0);
    assert!(cache.begin());
    let longer = shared_failure(&cache, 9, 60.0);
    assert_eq!(cache.read_entry(longer), Verdict::FetchEnded);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() == Some(seconds(60.0))));
}

#[test]
fn a_shared_failure_ends_with_either_clock_and_within_an_hour() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    let entry = shared_failure(&cache, 1, 100_000.0);
    assert_eq!(cache.read_entry(entry), Verdict::FetchEnded);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() == Some(seconds(3_600.0))));

    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    let mut entry = shared_failure(&cache, 1, 60.0);
    entry.failure.as_mut().expect("it has one").next_attempt_at.realtime = cache.now.realtime;
    assert_eq!(cache.read_entry(entry), Verdict::Useless, "the wall clock says that it is over");
    let mut entry = shared_failure(&cache, 1, 60.0);
    entry.failure.as_mut().expect("it has one").next_attempt_at.boottime = cache.now.boottime;
    assert_eq!(cache.read_entry(entry), Verdict::Useless, "the wall clock was set back since");
    assert!(cache.begin_request());
    assert_eq!(cache.fail(Status::Unavailable), None, "no retry: it is the second failure in a row");
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() > Some(seconds(1.0))));
}

#[test]
fn prefers_a_better_token_to_a_failure() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    let mut entry = shared_failure(&cache, 1, 60.0);
    entry.token = Some(token("a", 600.0, cache.now));
    assert_eq!(cache.read_entry(entry), Verdict::FetchEnded);
    assert_eq!(cache.get(), SERVED);
    assert_eq!(cache.stats().last_error, None);
}

#[test]
fn forgets_an_old_failure_although_it_is_still_in_the_store() {
    for (age, retries) in [(599.0, false), (600.0, true)] {
        let mut cache = TestCache::sharing();
        let entry = shared_failure(&cache, 9, 0.0);
        cache.pass(age);
        assert!(cache.begin());
        assert_eq!(cache.read_entry(entry), Verdict::Useless);
        assert!(cache.begin_request());
        assert_eq!(cache.fail(Status::Unavailable).is_some(), retries, "after {age} s");
    }
}

#[test]
fn an_overdue_fetch_sends_nothing_while_a_shared_failure_forbids_it() {
    let mut cache = in_backoff(None);
    cache.pass(60.0);
    assert!(cache.begin());
    cache.pass(26.0);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() > Some(seconds(1.0))));
    let entry = shared_failure(&cache, 2, 1.0);
    assert_eq!(cache.read_entry(entry), Verdict::FetchEnded);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() > Some(seconds(1.0))));
}

#[test]
fn a_closed_cache_counts_on_the_failures_that_the_store_knows_of() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    let entry = shared_failure(&cache, 9, 0.0);
    assert_eq!(cache.read_entry(entry), Verdict::Useless);
    assert!(cache.begin_request());
    cache.state.close();
    let AfterFailure::End(failed) = cache.state.request_failed(failure(Status::Unavailable), cache.now, EVEN) else {
        panic!("no retry follows in a closed cache")
    };
    assert_eq!(failed.failures, 10, "for the other processes");
}

#[test]
fn recovers_from_a_failure_although_it_is_read_again() {
    let mut cache = TestCache::sharing();
    let mut entry = shared_failure(&cache, 1, 60.0);
    assert!(cache.begin());
    assert_eq!(cache.read_entry(entry.clone()), Verdict::FetchEnded);
    entry.token = Some(token("a", 600.0, cache.now - seconds(520.0)));
    for _ in 0..2 {
        cache.pass(5.5);
        assert!(cache.begin());
        assert_eq!(cache.read_entry(entry.clone()), Verdict::FetchEnded);
        assert_eq!(cache.get(), SERVED);
    }
    cache.pass(49.0);
    assert_eq!(cache.stats().last_error, None, "a token was adopted since, and the backoff has ended");
}

#[test]
fn counts_on_from_an_adopted_failure_that_is_no_longer_in_the_store() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    let entry = shared_failure(&cache, 9, 1.0);
    assert_eq!(cache.read_entry(entry), Verdict::FetchEnded);
    cache.pass(1.0);
    assert!(cache.begin());
    assert_eq!(cache.read_empty(), Verdict::Useless);
    assert!(cache.begin_request());
    assert_eq!(cache.fail(Status::Unavailable), None, "no retry");
    let (Outcome::Fails(error), false) = cache.get() else { panic!("no request may follow yet") };
    assert!(error.retry_after() > Some(seconds(30.0)), "{error:?}");
}

#[test]
fn a_token_ends_the_row_of_failures_that_the_store_knew_of() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    let entry = shared_failure(&cache, 9, 0.0);
    assert_eq!(cache.read_entry(entry), Verdict::Useless);
    assert!(cache.begin_request());
    cache.succeed("a", 600.0);
    cache.pass(530.0);
    assert!(cache.begin() && cache.begin_request(), "the store cannot be read");
    assert!(cache.fail(Status::Unavailable).is_some(), "it is the first in a row");
}
