//! A store that other processes use too: which of its tokens are adopted, and who reads it when no request may be sent.

use super::*;

#[test]
fn ends_fetch_without_a_request_when_another_process_has_a_token() {
    let mut cache = TestCache::new();
    assert!(cache.begin());
    assert_eq!(cache.read("a", 600.0, 100.0), Verdict::FetchEnded);
    assert_eq!(cache.get(), SERVED);
    cache.check_published("a", 1);
    let stats = cache.stats();
    assert_eq!((stats.requests, stats.successes, stats.fetching), (0, 0, false));
    cache.pass(411.0);
    assert_eq!(cache.get(), REFRESHES, "it is due when it is due where it was fetched");
    cache.pass(59.0);
    assert_eq!(cache.published(), None, "and it is stale at the same time, too");
}

#[test]
fn adopts_a_token_only_if_it_lasts_longer() {
    for (ttl, age, verdict) in [
        (600.0, 520.0, Verdict::Useless),
        (600.0, 519.0, Verdict::Useless),
        (600.0, 518.9, Verdict::FetchEnded),
        (600.0, 0.0, Verdict::FetchEnded),
        (600.0, 599.0, Verdict::Useless),
        (100.0, 0.0, Verdict::FetchEnded),
        (80.0, 0.0, Verdict::Useless),
    ] {
        for value in ["a", "b"] {
            let mut cache = TestCache::new();
            cache.get();
            cache.succeed("a", 600.0);
            cache.pass(520.0);
            assert_eq!(cache.get(), REFRESHES);
            assert_eq!(cache.read(value, ttl, age), verdict, "{value}, {age} of {ttl} s old");
            let adopted = value == "b" && verdict == Verdict::FetchEnded;
            cache.check_published(if adopted { "b" } else { "a" }, if adopted { 2 } else { 1 });
        }
    }
    assert_eq!(TestCache::new().read("a", 600.0, 570.0), Verdict::Useless, "it is stale");
}

/// A cache that shares a store, and whose fetch has failed, so that it may send no request for a minute.
pub(super) fn in_backoff(token: Option<&str>) -> TestCache {
    let mut cache = TestCache::sharing();
    cache.get();
    if let Some(token) = token {
        cache.succeed(token, 600.0);
        assert_eq!(cache.reject(token), BEGINS);
    }
    cache.fail_with_retry_after(60.0);
    cache
}

#[test]
fn reads_the_store_while_no_request_may_be_sent() {
    let mut cache = in_backoff(None);
    cache.pass(4.9);
    assert!(!cache.begin());
    cache.pass(0.1);
    assert!(cache.begin());
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() == Some(seconds(55.0))));
    assert_eq!(cache.read_empty(), Verdict::FetchEnded, "no request follows");
    assert!(!cache.begin());
    cache.pass(5.0);
    assert!(cache.begin());
    assert_eq!(cache.read("a", 600.0, 1.0), Verdict::FetchEnded);
    assert_eq!(cache.get(), SERVED);
    cache.check_published("a", 1);
    assert_eq!(cache.stats().requests, 1);
}

#[test]
fn sends_no_request_in_a_read_only_fetch_and_keeps_the_backoff_however_it_ends() {
    for end in 0..3 {
        let mut cache = in_backoff(None);
        cache.pass(5.0);
        assert!(cache.begin());
        match end {
            0 => assert!(!cache.begin_request(), "the store failed"),
            1 => cache.state.fetch_did_not_start(Error::new(Status::Internal, "no"), cache.now, EVEN),
            _ => cache.state.fetch_panicked(Error::new(Status::Internal, "no"), cache.now, EVEN),
        }
        assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.status() == Status::Unavailable));
        cache.pass(55.0);
        assert_eq!(cache.get(), BEGINS, "the backoff ends when it was to end");
    }
}

