//! A published token is read whole, only by its owner, until it ends; a withdrawn one is wiped.

use super::*;

pub(super) const OWNER: u64 = 1 << 32;
pub(super) const SENT: Timestamp = Timestamp {
    boottime: Instant::from_origin(Duration::from_secs(500)),
    realtime: Duration::from_secs(1_700_000_000),
};
/// The other clock started a while later.
pub(super) const TIME: Coarse = Coarse { mono: 100_000_000_000, wall: 1_700_000_000_000_000_000 };

pub(super) fn publish(published: &PublishedToken, value: &str, generation: u64, next_check_at: Option<u64>) {
    let (value, ttl) = (Secret::new(value.to_owned()), Duration::from_secs(600));
    let next_check_at = next_check_at.map(|after| SENT.boottime + Duration::from_secs(after));
    let token = Token { value, ttl, sent_at: SENT };
    let to_publish = Published { token: &token, generation, next_check_at, confirm_at: None };
    published.publish(Some(&to_publish), generation, TIME, SENT);
}

fn row() -> &'static [PublishedToken] {
    let row = PublishedToken::row(1);
    row[0].set_owner(OWNER);
    row
}

fn after(seconds: f64, wall_jump: f64) -> Coarse {
    let passed = |from: u64, by: f64| (from as i64 + (by * 1e9) as i64) as u64;
    Coarse { mono: passed(TIME.mono, seconds), wall: passed(TIME.wall, seconds + wall_jump) }
}

pub(super) fn read(published: &PublishedToken, owner: u64, time: Coarse) -> Option<(String, u64, bool)> {
    let mut memory = [std::mem::MaybeUninit::uninit(); WORDS];
    let mut copy = TokenCopy::new(&mut memory);
    let owned = published.read_to_string(owner, time);
    let Some(read) = published.read(owner, time, &mut copy) else {
        assert!(owned.is_none(), "read_to_string");
        return None;
    };
    assert_eq!(read.expires_at, SENT.realtime + Duration::from_secs(600));
    let text = String::from_utf8(copy.text().to_vec()).expect("a token is text");
    let owned = owned.map(|(text, read)| (text, read.generation, read.expires_at, read.needs_check));
    assert_eq!(owned, Some((text.clone(), read.generation, read.expires_at, read.needs_check)), "read_to_string");
    Some((text, read.generation, read.needs_check))
}

/// The bytes of both buffers that are not 0.
pub(super) fn left_over(published: &PublishedToken) -> usize {
    let bytes = published.words.0.iter().flatten().flat_map(|word| word.load(Relaxed).to_ne_bytes());
    bytes.filter(|byte| *byte != 0).count()
}

#[test]
fn reads_tokens_of_every_length() {
    let row = row();
    for (generation, length) in [1, 7, 8, 9, 40, 4094, 4095, 1].into_iter().enumerate() {
        let value = "t".repeat(length);
        publish(&row[0], &value, generation as u64, None);
        assert_eq!(read(&row[0], OWNER, TIME), Some((value, generation as u64, false)));
        assert_eq!(left_over(&row[0]), length, "the token before it is wiped");
    }
}

#[test]
fn only_the_owner_reads_while_both_clocks_call_it_valid() {
    let row = row();
    assert_eq!(read(&row[0], OWNER, TIME), None, "nothing was published");
    publish(&row[0], "token", 1, None);
    for (owner, seconds, wall_jump, readable) in [
        (OWNER, 0.0, 0.0, true),
        (OWNER + 1, 0.0, 0.0, false),
        (OWNER, 569.98, 0.0, true),
        (OWNER, 569.99, 0.0, false),
        (OWNER, 10.0, 0.4, true),
        (OWNER, 10.0, 0.6, false),
        (OWNER, 10.0, -0.4, true),
        (OWNER, 10.0, -0.6, false),
        (OWNER, 569.8, 0.3, false),
    ] {
        let time = after(seconds, wall_jump);
        let case = format!("owner {owner}, {seconds} s old, wall clock set by {wall_jump} s");
        assert_eq!(read(&row[0], owner, time).is_some(), readable, "read: {case}");
        assert_eq!(row[0].generation(owner, time).is_some(), readable, "generation: {case}");
    }
}

#[test]
fn needs_a_check_from_its_time_on() {
    let row = row();
    publish(&row[0], "token", 1, Some(100));
    assert_eq!(row[0].generation(OWNER, after(99.9, 0.0)), Some((1, false)));
    assert_eq!(row[0].generation(OWNER, after(100.0, 0.0)), Some((1, true)));
    publish(&row[0], "token", 1, None);
    assert_eq!(row[0].generation(OWNER, after(100.0, 0.0)), Some((1, false)));
}

#[test]
fn is_not_read_without_a_poll_once_it_must_be_confirmed() {
    let row = row();
    let (value, ttl) = (Secret::new("token".to_owned()), Duration::from_secs(600));
    let token = Token { value, ttl, sent_at: SENT };
    for (confirm_at, readable) in [(Some(SENT.boottime + Duration::from_secs(100)), true), (Some(SENT.boottime), false)]
    {
        let to_publish = Published { token: &token, generation: 1, next_check_at: None, confirm_at };
        row[0].publish(Some(&to_publish), 1, TIME, SENT);
        assert_eq!(read(&row[0], OWNER, after(99.9, 0.0)).is_some(), readable);
        assert_eq!(row[0].generation(OWNER, after(100.0, 0.0)), None);
        assert!(row[0].inherit().1.is_some(), "a child of fork has it all the same");
    }
}

#[test]
fn publishing_again_does_not_extend_a_token() {
    let row = row();
    let passed = Duration::from_secs(300);
    let now = SENT + passed;
    let (value, ttl) = (Secret::new("token".to_owned()), Duration::from_secs(600));
    let next_check_at = Some(SENT.boottime + Duration::from_secs(500));
    let token = Token { value, ttl, sent_at: SENT };
    let to_publish = Published { token: &token, generation: 1, next_check_at, confirm_at: None };
    row[0].publish(Some(&to_publish), 1, after(300.0, 0.0), now);
    assert_eq!(row[0].generation(OWNER, after(499.9, 0.0)), Some((1, false)));
    assert_eq!(row[0].generation(OWNER, after(500.0, 0.0)), Some((1, true)));
    assert_eq!(row[0].generation(OWNER, after(569.98, 0.0)), Some((1, true)));
    assert_eq!(row[0].generation(OWNER, after(569.99, -0.4)), None, "by the clock that was not set");
}

#[test]
fn withdrawing_wipes_the_token_and_keeps_the_generation() {
    let row = row();
    publish(&row[0], "token", 7, None);
    let (generation, token) = row[0].inherit();
    let token = token.expect("a token was published");
    assert_eq!((generation, token.value.expose()), (7, "token"));
    assert_eq!((token.sent_at, token.ttl), (SENT, Duration::from_secs(600)), "a child's token ends as its parent's");
    row[0].publish(None, 7, TIME, SENT);
    assert_eq!(read(&row[0], OWNER, TIME), None);
    assert_eq!(left_over(&row[0]), 0);
    let (generation, token) = row[0].inherit();
    assert_eq!((generation, token.is_none()), (7, true));
}
