//! Tokens that an API answers 401 to.

use super::*;
use crate::rejection::REMEMBERED;

#[test]
fn fetches_once_for_a_rejected_token_and_never_for_an_old_one() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    assert_eq!(cache.reject("a"), WAITS);
    cache.succeed("b", 600.0);
    assert_eq!(cache.reject("a"), SERVED);
    assert_eq!(cache.reject(""), SERVED);
    cache.check_published("b", 2);
    let stats = cache.stats();
    assert_eq!((stats.rejections, stats.ignored_rejections), (2, 2));
}

#[test]
fn serves_other_callers_while_one_route_rejects_every_token() {
    let mut cache = TestCache::new();
    let (mut requests, mut waits) = (0, 0);
    for step in 0..360_000 {
        let (outcome, begins) = cache.get();
        let (_, begins_by_rejection) = match cache.published() {
            Some((value, _)) => cache.reject(&value),
            None => (Outcome::Waits, false),
        };
        waits += u32::from(outcome != Outcome::Served);
        if begins || begins_by_rejection {
            requests += 1;
            cache.succeed(&step.to_string(), 60_000.0);
        }
        cache.pass(0.01);
    }
    assert!((65..=75).contains(&requests), "{requests} requests in an hour");
    // Their calls in 100, 200 and 300 ms, less a few for the age of each token.
    assert!((55..=65).contains(&waits), "{waits} calls found no token");
}

#[test]
fn replaces_a_short_lived_token_that_is_always_rejected_before_it_expires() {
    let mut cache = TestCache::new();
    for step in 0..3_600 {
        let (outcome, begins) = cache.get();
        if begins {
            cache.succeed(&step.to_string(), 10.0);
        }
        assert!(outcome == Outcome::Served || step < 60, "a caller waits at {step} s");
        if let Some((value, _)) = cache.published() {
            let (_, begins) = cache.reject(&value);
            if begins {
                cache.succeed(&format!("again{step}"), 10.0);
            }
        }
        cache.pass(1.0);
    }
}

#[test]
fn withdraws_a_rejected_token_at_the_end_of_backoff() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    cache.pass(520.0);
    assert_eq!(cache.get(), REFRESHES);
    cache.fail_with_retry_after(7.0);
    cache.pass(7.0);
    assert_eq!(cache.stats().next_attempt_at, 0);
    assert_eq!(cache.reject("a"), BEGINS, "withdrawn, because its replacement may be fetched now");
}

#[test]
fn keeps_generation_when_the_rejected_token_is_issued_again() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    for (spacing, waits) in [(0.1, WAITS), (0.2, WAITS), (0.3, SERVED)] {
        cache.succeed("a", 600.0);
        assert_eq!(cache.get(), waits, "its replacement is still wanted, in {spacing} s");
        cache.pass(spacing);
        cache.get();
    }
    cache.check_published("a", 1);
}

#[test]
fn knows_a_rejected_token_that_is_issued_again_after_another_one() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.succeed("b", 600.0);
    assert_eq!(cache.reject("b"), WAITS);
    cache.pass(0.1);
    assert_eq!(cache.get(), BEGINS);
    cache.succeed("a", 600.0);
    assert_eq!(cache.get(), WAITS, "its replacement is still wanted");
    cache.pass(0.2);
    assert_eq!(cache.get(), BEGINS);
    cache.succeed("c", 600.0);
    cache.check_published("c", 4);
}

#[test]
fn waits_for_no_other_request_if_a_slow_one_brought_the_rejected_token_again() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    let sent_at = cache.now;
    cache.pass(0.1);
    cache.succeed_sent_at("a", 600.0, sent_at);
    assert_eq!(cache.get(), REFRESHES);
}

#[test]
fn serves_a_rejected_token_while_backoff_forbids_its_replacement() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.fail_fetch();
    assert_eq!(cache.get(), SERVED);
    cache.check_published("a", 1);
}

#[test]
fn forgets_early_rejections_when_a_token_is_not_rejected_early() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.succeed("b", 600.0);
    cache.pass(61.0);
    assert_eq!(cache.reject("b"), BEGINS, "withdrawn, as after a first rejection");
}

#[test]
fn adopts_no_rejected_token_until_it_is_forgotten() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    assert_eq!(cache.read("a", 600.0, 0.0), Verdict::Rejected);
    assert_eq!(cache.read("b", 600.0, 300.0), Verdict::FetchEnded, "although it expires before the rejected one");
    cache.check_published("b", 2);
    cache.pass(100.0);
    assert_eq!(cache.read("a", 600.0, 0.0), Verdict::Rejected);
    for step in 0..REMEMBERED {
        cache.pass(61.0);
        let (value, _) = cache.published().expect("there is a token");
        assert_eq!(cache.reject(&value), BEGINS);
        cache.succeed(&step.to_string(), 600.0);
    }
    assert_eq!(cache.read("b", 6_000.0, 0.0), Verdict::Rejected);
    assert_eq!(cache.read("a", 6_000.0, 0.0), Verdict::FetchEnded, "forgotten long ago");
}

#[test]
fn a_token_that_expires_unrejected_ends_the_row() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.succeed("b", 600.0);
    cache.pass(570.0);
    assert_eq!(cache.get(), BEGINS);
    cache.succeed("c", 600.0);
    assert_eq!(cache.reject("c"), BEGINS, "withdrawn, as the first of a row");
}

