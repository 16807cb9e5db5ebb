//! How long a stored token may live here, by what the store and the clocks say.

use super::*;

fn seconds(boot: u64, wall: u64) -> Moment {
    Moment { boot: Duration::from_secs(boot), wall: Duration::from_secs(wall) }
}

const TTL: Duration = Duration::from_secs(60_000);

/// When a token counts as sent that was sent for at 1,000 s of one clock and 5,000 s of the other.
fn sent(end: Option<Moment>, boot_id: Option<&str>, now: Moment) -> Option<Moment> {
    let plain = encode(&Secret::new("token".to_owned()), TTL, seconds(1_000, 5_000), "this start");
    let token = Token::decode(&plain).expect("it was encoded");
    token.into_grant(end, boot_id, now).map(|grant| {
        assert_eq!((grant.value.expose(), grant.ttl), ("token", TTL));
        grant.sent
    })
}

#[test]
fn keeps_the_times_of_a_token_of_the_same_boot() {
    assert_eq!(sent(None, Some("this start"), seconds(1_100, 9_999)), Some(seconds(1_000, 5_000)));
}

#[test]
fn a_token_of_another_machine_counts_as_older_by_the_clock_error() {
    for boot_id in [Some("another start"), None] {
        for (now, counts_as_sent) in [
            (seconds(90_000, 5_100), Some(seconds(89_600, 4_700))),
            (seconds(90_000, 4_700), Some(seconds(90_000, 4_700))),
            (seconds(90_000, 4_699), None),
        ] {
            assert_eq!(sent(None, boot_id, now), counts_as_sent, "{now:?}");
        }
    }
}

#[test]
fn trusts_the_expiry_of_the_store_up_to_the_ttl() {
    for (left, age) in [(60_000, 0), (59_000, 1_000), (70_000, 0)] {
        let now = seconds(90_000, 90_000);
        let end = now.after(Duration::from_secs(left));
        assert_eq!(sent(Some(end), Some("this start"), now), Some(now.before(Duration::from_secs(age))), "{left}");
    }
}

#[test]
fn refuses_what_is_not_a_token() {
    let plain = encode(&Secret::new("token".to_owned()), TTL, seconds(1_000, 5_000), "id");
    for length in 0..27 {
        assert!(Token::decode(&plain[..length]).is_none(), "{length} bytes");
    }
}
