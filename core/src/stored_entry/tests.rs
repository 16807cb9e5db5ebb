//! How long a stored token may live here, by what the store and the clocks say.

use super::*;

fn seconds(boottime: u64, realtime: u64) -> Timestamp {
    Timestamp { boottime: Instant::from_origin(Duration::from_secs(boottime)), realtime: Duration::from_secs(realtime) }
}

const TTL: Duration = Duration::from_secs(60_000);

/// Requested at 1,000 s of one clock and 5,000 s of the other.
fn stored() -> Token {
    Token { value: Secret::new("token".to_owned()), ttl: TTL, sent_at: seconds(1_000, 5_000) }
}

fn decode(entry: &StoredEntry, ends_at: Option<Timestamp>, boot_id: Option<&str>, now: Timestamp) -> StoredEntry {
    StoredEntry::decode(&entry.encode("this boot"), ends_at, boot_id, now).expect("it was encoded")
}

fn entry() -> StoredEntry {
    StoredEntry { token: Some(stored()), ..StoredEntry::default() }
}

/// When the request for the stored token counts as sent.
fn sent_at(ends_at: Option<Timestamp>, boot_id: Option<&str>, now: Timestamp) -> Option<Timestamp> {
    let entry = decode(&entry(), ends_at, boot_id, now);
    assert_eq!(entry.problem.is_some(), entry.token.is_none());
    entry.token.map(|token| {
        assert_eq!((token.value.expose(), token.ttl), ("token", TTL));
        token.sent_at
    })
}

#[test]
fn keeps_the_times_of_a_token_of_this_boot() {
    assert_eq!(sent_at(None, Some("this boot"), seconds(1_100, 9_999)), Some(seconds(1_000, 5_000)));
}

#[test]
fn adds_the_clock_skew_to_the_age_of_a_token_of_another_machine() {
    for boot_id in [Some("another boot"), None] {
        for (now, counts_as_sent) in [
            (seconds(90_000, 5_100), Some(seconds(89_600, 4_700))),
            (seconds(90_000, 4_700), Some(seconds(90_000, 4_700))),
            (seconds(90_000, 4_699), None),
        ] {
            assert_eq!(sent_at(None, boot_id, now), counts_as_sent, "{now:?}");
        }
    }
}

#[test]
fn keeps_a_token_of_this_boot_when_the_wall_clock_is_set_back() {
    assert_eq!(sent_at(None, Some("this boot"), seconds(1_100, 4_000)), Some(seconds(1_000, 4_000)));
}

#[test]
fn reports_a_token_of_another_machine_that_counts_as_older_than_it_can_be() {
    let is_reported = |entry: &StoredEntry, written_after| {
        let mut entry = decode(entry, None, Some("another boot"), seconds(90_000, 9_000));
        entry.check_age(Duration::from_secs(written_after));
        assert!(entry.token.is_some(), "it is used, but counts as too old");
        entry.problem.is_some()
    };
    assert!(!is_reported(&entry(), 0));
    assert!(!is_reported(&entry(), 5_300));
    assert!(is_reported(&entry(), 5_301));
    let refused = StoredEntry { failure: Some(failure()), ..entry() };
    assert!(!is_reported(&refused, 9_000), "it was written again with the failure");
}

#[test]
fn trusts_the_expiry_of_the_store_up_to_the_ttl() {
    for (left, age) in [(60_000, 0), (59_000, 1_000), (70_000, 0)] {
        let now = seconds(90_000, 90_000);
        let end = now + Duration::from_secs(left);
        assert_eq!(sent_at(Some(end), Some("this boot"), now), Some(now - Duration::from_secs(age)), "{left}");
    }
}

/// The endpoint refused at 2,000 s of one clock and 6,000 s of the other, and the next request may go out 60 s later.
fn failure() -> SharedFailure {
    let error = Error::new(Status::Unavailable, "the endpoint answered 503").with_http_status(503);
    SharedFailure { error, failures: 7, next_attempt_at: seconds(2_060, 6_060) }
}

#[test]
fn encodes_a_failure_with_a_token_and_without() {
    for token in [Some(stored()), None] {
        let entry = StoredEntry { token, failure: Some(failure()), ..StoredEntry::default() };
        let decoded = decode(&entry, None, Some("this boot"), seconds(2_010, 6_010));
        assert_eq!(decoded.failure, Some(failure()));
        assert_eq!(decoded.token.map(|token| token.sent_at), entry.token.map(|token| token.sent_at));
    }
}

#[test]
fn ends_with_the_later_of_token_and_failure() {
    let remembered = policy::SHARED_FAILURE_REMEMBERED;
    let of = |token: Option<Token>| StoredEntry { token, failure: Some(failure()), ..StoredEntry::default() }.ends_at();
    assert_eq!(entry().ends_at(), stored().expires_at());
    assert_eq!(of(None), failure().next_attempt_at + remembered);
    assert_eq!(of(Some(stored())), stored().expires_at());
    let short_lived = Token { ttl: Duration::from_secs(60), ..stored() };
    assert_eq!(of(Some(short_lived)), failure().next_attempt_at + remembered);
}

