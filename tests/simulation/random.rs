//! Random numbers that a seed decides: the same seed draws the same numbers, on every machine.

use std::time::Duration;

use bankhub_core::Jitter;

/// SplitMix64: the shortest generator that is good enough to explore with.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        // Mixed once, because seeds in a row would otherwise draw one sequence, each a step behind the other.
        Self(Self(seed).draw())
    }

    fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.draw() % end
    }

    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len() as u64) as usize]
    }

    /// Each doubling from the least to the most is as likely as any other: seconds come as often as days.
    pub(crate) fn between(&mut self, least: Duration, most: Duration) -> Duration {
        let (least, most) = (least.as_nanos() as u64, most.as_nanos() as u64);
        let doublings = (most / least.max(1)).max(1).ilog2();
        let base = least << self.below(u64::from(doublings) + 1);
        Duration::from_nanos((base + self.below(base.max(1))).min(most))
    }

    /// The ends more often than anything between them.
    pub(crate) fn jitter(&mut self) -> Jitter {
        match self.below(4) {
            0 => Jitter(0),
            1 => Jitter(u32::MAX),
            _ => Jitter(self.draw() as u32),
        }
    }
}

#[test]
fn each_seed_draws_numbers_of_its_own() {
    let drawn =
        |seed| (0..8).map(|_| 0).scan(Random::new(seed), |random, _: u64| Some(random.draw())).collect::<Vec<_>>();
    assert_eq!(drawn(1), drawn(1));
    assert!(drawn(1).iter().all(|number| !drawn(2).contains(number)));
}

#[test]
fn durations_stay_between_their_ends() {
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(1_000));
    let mut random = Random::new(0);
    let drawn: Vec<_> = (0..1_000).map(|_| random.between(least, most)).collect();
    assert!(drawn.iter().all(|length| (least..=most).contains(length)));
    assert!(drawn.iter().filter(|length| **length < least * 10).count() > 200);
    assert!(drawn.iter().filter(|length| **length > most / 10).count() > 200);
}