#[test]
fn spaces_fetches_further_each_time_the_rejected_token_is_issued_again() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    for (spacing, served, outcome) in [
        (0.1, WAITS, BEGINS),
        (0.2, WAITS, BEGINS),
        (0.3, SERVED, REFRESHES),
        (0.6, SERVED, REFRESHES),
        (1.2, SERVED, REFRESHES),
    ] {
        cache.succeed("a", 600.0);
        cache.pass(spacing - 0.01);
        assert_eq!(cache.get(), served, "{spacing} s have not passed");
        cache.pass(0.01);
        assert_eq!(cache.get(), outcome, "{spacing} s have passed");
    }
}

#[test]
fn serves_a_rejected_token_on_if_it_is_issued_again() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.fail_fetch();
    cache.pass(1.0);
    assert_eq!(cache.get(), REFRESHES);
    cache.succeed("a", 600.0);
    assert_eq!(cache.get(), SERVED, "although its replacement may be requested in 100 ms");
}

/// Each token is rejected as soon as it arrives, by a caller who then asks for another.
#[test]
fn callers_wait_for_a_replacement_after_up_to_four_revocations_at_once() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    for (token, spacing) in [("b", 0.1), ("c", 0.2), ("d", 0.3)] {
        cache.succeed(token, 600.0);
        assert_eq!(cache.reject(token), WAITS, "{token} is withdrawn");
        assert_eq!(cache.until(), spacing, "{token} is replaced then");
        cache.pass(spacing);
        assert_eq!(cache.get(), BEGINS, "{token} is replaced");
    }
    cache.succeed("e", 600.0);
    assert_eq!(cache.reject("e"), SERVED, "in the background from now on");
    cache.pass(0.59);
    assert_eq!(cache.get(), SERVED);
    cache.pass(0.01);
    assert_eq!(cache.get(), REFRESHES);
}

#[test]
fn callers_wait_if_a_token_has_lived_until_shortly_before_its_spacing_is_over() {
    for (age, outcome) in [(0.29, SERVED), (0.3, WAITS), (0.6, BEGINS), (59.0, BEGINS)] {
        let mut cache = TestCache::new();
        cache.get();
        cache.succeed("a", 600.0);
        assert_eq!(cache.reject("a"), BEGINS);
        for spacing in [0.1, 0.2, 0.3] {
            cache.succeed("b", 600.0);
            cache.reject("b");
            cache.pass(spacing);
            cache.get();
        }
        cache.succeed("c", 600.0);
        cache.pass(age);
        assert_eq!(cache.reject("c"), outcome, "rejected after {age} s, when the spacing is 0.6 s");
    }
}

/// A slow endpoint must not make a token seem to have lived for longer.
#[test]
fn a_token_lives_from_its_arrival() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    for (token, spacing) in [("b", 0.1), ("c", 0.2), ("d", 0.3)] {
        let sent_at = cache.now;
        cache.pass(5.0);
        cache.succeed_sent_at(token, 600.0, sent_at);
        assert_eq!(cache.reject(token), WAITS);
        assert_eq!(cache.until(), spacing);
        cache.pass(spacing);
        assert_eq!(cache.get(), BEGINS);
    }
}

#[test]
fn a_token_that_is_issued_again_without_a_rejection_ends_the_row_and_lives_on() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.succeed("b", 600.0);
    cache.pass(520.0);
    assert_eq!(cache.get(), REFRESHES);
    cache.succeed("b", 600.0);
    assert_eq!(cache.reject("b"), BEGINS);
    cache.succeed("c", 600.0);
    assert_eq!(cache.reject("c"), WAITS);
    assert_eq!(cache.until(), 0.1, "the first spacing of a row");
}

#[test]
fn spacing_does_not_grow_when_a_token_is_not_rejected_early() {
    let mut cache = TestCache::new();
    cache.get();
    for (token, lived) in [("a", 0.0), ("b", 61.0), ("c", 61.0), ("d", 61.0)] {
        cache.succeed(token, 600.0);
        cache.pass(lived);
        assert_eq!(cache.reject(token), BEGINS);
    }
    cache.succeed("e", 600.0);
    assert_eq!(cache.reject("e"), WAITS);
    assert_eq!(cache.until(), 0.1);
}

#[test]
fn a_token_that_is_refreshed_unrejected_ends_the_row() {
    let mut cache = TestCache::new();
    cache.get();
    cache.succeed("a", 600.0);
    assert_eq!(cache.reject("a"), BEGINS);
    cache.succeed("b", 600.0);
    cache.pass(520.0);
    assert_eq!(cache.get(), REFRESHES);
    cache.succeed("c", 600.0);
    assert_eq!(cache.reject("c"), BEGINS, "as the first of a row");
}

#[test]
fn no_call_fails_while_each_token_lives_for_half_a_second() {
    let mut cache = TestCache::new();
    cache.get();
    for step in 0..26 {
        let token = step.to_string();
        cache.succeed(&token, 600.0);
        cache.pass(0.5);
        assert_eq!(cache.reject(&token), BEGINS, "token {token}");
    }
}

#[test]
fn a_token_that_lives_for_half_an_hour_ends_the_row() {
    for (age, spacing) in [(60.1, SERVED), (1_799.0, SERVED), (1_800.0, WAITS)] {
        let mut cache = TestCache::new();
        cache.get();
        for step in 0..8 {
            cache.succeed(&format!("a{step}"), 60_000.0);
            cache.reject(&format!("a{step}"));
            cache.pass(1.0);
            cache.get();
        }
        cache.succeed("b", 60_000.0);
        cache.pass(age);
        assert_eq!(cache.reject("b"), BEGINS, "at once, as it was not rejected early");
        cache.succeed("f", 60_000.0);
        assert_eq!(cache.reject("f"), spacing, "after a token that has lived for {age} s");
    }
}
