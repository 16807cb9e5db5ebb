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

/// When the request for the stored token counts as sent.
fn sent_at(expires_at: Option<Timestamp>, boot_id: Option<&str>, now: Timestamp) -> Option<Timestamp> {
    let plain = StoredToken::encode(&stored(), "this boot");
    let stored = StoredToken::decode(&plain).expect("it was encoded");
    stored.into_token(expires_at, boot_id, now).map(|token| {
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
fn trusts_the_expiry_of_the_store_up_to_the_ttl() {
    for (left, age) in [(60_000, 0), (59_000, 1_000), (70_000, 0)] {
        let now = seconds(90_000, 90_000);
        let end = now + Duration::from_secs(left);
        assert_eq!(sent_at(Some(end), Some("this boot"), now), Some(now - Duration::from_secs(age)), "{left}");
    }
}

#[test]
fn encodes_without_moving_the_token() {
    let plain = StoredToken::encode(&stored(), "this boot");
    assert_eq!(plain.capacity(), plain.len(), "a buffer that grew has left a copy behind");
}

#[test]
fn refuses_bytes_that_are_not_a_token() {
    let plain = StoredToken::encode(&stored(), "id");
    for length in 0..=27 {
        assert!(StoredToken::decode(&plain[..length]).is_none(), "{length} bytes");
    }
    for value in ["a b", "a\r\nX-Injected: 1", "\u{e9}", &"x".repeat(policy::TOKEN_BYTES_MAX + 1)] {
        let token = Token { value: Secret::new(value.to_owned()), ..stored() };
        assert!(StoredToken::decode(&StoredToken::encode(&token, "id")).is_none(), "{value:.20}");
    }
}
