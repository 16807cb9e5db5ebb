//! Tests which changes are published, and which wake callers.

use super::*;

impl TestCache {
    /// Whether the change makes it necessary to publish again.
    fn changes_publication(&mut self, change: impl FnOnce(&mut Self)) -> bool {
        let before = self.state.publication();
        change(self);
        self.state.publication() != before
    }

    /// Whether callers who waited before the change must poll again.
    fn wakes(&mut self, change: impl FnOnce(&mut Self)) -> bool {
        let before = self.state.awaited();
        change(self);
        self.state.awaited().wakes_since(&before)
    }
}

#[test]
fn publishes_again_only_what_has_changed() {
    let mut cache = TestCache::new();
    assert!(!cache.changes_publication(|cache| assert!(cache.begin())), "there is no token before and after");
    assert!(cache.begin_request());
    assert!(cache.changes_publication(|cache| cache.succeed("a", 600.0)), "a token");
    for _ in 0..64 {
        assert!(!cache.changes_publication(|cache| assert_eq!(cache.get(), SERVED)), "the same token");
    }
    cache.pass(520.0);
    assert!(cache.changes_publication(|cache| assert!(cache.begin())), "no check is needed during a fetch");
    assert!(!cache.changes_publication(|cache| assert!(cache.begin_request())), "readers see no request");
    assert!(cache.changes_publication(|cache| cache.fail_fetch()), "the next check, after the backoff");
    cache.pass(1.0);
    assert!(cache.begin() && cache.begin_request());
    assert!(cache.changes_publication(|cache| cache.succeed("a", 600.0)), "the same token with another end");
    assert!(cache.changes_publication(|cache| drop(cache.reject("a"))), "a withdrawn token");
    cache.succeed("b", 600.0);
    assert!(cache.changes_publication(|cache| cache.state.close()), "a closed cache");
    assert!(!cache.changes_publication(|cache| drop(cache.state.poll(cache.now))), "and nothing after that");
}

#[test]
fn publishes_that_a_stale_token_is_gone() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    cache.pass(570.0);
    assert!(cache.changes_publication(|cache| drop(cache.published())));
}

#[test]
fn wakes_callers_when_they_get_something_else() {
    let mut cache = TestCache::sharing();
    assert!(!cache.wakes(|cache| assert!(cache.begin())), "nobody waits before a fetch");
    assert!(cache.wakes(|cache| assert!(cache.begin_request())), "the deadline is earlier, now that it has the lease");
    assert!(!cache.wakes(|cache| cache.state.response_received(cache.now)), "a later deadline can wait");
    assert!(!cache.wakes(|cache| drop(cache.outcome())), "a poll changes nothing");
    assert!(cache.wakes(|cache| cache.succeed("a", 600.0)), "a token");
    assert!(!cache.wakes(|cache| assert_eq!(cache.get(), SERVED)));
    assert!(cache.wakes(|cache| cache.state.close()), "closed");
}

#[test]
fn wakes_callers_when_the_fetch_fails_or_is_overdue() {
    let mut cache = TestCache::new();
    cache.get();
    assert!(!cache.wakes(|cache| assert!(cache.fail(Status::Unavailable).is_some())));
    assert!(cache.wakes(|cache| assert_eq!(cache.fail(Status::Unauthenticated), None)), "it has failed");

    let mut cache = TestCache::new();
    cache.get();
    cache.pass(10.6);
    assert!(cache.wakes(|cache| drop(cache.outcome())), "it is overdue");
}

#[test]
fn closed_fails_every_poll_and_starts_nothing() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert!(!cache.state.is_closed());
    cache.state.close();
    assert!(cache.state.is_closed());
    assert!(matches!(cache.outcome(), Outcome::Fails(error) if error.status() == Status::Closed));
    assert_eq!(cache.state.invalidate("a", cache.now), Invalidation::Ignored);
    assert!(!cache.state.refresh_if_due(cache.now));
    assert_eq!(cache.state.generation(), 1, "the next cache in its place goes on from there");
}

#[test]
fn refreshes_only_a_due_token() {
    let mut cache = TestCache::new();
    assert!(!cache.state.refresh_if_due(cache.now), "there is none to refresh");
    cache.get();
    cache.succeed("a", 600.0);
    cache.pass(400.0);
    assert!(!cache.state.refresh_if_due(cache.now));
    cache.pass(120.0);
    assert!(cache.state.refresh_if_due(cache.now));
    assert!(!cache.state.refresh_if_due(cache.now), "it is in flight");
}

#[test]
fn a_child_inherits_token_and_generation() {
    let mut cache = TestCache::new();
    let inherited = token("a", 600.0, cache.now);
    cache.state = TokenState::new(cache.state.settings, 7);
    cache.state.inherit(inherited, EVEN);
    cache.check_published("a", 7);
    assert_eq!(cache.state.generation(), 7);
}