#[test]
fn knows_the_time_of_a_failure_from_the_end_that_the_store_knows() {
    let short_lived = Token { ttl: Duration::from_secs(60), ..stored() };
    let entry = StoredEntry { token: Some(short_lived), failure: Some(failure()), ..StoredEntry::default() };
    let now = seconds(90_000, 90_000);
    let ends_at = now + policy::SHARED_FAILURE_REMEMBERED + Duration::from_secs(5);
    let decoded = decode(&entry, Some(ends_at), Some("this boot"), now);
    assert_eq!(decoded.failure.map(|failure| failure.next_attempt_at), Some(now + Duration::from_secs(5)));
    assert_eq!(decoded.token.map(|token| token.sent_at), Some(now - Duration::from_secs(1_055)));
}

#[test]
fn lets_a_failure_of_another_machine_end_early_rather_than_late() {
    let entry = StoredEntry { failure: Some(failure()), ..StoredEntry::default() };
    for (now, next_attempt_at) in [
        (seconds(90_000, 5_700), seconds(90_060, 5_760)),
        (seconds(90_000, 5_760), seconds(90_000, 5_760)),
        (seconds(90_000, 6_060), seconds(89_700, 5_760)),
    ] {
        let decoded = decode(&entry, None, Some("another boot"), now).failure.expect("it is there");
        assert_eq!(decoded.next_attempt_at, next_attempt_at);
    }
}

#[test]
fn encodes_without_moving_the_token() {
    let failure = SharedFailure { failures: u32::MAX, ..failure() };
    let entry = StoredEntry { failure: Some(failure), ..entry() };
    let texts = "this boot".len() + "token".len() + "the endpoint answered 503".len();
    let capacity = entry.encode("this boot").capacity();
    assert_eq!(capacity, NUMBERS_BYTES_MAX + texts, "a buffer that grew has left a copy behind");
}

#[test]
fn refuses_bytes_that_are_not_an_entry() {
    let now = seconds(2_010, 6_010);
    let is_refused = |plain: &[u8]| StoredEntry::decode(plain, None, Some("id"), now).is_none();
    let plain = StoredEntry { failure: Some(failure()), ..entry() }.encode("id");
    assert!(!is_refused(&plain));
    for length in 0..plain.len() {
        assert!(is_refused(&plain[..length]), "{length} bytes");
    }
    assert!(is_refused(&[&plain[..], &[0]].concat()), "one byte more");
    for value in ["a b", "a\r\nX-Injected: 1", "\u{e9}", &"x".repeat(policy::TOKEN_BYTES_MAX + 1)] {
        let token = Token { value: Secret::new(value.to_owned()), ..stored() };
        let entry = StoredEntry { token: Some(token), ..StoredEntry::default() };
        assert!(is_refused(&entry.encode("id")), "{value:.20}");
    }
}

#[test]
fn a_token_ages_once_however_often_machines_write_it_again_with_a_failure() {
    let now = seconds(90_000, 9_000);
    let mut plain = entry().encode("boot 1");
    for boot_id in ["boot 2", "boot 3", "boot 1"] {
        let read = StoredEntry::decode(&plain, None, Some(boot_id), now).expect("it was encoded");
        let sent_at = read.token.as_ref().map(|token| token.sent_at);
        assert_eq!(sent_at, Some(now - Duration::from_secs(4_300)), "4,000 s, and the skew");
        plain = StoredEntry { failure: Some(failure()), ..read }.encode(boot_id);
    }
}

#[test]
fn ignores_a_failure_of_a_machine_whose_clock_is_far_ahead() {
    let entry = StoredEntry { failure: Some(failure()), ..StoredEntry::default() };
    let is_used = |realtime| decode(&entry, None, Some("another boot"), seconds(90_000, realtime)).failure.is_some();
    assert!(is_used(6_060 - 3_600 - 300), "the endpoint may have asked for an hour");
    assert!(!is_used(6_060 - 3_600 - 301), "each read would prolong it by what it is ahead");
}

#[test]
fn forgets_a_failure_as_soon_as_either_clock_says_so() {
    let ends = failure().next_attempt_at + policy::SHARED_FAILURE_REMEMBERED;
    let second = Duration::from_secs(1);
    for (now, is_remembered) in [
        (ends - second, true),
        (Timestamp { boottime: ends.boottime, ..ends - second }, false),
        (Timestamp { realtime: ends.realtime, ..ends - second }, false),
    ] {
        assert_eq!(failure().is_remembered(now), is_remembered, "{now:?}");
    }
}
