//! Every number of the policy, at its limits.

use super::*;

const LOW: Jitter = Jitter(0);
const HIGH: Jitter = Jitter(u32::MAX);

fn s(seconds: f64) -> Duration {
    Duration::from_secs_f64(seconds)
}

#[track_caller]
fn check(actual: Duration, expected: f64) {
    assert!((actual.as_secs_f64() - expected).abs() < 1e-6, "{actual:?} is not {expected} s");
}

#[test]
fn a_ttl_is_at_most_ten_years() {
    assert_eq!(TTL_MAX, s(315_360_000.0));
}

#[test]
fn is_stale_a_twentieth_before_expiry_but_at_most_30_s() {
    for (ttl, expected) in [(60_000.0, 59_970.0), (600.0, 570.0), (599.0, 569.05), (10.0, 9.5), (1.0, 0.95)] {
        check(stale_after(s(ttl)), expected);
    }
}

#[test]
fn refreshes_a_tenth_ahead_between_2_s_and_half() {
    for (ttl, configured, low, high) in [
        (60_000.0, None, 5_400.0, 6_600.0),
        (60_000.0, Some(60.0), 54.0, 66.0),
        (10.0, None, 1.8, 2.2),
        (10.0, Some(1.0), 1.8, 2.2),
        (3.0, None, 1.2825, 1.5675),
        (100.0, Some(1_000.0), 42.75, 52.25),
    ] {
        check(refresh_ahead(s(ttl), configured.map(s), LOW), low);
        check(refresh_ahead(s(ttl), configured.map(s), HIGH), high);
    }
}

#[test]
fn retries_after_200_ms_then_400_ms() {
    for (sent, low, high) in [(1, 0.18, 0.22), (2, 0.36, 0.44)] {
        check(retry_pause(sent, LOW), low);
        check(retry_pause(sent, HIGH), high);
    }
}

#[test]
fn doubles_backoff_up_to_a_maximum_with_jitter_in_its_upper_half() {
    for (refused, failures, low, high) in [
        (false, 1, 0.5, 1.0),
        (false, 2, 1.0, 2.0),
        (false, 6, 16.0, 32.0),
        (false, 7, 30.0, 60.0),
        (false, 4_000_000_000, 30.0, 60.0),
        (true, 1, 2.5, 5.0),
        (true, 6, 80.0, 160.0),
        (true, 7, 150.0, 300.0),
    ] {
        check(backoff(refused, failures, None, LOW), low);
        check(backoff(refused, failures, None, HIGH), high);
    }
}

#[test]
fn obeys_a_longer_retry_after_up_to_an_hour() {
    for (retry_after, expected) in [(0.0, 1.0), (0.5, 1.0), (7.0, 7.0), (3_600.0, 3_600.0), (3_601.0, 3_600.0)] {
        check(backoff(false, 1, Some(s(retry_after)), HIGH), expected);
    }
    check(backoff(true, 1, Some(s(7.0)), HIGH), 7.0);
}

#[test]
fn rejection_is_early_within_a_minute_or_half_the_ttl() {
    for (age, ttl, early) in [(60.0, 60_000.0, true), (60.1, 60_000.0, false), (5.0, 10.0, true), (5.1, 10.0, false)] {
        assert_eq!(is_early_rejection(s(age), s(ttl)), early, "{age} s of {ttl} s");
    }
}

#[test]
fn spaces_rejections_from_100_ms_doubling_to_60_s_and_once_just_as_far_as_callers_wait() {
    let mut spacing = Duration::ZERO;
    for expected in [0.1, 0.2, 0.3, 0.6, 1.2, 2.4, 4.8, 9.6, 19.2, 38.4, 60.0, 60.0] {
        spacing = next_rejection_spacing(spacing, Duration::ZERO);
        check(spacing, expected);
    }
    check(REJECTION_WAIT_MAX, 0.3);
}

#[test]
fn spacing_grows_by_the_time_that_a_token_lacked_and_at_least_by_a_sixteenth() {
    for (spacing, age, expected) in [
        (0.1, 0.04, 0.16),
        (1.6, 0.4, 2.8),
        (1.6, 1.5, 1.7),
        (1.6, 1.6, 1.7),
        (1.6, 59.0, 1.7),
        (0.299, 59.0, 0.3),
        (59.0, 59.0, 60.0),
    ] {
        check(next_rejection_spacing(s(spacing), s(age)), expected);
    }
}

#[test]
fn waits_after_a_reissue_are_within_the_longest_wait() {
    check(REISSUE_WAIT_MAX, 0.2);
    check(REISSUE_WAIT_MAX + next_rejection_spacing(Duration::ZERO, Duration::ZERO), 0.3);
}

#[test]
fn a_token_that_lives_for_half_an_hour_ends_the_row() {
    for (age, ends) in [(1_799.9, false), (1_800.0, true)] {
        assert_eq!(ends_rejection_row(s(age)), ends, "{age} s");
    }
}

#[test]
fn adopts_a_token_that_expires_later_by_a_tenth_of_its_ttl_or_a_second() {
    for (ttl, expected) in [(60_000.0, 1.0), (10.0, 1.0), (2.0, 0.2), (1.0, 0.1)] {
        check(adoption_margin(s(ttl)), expected);
    }
}

#[test]
fn waits_longer_for_a_holder_than_a_lease_lasts_and_a_lease_outlasts_a_request() {
    for (request_timeout, lease, holder, wait) in [(10.0, 13.5, 16.5, 16.5), (0.5, 4.0, 6.5, 8.5)] {
        check(lookup_lease_duration(s(request_timeout)), lease);
        check(lease_holder_timeout(s(request_timeout)), holder);
        check(lease_wait_max(s(request_timeout)), wait);
    }
    check(LEASE_POLL_MAX, 2.5);
    check(LEASE_DURATION, 3.0);
    check(LEASE_EXTEND_PAUSE, 1.0);
}

#[test]
fn retries_within_request_timeout_and_with_a_store_within_a_second() {
    check(retry_window(s(10.0), false), 10.0);
    check(retry_window(s(10.0), true), 1.0);
    check(retry_window(s(0.5), true), 0.5);
}

#[test]
fn waits_a_second_for_a_store_that_has_failed() {
    check(store_wait(LOW), 0.9);
    check(store_wait(HIGH), 1.1);
    check(STORE_WAIT_MIN_LEFT, 6.0);
}

#[test]
fn polls_the_store_every_5_s() {
    check(store_poll_pause(LOW), 4.5);
    check(store_poll_pause(HIGH), 5.5);
}

#[test]
fn polls_the_lease_after_20_ms_doubling_every_fourth_time_to_half_a_second() {
    for (polls, low, high) in
        [(0, 0.01, 0.02), (3, 0.01, 0.02), (4, 0.02, 0.04), (19, 0.16, 0.32), (20, 0.25, 0.5), (99, 0.25, 0.5)]
    {
        check(lease_poll_pause(polls, LOW), low);
        check(lease_poll_pause(polls, HIGH), high);
    }
}