#[test]
fn stays_in_backoff_when_it_adopts_a_token() {
    let mut cache = in_backoff(None);
    cache.pass(5.0);
    assert!(cache.begin());
    assert_eq!(cache.read("a", 600.0, 520.0), Verdict::FetchEnded);
    assert_eq!(cache.get(), SERVED, "it is due, but may not be refreshed yet");
    cache.pass(5.0);
    assert!(cache.begin(), "but another process may have refreshed it");
    assert_eq!(cache.outcome(), Outcome::Served, "and nobody waits for that");
    assert_eq!(cache.read("a", 600.0, 520.0), Verdict::FetchEnded);
    assert_eq!(cache.state.invalidate("a", cache.now), Invalidation::StartFetch);
    assert!(cache.published().is_some(), "nor replaced, and so is not withdrawn");
    assert_eq!(cache.read_empty(), Verdict::FetchEnded);
    cache.pass(49.0);
    assert!(cache.begin());
    assert!(!cache.begin_request());
    assert!(cache.stats().last_error.is_some());
    cache.pass(1.0);
    assert_eq!(cache.get(), BEGINS);
    assert_eq!(cache.stats().last_error, None, "the backoff has ended");
    assert!(cache.fail(Status::Unavailable).is_some(), "nor is it the second in a row");
}

#[test]
fn keeps_the_backoff_when_a_read_hangs() {
    let mut cache = in_backoff(None);
    cache.pass(5.0);
    assert!(cache.begin());
    cache.pass(50.0);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.retry_after() == Some(seconds(5.0))));
    cache.pass(10.0);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)), "no caller waits for what hangs");
    assert_eq!(cache.read_empty(), Verdict::FetchEnded);
    assert_eq!(cache.get(), BEGINS);
}

#[test]
fn stops_waiting_for_a_read_that_hangs_after_one_that_found_a_token() {
    let mut cache = in_backoff(None);
    assert!(!cache.begin());
    cache.pass(5.0);
    assert!(cache.begin());
    assert_eq!(cache.read("a", 100.0, 80.0), Verdict::FetchEnded);
    cache.pass(16.0);
    assert!(cache.begin());
    cache.pass(30.0);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)));
    cache.pass(10.0);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)), "although its backoff has ended");
}

#[test]
fn serves_a_rejected_token_again_when_a_read_hangs() {
    let mut cache = TestCache::sharing();
    cache.get();
    cache.succeed("a", 6_000.0);
    cache.pass(5_400.0);
    assert!(cache.begin() && cache.begin_request());
    cache.fail_with_retry_after(60.0);
    cache.pass(59.0);
    assert!(cache.begin());
    cache.pass(2.0);
    assert_eq!(cache.reject("a"), WAITS, "a replacement may follow at once");
    cache.pass(23.0);
    assert_eq!(cache.get(), WAITS);
    cache.pass(1.0);
    assert_eq!(cache.get(), SERVED);
}

#[test]
fn does_not_read_the_store_at_once_for_a_rejected_token_that_is_issued_again() {
    let mut cache = TestCache::sharing();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.succeed("a", 600.0);
    assert!(!cache.begin());
}

#[test]
fn abandons_only_with_a_token_or_after_a_failed_fetch() {
    let mut cache = TestCache::new();
    cache.get();
    assert!(!cache.abandon(), "the endpoint may have a token for this process");
    cache.succeed("a", 600.0);
    cache.pass(520.0);
    assert_eq!(cache.get(), REFRESHES);
    assert!(cache.abandon());
    assert_eq!(cache.get(), SERVED);
    cache.pass(60.0);
    assert_eq!(cache.get(), BEGINS);
    assert!(cache.abandon());
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)));
}

#[test]
fn waits_for_a_read_that_outlasts_the_backoff() {
    let mut cache = in_backoff(None);
    cache.pass(59.0);
    assert!(cache.begin());
    cache.pass(1.0);
    assert_eq!(cache.get(), WAITS);
    assert_eq!(cache.read_empty(), Verdict::FetchEnded);
    assert_eq!(cache.get(), BEGINS);
}

