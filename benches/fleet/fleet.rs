//! Processes that were started all at once: what the endpoint sees of them, if they know nothing of each other.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use crate::process::{Process, Token};

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// A busy process: somebody finds out within this time that its token was revoked.
pub(crate) const NOTICED_WITHIN: Duration = SECOND;

/// Long enough that no process has a token left, be it of 60,000 s.
const OUTAGE: Duration = DAY;

/// How long after an outage its end is felt: the longest backoff.
const AFTER_OUTAGE: Duration = Duration::from_secs(60);

pub(crate) struct Fleet {
    pub(crate) processes: u64,
    pub(crate) ttl: Duration,
    pub(crate) jitter: bool,
    /// A third of it passes before all tokens are revoked, another before the endpoint is down for a day.
    pub(crate) lives: Duration,
}

/// Token requests, or looks into a store: in all, while the endpoint is down, and the most in one second of each phase.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) total: u64,
    pub(crate) while_down: u64,
    pub(crate) cold_start: u32,
    pub(crate) usual: u32,
    pub(crate) revocation: u32,
    pub(crate) outage: u32,
    pub(crate) after_outage: u32,
}

impl Fleet {
    /// Lives through it on all cores: no process knows of another, so each lives by itself.
    pub(crate) fn live(&self) -> Seen {
        let seconds: Vec<AtomicU32> = (0..=self.lives.as_secs()).map(|_| AtomicU32::new(0)).collect();
        let next = AtomicU64::new(0);
        thread::scope(|scope| {
            for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
                scope.spawn(|| {
                    let mine = || Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < self.processes);
                    while let Some(seed) = mine() {
                        self.live_through(Process::new(seed, self.jitter, Duration::ZERO), &seconds);
                    }
                });
            }
        });
        self.summary(&seconds.into_iter().map(AtomicU32::into_inner).collect::<Vec<_>>())
    }

    /// In every process somebody asks all the time, so that a fetch begins as soon as it may.
    fn live_through(&self, mut process: Process, seconds: &[AtomicU32]) {
        let revocation = self.revocation();
        let noticed = revocation + NOTICED_WITHIN.mul_f64(process.random().f64());
        let outage = self.outage();
        let mut now = Duration::ZERO;
        let mut revoked = false;
        while now < self.lives {
            now = process.fetch(now, |sent| {
                seconds[sent.as_secs() as usize].fetch_add(1, Ordering::Relaxed);
                (!outage.contains(&sent)).then_some((sent.as_nanos() as Token, self.ttl))
            });
            let next = process.next_fetch(now);
            if revoked || next < noticed {
                now = next;
                continue;
            }
            revoked = true;
            now = now.max(noticed);
            if let Some(token) = process.token(now).filter(|token| u128::from(*token) < revocation.as_nanos()) {
                process.reject(token, now);
            }
            now = process.next_fetch(now);
        }
    }

    pub(crate) fn revocation(&self) -> Duration {
        self.lives / 3
    }

    pub(crate) fn outage(&self) -> Range<Duration> {
        let begin = self.lives / 3 * 2;
        begin..begin + OUTAGE
    }

    pub(crate) fn summary(&self, seconds: &[u32]) -> Seen {
        let during = |begin: Duration, length: Duration| {
            let begin = begin.as_secs() as usize;
            seconds[begin..begin + length.as_secs() as usize].iter().copied()
        };
        let most = |begin, length| during(begin, length).max().unwrap_or_default();
        let Range { start: down, end: up } = self.outage();
        Seen {
            total: seconds.iter().copied().map(u64::from).sum(),
            while_down: during(down, OUTAGE).map(u64::from).sum(),
            cold_start: most(Duration::ZERO, SECOND),
            usual: most(self.lives / 6, self.lives / 6 - SECOND),
            revocation: most(self.revocation(), 2 * NOTICED_WITHIN),
            outage: most(down, OUTAGE),
            after_outage: most(up, AFTER_OUTAGE),
        }
    }
}
