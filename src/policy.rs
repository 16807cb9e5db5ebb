//! How long and how often: every number of a token's life, as pure functions. Chance comes in as an argument.

use std::time::Duration;

/// No API promises a token for longer; what lies beyond is taken for a mistake in the unit and cut.
pub(crate) const TTL_MAX: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// Requests in one fetch: enough to ride out a restart behind a load balancer, too few to hammer. One that follows a
/// failed fetch has a single request: in a fleet, what is down would meet all of them at once (`make fleet`).
pub(crate) const REQUESTS_PER_FETCH: u32 = 3;

/// A Retry-After beyond this would leave a program without a token for longer than an operator would expect.
pub(crate) const RETRY_AFTER_MAX: Duration = Duration::from_secs(3600);

/// How long past its timeout a request may take to end by itself, before it is called overdue.
pub(crate) const OVERDUE_GRACE: Duration = Duration::from_millis(500);

/// How soon a caller may look again who was told that a request is overdue: it may end at any moment.
pub(crate) const OVERDUE_LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A call to an API takes time too: a token is not handed out in the last moments before its end.
const LIMIT_MARGIN_MAX: Duration = Duration::from_secs(30);
const LIMIT_MARGIN_SHARE: u32 = 20;

/// Room for some failed renewals before callers have to wait.
const REFRESH_AHEAD_SHARE: u32 = 10;
const REFRESH_AHEAD_MIN: Duration = Duration::from_secs(2);

/// Long enough for a connection to be made anew, short enough for a waiting caller.
const REQUEST_PAUSE: Duration = Duration::from_millis(200);

/// Something is down or busy: it may be back at any moment, so ask soon, then rarely.
const BACKOFF_OUTAGE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A refused secret or an unknown answer takes a human to mend.
const BACKOFF_REFUSAL: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(300));
/// A token that is rejected as soon as it is issued: a route that always answers 401, or a revocation in progress.
const REJECTION_SPACING: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// A rejection this soon after its issue says more about the one who rejects than about the token.
const REJECTED_EARLY_MAX: Duration = Duration::from_secs(60);

/// See [`found_later`].
const FOUND_LATER_MAX: Duration = Duration::from_secs(1);
const FOUND_LATER_SHARE: u32 = 10;

/// How long one operation on a store may take: far more than one does, and little for a caller who waits for it.
pub(crate) const STORE_OPERATION_MAX: Duration = Duration::from_secs(1);

/// How long telling a store what became of a request may take: a token is put there, and the lease is ended.
pub(crate) const STORE_TOLD_MAX: Duration = STORE_OPERATION_MAX.saturating_mul(2);

/// How far clocks of different machines may be apart for a token in a file, which is judged by nothing else there.
pub(crate) const WALL_CLOCKS_APART_MAX: Duration = Duration::from_secs(300);

/// How often a process that may not fetch looks for another's token in the store: soon for its callers, and no load for
/// a store that many look into.
const LOOK_PAUSE: Duration = Duration::from_secs(5);

/// Looking whether another process has put its token into the store: soon at first, as most fetches take little time,
/// then rarely, as thousands may be waiting.
const TURN_PAUSE: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

/// A number drawn evenly from all `u32`, by whoever is allowed to be random.
#[derive(Clone, Copy)]
pub(crate) struct Chance(pub(crate) u32);

/// How long after it was sent for a token of this ttl is handed out.
pub(crate) fn limit(ttl: Duration) -> Duration {
    ttl - LIMIT_MARGIN_MAX.min(ttl / LIMIT_MARGIN_SHARE)
}

/// How long before its limit a token's renewal is due; spread so that many processes do not renew together.
pub(crate) fn refresh_ahead(ttl: Duration, configured: Option<Duration>, chance: Chance) -> Duration {
    let margin = configured.unwrap_or(ttl / REFRESH_AHEAD_SHARE).max(REFRESH_AHEAD_MIN);
    around(margin.min(limit(ttl) / 2), chance)
}

