//! Processes that start at the same moment: what the endpoint sees of them. Without a store, none knows of another.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::process::{Process, TokenNumber, response};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A busy process: an API answers 401 to it within this time after its token was revoked.
pub(crate) const NOTICED_WITHIN: Duration = SECOND;

/// Long enough that no process has a token left, even one of 60,000 s.
const OUTAGE: Duration = DAY;

/// The longest backoff: until then, the end of an outage has an effect.
const AFTER_OUTAGE: Duration = Duration::from_secs(60);

pub(crate) struct Fleet {
    pub(crate) processes: u64,
    pub(crate) ttl: Duration,
    pub(crate) has_jitter: bool,
    /// After a third of it all tokens are revoked. After two thirds of it the endpoint is down for a day.
    pub(crate) duration: Duration,
}

/// Token requests, or reads of a store: all of them, those during the outage, and the most in one second of each phase.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) total: u64,
    pub(crate) during_outage: u64,
    pub(crate) cold_start: u32,
    pub(crate) usual: u32,
    pub(crate) revocation: u32,
    pub(crate) outage: u32,
    pub(crate) after_outage: u32,
}

impl Fleet {
    /// Simulates processes without a store, on all cores, as none depends on another.
    pub(crate) fn simulate(&self) -> Counts {
        let seconds: Vec<AtomicU32> = (0..=self.duration.as_secs()).map(|_| AtomicU32::new(0)).collect();
        let next = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    let take = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < self.processes);
                    while let Some(seed) = take() {
                        self.simulate_process(Process::new(seed, self.has_jitter, Duration::ZERO), &seconds);
                    }
                });
            }
        });
        self.count(&seconds.into_iter().map(AtomicU32::into_inner).collect::<Vec<_>>())
    }

    /// Some caller always asks for a token, so each fetch begins as early as it may.
    fn simulate_process(&self, mut process: Process, seconds: &[AtomicU32]) {
        let revocation = self.revocation();
        let noticed_at = revocation + NOTICED_WITHIN.mul_f64(process.random().f64());
        let outage = self.outage();
        let respond = |sent_at: Duration| {
            seconds[sent_at.as_secs() as usize].fetch_add(1, Ordering::Relaxed);
            (!outage.contains(&sent_at)).then(|| response(sent_at.as_nanos() as TokenNumber, self.ttl))
        };
        let mut noticed = false;
        let mut now = Duration::ZERO;
        while now < self.duration {
            let mut begins = false;
            if !noticed && now >= noticed_at {
                noticed = true;
                let revoked = process.token().filter(|sent_at| u128::from(*sent_at) < revocation.as_nanos());
                begins = revoked.is_some_and(|token| process.invalidate(token, now));
            }
            if begins || process.poll(now) {
                now = process.fetch(now, respond);
            }
            let next = process.next_check_at();
            now = now.max(if noticed { next } else { next.min(noticed_at) });
        }
    }

    pub(crate) fn revocation(&self) -> Duration {
        self.duration / 3
    }

    pub(crate) fn outage(&self) -> Range<Duration> {
        let start = self.duration / 3 * 2;
        start..start + OUTAGE
    }

    /// Counts of each second.
    pub(crate) fn count(&self, seconds: &[u32]) -> Counts {
        let during = |start: Duration, length: Duration| {
            let start = start.as_secs() as usize;
            seconds[start..start + length.as_secs() as usize].iter().copied()
        };
        let most = |start, length| during(start, length).max().unwrap_or_default();
        let Range { start: down_at, end: up_at } = self.outage();
        Counts {
            total: seconds.iter().copied().map(u64::from).sum(),
            during_outage: during(down_at, OUTAGE).map(u64::from).sum(),
            cold_start: most(Duration::ZERO, SECOND),
            usual: most(self.duration / 6, self.duration / 6 - SECOND),
            revocation: most(self.revocation(), 2 * NOTICED_WITHIN),
            outage: most(down_at, OUTAGE),
            after_outage: most(up_at, AFTER_OUTAGE),
        }
    }
}
