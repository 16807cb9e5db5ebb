//! Sums and differences stop at the ends.

use super::*;

#[test]
fn stops_at_the_ends() {
    let start = Instant::default();
    let later = Instant::from_origin(Duration::from_secs(5));
    assert_eq!(later - Duration::from_secs(6), start);
    assert_eq!(Instant::MAX + Duration::from_secs(1), Instant::MAX);
    assert_eq!(start.saturating_since(later), Duration::ZERO);
    assert_eq!(later.saturating_since(start), Duration::from_secs(5));
    let early = Timestamp { boottime: later, realtime: Duration::from_secs(3) } - Duration::from_secs(4);
    assert_eq!(early, Timestamp { boottime: Instant::from_origin(Duration::from_secs(1)), realtime: Duration::ZERO });
}

#[test]
fn earliest_is_the_earlier_on_each_clock() {
    let at = |boottime, realtime| Timestamp {
        boottime: Instant::from_origin(Duration::from_secs(boottime)),
        realtime: Duration::from_secs(realtime),
    };
    assert_eq!(at(1, 20).earliest(at(2, 10)), at(1, 10));
    assert_eq!(at(100, 1_000).realtime_at(at(130, 0).boottime), Duration::from_secs(1_030));
    assert_eq!(at(100, 1_000).realtime_at(at(70, 0).boottime), Duration::from_secs(970));
}