/// The pause before request number `sent + 1` of a fetch.
pub(crate) fn request_pause(sent: u32, chance: Chance) -> Duration {
    around(doubled(REQUEST_PAUSE, sent - 1, Duration::MAX), chance)
}

/// How long no request goes out after `failures` failed fetches in a row.
pub(crate) fn backoff(refused: bool, failures: u32, retry_after: Option<Duration>, chance: Chance) -> Duration {
    let (first, most) = if refused { BACKOFF_REFUSAL } else { BACKOFF_OUTAGE };
    let whole = doubled(first, failures - 1, most);
    let spread = whole / 2 + share(whole / 2, chance);
    spread.max(retry_after.unwrap_or_default().min(RETRY_AFTER_MAX))
}

/// Whether a token's rejection at this age counts as early.
pub(crate) fn rejected_early(age: Duration, ttl: Duration) -> bool {
    age <= REJECTED_EARLY_MAX.min(ttl / 2)
}

/// How far apart fetches are after `early` tokens in a row were rejected early.
pub(crate) fn rejection_spacing(early: u32) -> Duration {
    let (first, most) = REJECTION_SPACING;
    doubled(first, early - 1, most)
}

/// A token in the store that ends no more than this after the one at hand is that one, or not worth taking over.
pub(crate) fn found_later(ttl: Duration) -> Duration {
    FOUND_LATER_MAX.min(ttl / FOUND_LATER_SHARE)
}

/// How long a process that shares a store may keep the others from fetching, if it does not say that it has ended: a
/// request, and the operations on the store around it.
pub(crate) fn lease(request_timeout: Duration) -> Duration {
    request_timeout + OVERDUE_GRACE + 3 * STORE_OPERATION_MAX
}

/// How long one other process is waited for that holds the lease. Longer than a lease, so that whoever waits sees one
/// that was abandoned expire, instead of fetching beside all others who wait.
pub(crate) fn turn_takes(request_timeout: Duration) -> Duration {
    lease(request_timeout) + 2 * STORE_OPERATION_MAX
}

/// How long a fetch may wait for its turn, after which callers wait for no more than a request. Where that takes less
/// time than a look, there is room for one.
pub(crate) fn turns_take(request_timeout: Duration) -> Duration {
    turn_takes(request_timeout) + TURN_LOOK_MAX.saturating_sub(request_timeout)
}

/// How long looking once whether it is a process's turn may take: a pause, reading, and asking for the lease.
pub(crate) const TURN_LOOK_MAX: Duration = STORE_OPERATION_MAX.saturating_mul(2).saturating_add(TURN_PAUSE.1);

/// The pause before a process that may not fetch looks into the store, or looks again.
pub(crate) fn look_pause(chance: Chance) -> Duration {
    around(LOOK_PAUSE, chance)
}

/// The pause before a process looks again whether it is its turn, having looked so often.
pub(crate) fn turn_pause(looked: u32, chance: Chance) -> Duration {
    let (first, most) = TURN_PAUSE;
    let whole = doubled(first, looked / 2, most);
    whole / 2 + share(whole / 2, chance)
}

fn doubled(first: Duration, times: u32, most: Duration) -> Duration {
    first.saturating_mul(2u32.saturating_pow(times)).min(most)
}

/// ±10 %.
fn around(length: Duration, chance: Chance) -> Duration {
    length - length / 10 + share(length / 5, chance)
}

