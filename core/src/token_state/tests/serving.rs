//! The token that callers get, and when it is refreshed.

use super::*;

#[test]
fn begins_one_fetch_that_all_callers_wait_for() {
    let mut cache = TestCache::new();
    assert_eq!(cache.get(), BEGINS);
    assert_eq!(cache.get(), WAITS);
    cache.succeed("a", 600.0);
    assert_eq!(cache.get(), SERVED);
    cache.check_published("a", 1);
}

#[test]
fn serves_a_due_token_while_it_is_refreshed() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    cache.pass(509.0);
    assert_eq!(cache.get(), SERVED);
    cache.pass(2.0);
    assert_eq!(cache.get(), REFRESHES);
    assert_eq!(cache.get(), SERVED);
    cache.succeed("b", 600.0);
    cache.check_published("b", 2);
}

#[test]
fn serves_a_valid_token_while_refreshes_fail_but_no_stale_one() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    cache.pass(520.0);
    assert_eq!(cache.get(), REFRESHES);
    cache.fail_fetch();
    assert_eq!(cache.get(), SERVED, "backoff: no request yet");
    cache.pass(1.0);
    assert_eq!(cache.get(), REFRESHES);
    cache.pass(49.0);
    assert_eq!(cache.published(), None);
    assert!(matches!(cache.get(), (Outcome::Fails(_), false)), "the refresh is overdue");
}

#[test]
fn is_stale_by_the_earlier_of_two_clocks() {
    for (clock_set_by, age, served) in
        [(1_000.0, 1.0, false), (0.0, 569.0, true), (-1_000.0, 569.0, true), (-1_000.0, 570.0, false)]
    {
        let mut cache = TestCache::new();
        cache.get();
        cache.succeed("a", 600.0);
        cache.pass(age);
        cache.now.realtime = seconds(cache.now.realtime.as_secs_f64() + clock_set_by);
        assert_eq!(cache.published().is_some(), served, "wall clock set by {clock_set_by} s, token {age} s old");
    }
}

#[test]
fn fails_when_the_token_arrives_stale() {
    let mut cache = TestCache::new();
    cache.get();
    let sent_at = cache.now;
    cache.pass(9.6);
    let token = token("late", 10.0, sent_at);
    cache.state.request_succeeded(token, cache.now, EVEN);
    assert!(matches!(cache.get(), (Outcome::Fails(error), false) if error.status() == Status::Unavailable));
}
