//! Waiting for one's turn to fetch, among those who share a store: what it says of its lease goes in, what to do comes
//! out. No I/O, no clock, no randomness.

use std::time::Duration;

use crate::policy::{self, Chance};

/// Whose turn it is to fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lease {
    Held,
    /// Somebody else, who is told from others by this; 0: who that is cannot be told.
    Others(u64),
}

/// What a process that asked for the lease does next.
#[derive(Debug, PartialEq)]
pub(crate) enum Next {
    /// It has its turn. Whoever had the one before may have put a token into the store since it was read.
    Fetch,
    /// Looks into the store again after so long, and asks again.
    LookAgain(Duration),
    /// Fetches without a lease: its holder is stopped, or hangs.
    GoAlone,
    /// Does not fetch if it need not: one process after the other had its turn, and none has put a token into the
    /// store.
    GiveUp,
}

pub(crate) struct Queue {
    turn_takes: Duration,
    give_up_at: Duration,
    holder: Option<u64>,
    has_changed: bool,
    /// When (`boot`) the holder will have kept the lease for longer than a turn takes.
    stuck_at: Duration,
    looked: u32,
}

impl Queue {
    /// A single holder is waited for as long as a turn takes, and one after the other until `give_up_at` (`boot`).
    pub(crate) fn new(turn_takes: Duration, give_up_at: Duration) -> Self {
        Self { turn_takes, give_up_at, holder: None, has_changed: false, stuck_at: Duration::MAX, looked: 0 }
    }

    /// The lease was asked for.
    pub(crate) fn asked(&mut self, lease: Lease, now: Duration, chance: Chance) -> Next {
        let Lease::Others(holder) = lease else { return Next::Fetch };
        let before = self.holder.replace(holder);
        if before != Some(holder) {
            self.has_changed = before.is_some();
            self.stuck_at = now + self.turn_takes;
        }
        if now >= self.stuck_at {
            return Next::GoAlone;
        }
        if now >= self.give_up_at && self.has_changed {
            return Next::GiveUp;
        }
        self.looked += 1;
        Next::LookAgain(policy::turn_pause(self.looked - 1, chance))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVEN: Chance = Chance(u32::MAX / 2);

    fn ask(queue: &mut Queue, holder: u64, now: f64) -> Next {
        queue.asked(Lease::Others(holder), Duration::from_secs_f64(now), EVEN)
    }

    fn queue() -> Queue {
        Queue::new(Duration::from_secs(15), Duration::from_secs(24))
    }

    #[test]
    fn who_has_the_lease_fetches() {
        assert_eq!(queue().asked(Lease::Held, Duration::from_secs(99), EVEN), Next::Fetch);
    }

    #[test]
    fn a_holder_is_waited_for_as_long_as_a_turn_takes() {
        let mut queue = queue();
        for now in [0.0, 7.0, 14.9] {
            assert!(matches!(ask(&mut queue, 1, now), Next::LookAgain(_)), "after {now} s");
        }
        assert_eq!(ask(&mut queue, 1, 15.0), Next::GoAlone);
    }

    #[test]
    fn a_single_holder_is_passed_by_however_soon_there_is_to_be_given_up() {
        let mut queue = Queue::new(Duration::from_secs(15), Duration::from_secs(3));
        assert!(matches!(ask(&mut queue, 1, 0.0), Next::LookAgain(_)));
        assert!(matches!(ask(&mut queue, 1, 14.9), Next::LookAgain(_)));
        assert_eq!(ask(&mut queue, 1, 15.0), Next::GoAlone);
    }

    #[test]
    fn each_holder_is_waited_for_anew_but_not_for_ever() {
        let mut queue = queue();
        for now in [0.0, 14.0, 23.9] {
            assert!(matches!(ask(&mut queue, now as u64, now), Next::LookAgain(_)), "after {now} s");
        }
        assert_eq!(ask(&mut queue, 24, 24.0), Next::GiveUp);
    }

    #[test]
    fn looks_become_rarer() {
        let mut queue = queue();
        for look in 0..12 {
            let pause = policy::turn_pause(look, EVEN);
            assert_eq!(ask(&mut queue, 1, f64::from(look)), Next::LookAgain(pause), "look {look}");
        }
    }
}