fn share(length: Duration, chance: Chance) -> Duration {
    length.mul_f64(f64::from(chance.0) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Chance = Chance(0);
    const HIGH: Chance = Chance(u32::MAX);

    fn s(seconds: f64) -> Duration {
        Duration::from_secs_f64(seconds)
    }

    #[track_caller]
    fn within(actual: Duration, expected: f64) {
        assert!((actual.as_secs_f64() - expected).abs() < 1e-6, "{actual:?} is not {expected} s");
    }

    #[test]
    fn limit_leaves_a_twentieth_but_at_most_30_s() {
        for (ttl, expected) in [(60_000.0, 59_970.0), (600.0, 570.0), (599.0, 569.05), (10.0, 9.5), (1.0, 0.95)] {
            within(limit(s(ttl)), expected);
        }
    }

    #[test]
    fn refresh_ahead_is_a_tenth_between_2_s_and_half() {
        for (ttl, configured, low, high) in [
            (60_000.0, None, 5_400.0, 6_600.0),
            (60_000.0, Some(60.0), 54.0, 66.0),
            (10.0, None, 1.8, 2.2),
            (10.0, Some(1.0), 1.8, 2.2),
            (3.0, None, 1.2825, 1.5675),
            (100.0, Some(1_000.0), 42.75, 52.25),
        ] {
            within(refresh_ahead(s(ttl), configured.map(s), LOW), low);
            within(refresh_ahead(s(ttl), configured.map(s), HIGH), high);
        }
    }

    #[test]
    fn requests_of_a_fetch_are_200_ms_then_400_ms_apart() {
        for (sent, low, high) in [(1, 0.18, 0.22), (2, 0.36, 0.44)] {
            within(request_pause(sent, LOW), low);
            within(request_pause(sent, HIGH), high);
        }
    }

    #[test]
    fn backoff_doubles_in_its_upper_half_up_to_a_maximum() {
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
            within(backoff(refused, failures, None, LOW), low);
            within(backoff(refused, failures, None, HIGH), high);
        }
    }

    #[test]
    fn a_larger_retry_after_wins_up_to_an_hour() {
        for (retry_after, expected) in [(0.0, 1.0), (0.5, 1.0), (7.0, 7.0), (3_600.0, 3_600.0), (3_601.0, 3_600.0)] {
            within(backoff(false, 1, Some(s(retry_after)), HIGH), expected);
        }
        within(backoff(true, 1, Some(s(7.0)), HIGH), 7.0);
    }

    #[test]
    fn a_rejection_is_early_within_a_minute_or_half_the_ttl() {
        for (age, ttl, early) in
            [(60.0, 60_000.0, true), (60.1, 60_000.0, false), (5.0, 10.0, true), (5.1, 10.0, false)]
        {
            assert_eq!(rejected_early(s(age), s(ttl)), early, "{age} s of {ttl} s");
        }
    }

    #[test]
    fn rejections_are_1_s_doubling_to_60_s_apart() {
        for (early, expected) in [(1, 1.0), (2, 2.0), (6, 32.0), (7, 60.0), (u32::MAX, 60.0)] {
            within(rejection_spacing(early), expected);
        }
    }

    #[test]
    fn a_found_token_must_end_later_by_a_tenth_of_its_ttl_or_a_second() {
        for (ttl, expected) in [(60_000.0, 1.0), (10.0, 1.0), (2.0, 0.2), (1.0, 0.1)] {
            within(found_later(s(ttl)), expected);
        }
    }

    #[test]
    fn a_turn_outlasts_a_lease_and_a_lease_a_request() {
        for (request_timeout, lease_for, turn, turns) in [(10.0, 13.5, 15.5, 15.5), (0.5, 4.0, 6.0, 8.0)] {
            within(lease(s(request_timeout)), lease_for);
            within(turn_takes(s(request_timeout)), turn);
            within(turns_take(s(request_timeout)), turns);
        }
        within(TURN_LOOK_MAX, 2.5);
    }

    #[test]
    fn who_may_not_fetch_looks_every_5_s() {
        within(look_pause(LOW), 4.5);
        within(look_pause(HIGH), 5.5);
    }

    #[test]
    fn looks_while_waiting_for_a_turn_are_20_ms_doubling_every_other_time_to_half_a_second_apart() {
        for (looked, low, high) in
            [(0, 0.01, 0.02), (1, 0.01, 0.02), (2, 0.02, 0.04), (9, 0.16, 0.32), (10, 0.25, 0.5), (99, 0.25, 0.5)]
        {
            within(turn_pause(looked, LOW), low);
            within(turn_pause(looked, HIGH), high);
        }
    }
}