#[test]
fn reads_the_store_in_the_background_while_it_serves_a_rejected_token() {
    let mut cache = in_backoff(Some("a"));
    assert_eq!(cache.published().as_ref().map(|(value, _)| value.as_str()), Some("a"));
    cache.pass(5.0);
    assert!(cache.begin());
    assert_eq!(cache.get(), SERVED);
    assert_eq!(cache.read("b", 600.0, 0.0), Verdict::FetchEnded);
    cache.check_published("b", 2);
    assert!(!cache.begin(), "a good token needs no read");
    let invalidation = cache.state.invalidate("b", cache.now);
    assert_eq!(invalidation, Invalidation::StartFetch, "at once, although no request may follow");
    assert!(!cache.begin_request());
    cache.check_published("b", 2);
}

#[test]
fn reads_the_store_at_once_while_callers_wait_until_a_request_may_be_sent() {
    for token_of_another_process in [false, true] {
        let mut cache = TestCache::sharing();
        cache.get();
        cache.succeed("a", 600.0);
        assert_eq!(cache.reject("a"), BEGINS);
        cache.succeed("b", 600.0);
        cache.pass(0.01);
        assert_eq!(cache.state.invalidate("b", cache.now), Invalidation::StartFetch);
        assert_eq!(cache.get(), WAITS, "for the read");
        if token_of_another_process {
            assert_eq!(cache.read("c", 600.0, 0.0), Verdict::FetchEnded);
            cache.check_published("c", 3);
        } else {
            assert_eq!(cache.read("b", 600.0, 0.01), Verdict::FetchEnded);
            assert_eq!(cache.get(), WAITS, "without a fetch");
            assert_eq!(cache.until(), 0.09);
            cache.pass(0.09);
            assert_eq!(cache.get(), BEGINS, "with a request");
        }
    }
}

#[test]
fn confirms_a_due_token_for_a_moment() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    assert_eq!(cache.read("a", 600.0, 0.0), Verdict::FetchEnded);
    assert_eq!(cache.get(), SERVED);
    let refresh_at = cache.state.published().and_then(|published| published.confirm_at).expect("it has a store");
    cache.pass(refresh_at.saturating_since(cache.now.boottime).as_secs_f64());
    let before = cache.state.awaited();
    assert!(cache.begin());
    assert_eq!(cache.outcome(), Outcome::Confirms);
    let confirming = cache.state.awaited();
    let published = cache.state.published().expect("a caller who cannot wait gets it");
    assert!(published.confirm_at.is_some_and(|at| at < cache.now.boottime), "nobody gets it without a poll");
    assert_eq!(cache.read("a", 600.0, 600.0), Verdict::Useless);
    assert_eq!(cache.outcome(), Outcome::Confirms, "the lease may be another's, and its token be here soon");
    assert!(cache.begin_request());
    assert!(cache.state.awaited().wakes_since(&confirming), "this process has the lease");
    assert_eq!(cache.outcome(), Outcome::Served);
    assert_eq!(cache.state.published().and_then(|published| published.confirm_at), None);
    assert_eq!(cache.state.awaited().generation, before.generation);
}

#[test]
fn serves_a_due_token_soon_if_the_store_hangs_and_at_once_after_it_has_failed() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    assert_eq!(cache.read("a", 600.0, 0.0), Verdict::FetchEnded);
    cache.pass(520.0);
    assert!(cache.begin());
    cache.pass(0.099);
    assert_eq!(cache.outcome(), Outcome::Confirms);
    cache.pass(0.001);
    assert_eq!(cache.outcome(), Outcome::Served);

    cache.state.store_failed(StoreStep::Read, Error::new(Status::Unavailable, "it hangs"));
    assert!(cache.begin_request());
    assert_eq!(cache.fail(Status::Unauthenticated), None);
    assert_eq!(cache.state.published().and_then(|published| published.confirm_at), None);
    cache.pass(5.0);
    assert!(cache.begin());
    assert_eq!(cache.outcome(), Outcome::Served);
}

