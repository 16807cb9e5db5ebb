//! Processes that share a client whose newest token ends the one before it: they revoke each other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::process::{Process, Token};

/// Each process calls an API so often.
const CALL_EVERY: Duration = Duration::from_secs(1);

pub(crate) struct Rivals {
    pub(crate) processes: usize,
    pub(crate) ttl: Duration,
    pub(crate) lives: Duration,
}

/// What became of the calls.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) token_requests: u64,
    pub(crate) calls: u64,
    /// Answered 401 at first.
    pub(crate) rejected: u64,
    /// Answered 401 also when sent again with another token, or with none to be had.
    pub(crate) lost: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Event {
    /// A call of an API is to be made.
    Call,
    /// It is sent, and answered.
    Send { token: Token, again: bool },
}

impl Rivals {
    pub(crate) fn live(&self) -> Calls {
        let mut processes: Vec<_> =
            (0..self.processes as u64).map(|seed| Process::new(seed, true, Duration::ZERO)).collect();
        let mut events: BinaryHeap<_> = processes
            .iter_mut()
            .enumerate()
            .map(|(index, process)| Reverse((CALL_EVERY.mul_f64(process.random().f64()), index, Event::Call)))
            .collect();
        let mut calls = Calls::default();
        while let Some(Reverse((now, index, event))) = events.pop().filter(|Reverse((now, ..))| *now < self.lives) {
            let process = &mut processes[index];
            let (at, next) = match event {
                Event::Call => {
                    events.push(Reverse((now + CALL_EVERY, index, Event::Call)));
                    calls.calls += 1;
                    let held = process.token(now);
                    let ready = self.fetch_if_wanted(process, now, &mut calls);
                    // Who has a token does not wait for its renewal.
                    let at = if held.is_some() { now } else { ready };
                    (at, held.or_else(|| process.token(ready)).map(|token| Event::Send { token, again: false }))
                }
                Event::Send { token, .. } if token == calls.token_requests => continue,
                Event::Send { again: true, .. } => {
                    calls.lost += 1;
                    continue;
                }
                Event::Send { token, again: false } => {
                    calls.rejected += 1;
                    process.reject(token, now);
                    let ready = self.fetch_if_wanted(process, now, &mut calls);
                    let other = process.token(ready).filter(|other| *other != token);
                    calls.lost += u64::from(other.is_none());
                    (ready, other.map(|token| Event::Send { token, again: true }))
                }
            };
            events.extend(next.map(|next| Reverse((at, index, next))));
        }
        calls
    }

    /// When it had ended; at once, if none was wanted.
    fn fetch_if_wanted(&self, process: &mut Process, now: Duration, calls: &mut Calls) -> Duration {
        if !process.wants_fetch(now) {
            return now;
        }
        process.fetch(now, |_| {
            calls.token_requests += 1;
            Some((calls.token_requests, self.ttl))
        })
    }
}