#[test]
fn finds_a_shared_token_due_at_the_same_moment_in_each_process() {
    let refresh_at = |jitter: u32, value: &str| {
        let mut cache = TestCache::sharing();
        assert!(cache.begin());
        let token = Some(token(value, 600.0, cache.now));
        let entry = StoredEntry { token, ..StoredEntry::default() };
        assert_eq!(cache.state.store_read(&entry, cache.now, Jitter(jitter)), Verdict::FetchEnded);
        cache.state.next_check_at()
    };
    assert_eq!(refresh_at(0, "a"), refresh_at(u32::MAX, "a"));
    assert_ne!(refresh_at(0, "a"), refresh_at(0, "b"), "fleets are spread");
}

#[test]
fn reports_a_store_failure_until_the_same_step_works() {
    for step in [StoreStep::Read, StoreStep::Lease, StoreStep::Write] {
        let mut cache = TestCache::new();
        cache.get();
        cache.state.store_failed(step, Error::new(Status::Unavailable, "the disk is full"));
        cache.succeed("a", 600.0);
        cache.pass(520.0);
        assert_eq!(cache.get(), REFRESHES);
        for other in [StoreStep::Read, StoreStep::Lease, StoreStep::Write] {
            if other != step {
                cache.state.store_worked(other);
            }
        }
        assert!(cache.stats().last_error.is_some());
        cache.state.store_worked(step);
        assert_eq!(cache.stats().last_error, None);
    }
}

#[test]
fn a_failure_of_the_store_ends_the_wait_for_it() {
    for (step, outcome) in [(StoreStep::Read, Outcome::Served), (StoreStep::Write, Outcome::Confirms)] {
        let mut cache = TestCache::sharing();
        cache.get();
        cache.succeed("a", 600.0);
        cache.pass(530.0);
        assert!(cache.begin());
        assert_eq!(cache.outcome(), Outcome::Confirms);
        let confirming = cache.state.awaited();
        cache.state.store_failed(step, Error::new(Status::Unavailable, "it is down"));
        assert!(cache.state.awaited().wakes_since(&confirming));
        assert_eq!(cache.outcome(), Outcome::Served);
        assert!(cache.begin_request());
        cache.fail(Status::Unauthenticated);
        cache.pass(5.5);
        assert!(cache.begin());
        assert_eq!(cache.outcome(), outcome, "the next time, after {step:?}");
    }
}

#[test]
fn confirms_a_token_again_when_the_backoff_has_ended() {
    let mut cache = TestCache::sharing();
    cache.get();
    cache.succeed("a", 600.0);
    cache.pass(530.0);
    assert!(cache.begin() && cache.begin_request());
    cache.fail_with_retry_after(20.0);
    let confirm_at = cache.state.published().and_then(|published| published.confirm_at);
    assert_eq!(confirm_at, Some(cache.now.boottime + seconds(20.0)));
}

#[test]
fn nothing_is_left_of_an_overdue_fetch_that_finds_a_token() {
    let mut cache = TestCache::sharing();
    assert!(cache.begin());
    cache.pass(25.6);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)));
    assert_eq!(cache.read("a", 600.0, 1.0), Verdict::FetchEnded);
    assert_eq!(cache.stats().last_error, None);
}

#[test]
fn a_token_of_another_process_shows_that_the_store_can_be_written() {
    for (step, is_reported) in [(StoreStep::Read, true), (StoreStep::Lease, false), (StoreStep::Write, false)] {
        let mut cache = TestCache::sharing();
        assert!(cache.begin());
        cache.state.store_failed(step, Error::new(Status::Unavailable, "the disk is full"));
        assert_eq!(cache.read("a", 600.0, 0.0), Verdict::FetchEnded);
        assert_eq!(cache.stats().last_error.is_some(), is_reported);
    }
}
