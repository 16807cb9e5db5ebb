//! Processes that use one client and share no store, while each new token revokes the one before it: they revoke each
//! other's tokens.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Duration;

use crate::process::{Process, TokenNumber, response};

/// How often each process calls an API.
const CALL_INTERVAL: Duration = Duration::from_secs(1);

pub(crate) struct Unshared {
    pub(crate) processes: usize,
    pub(crate) ttl: Duration,
    pub(crate) duration: Duration,
}

/// The outcomes of the calls of the API.
#[derive(Default)]
pub(crate) struct Calls {
    pub(crate) token_requests: u64,
    pub(crate) total: u64,
    /// The first try was answered 401.
    pub(crate) rejected: u64,
    /// The second try, with another token, was answered 401 too; or there was no other token.
    pub(crate) failed: u64,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    /// A process begins a call of an API.
    Begin,
    /// It sends the call, and gets the response.
    Send { token: TokenNumber, is_retry: bool },
}

impl Unshared {
    pub(crate) fn simulate(&self) -> Calls {
        let mut processes: Vec<_> =
            (0..self.processes as u64).map(|seed| Process::new(seed, true, Duration::ZERO)).collect();
        let mut steps: BinaryHeap<_> = processes
            .iter_mut()
            .enumerate()
            .map(|(index, process)| Reverse((CALL_INTERVAL.mul_f64(process.random().f64()), index, Step::Begin)))
            .collect();
        let mut calls = Calls::default();
        while let Some(Reverse((now, index, step))) = steps.pop().filter(|Reverse((now, ..))| *now < self.duration) {
            let process = &mut processes[index];
            let (at, next) = match step {
                Step::Begin => {
                    steps.push(Reverse((now + CALL_INTERVAL, index, Step::Begin)));
                    calls.total += 1;
                    let (at, token) = self.get(process, now, &mut calls);
                    (at, token.map(|token| Step::Send { token, is_retry: false }))
                }
                Step::Send { token, .. } if token == calls.token_requests => continue,
                Step::Send { is_retry: true, .. } => {
                    calls.failed += 1;
                    continue;
                }
                Step::Send { token, is_retry: false } => {
                    calls.rejected += 1;
                    let (at, other) = self.replace(token, process, now, &mut calls);
                    calls.failed += u64::from(other.is_none());
                    (at, other.map(|token| Step::Send { token, is_retry: true }))
                }
            };
            steps.extend(next.map(|next| Reverse((at, index, next))));
        }
        calls
    }

    /// When a caller gets a token, and which: without a wait if there is one, even if it is refreshed.
    fn get(&self, process: &mut Process, now: Duration, calls: &mut Calls) -> (Duration, Option<TokenNumber>) {
        let begins = process.poll(now);
        let token = process.token();
        let fetched_at = self.fetch_or_wait(begins, process, now, calls);
        if token.is_some() { (now, token) } else { (fetched_at, process.token()) }
    }

    /// When a caller has another token instead of the one that an API answered 401 to, and which.
    fn replace(
        &self,
        rejected: TokenNumber,
        process: &mut Process,
        now: Duration,
        calls: &mut Calls,
    ) -> (Duration, Option<TokenNumber>) {
        let begins = process.invalidate(rejected, now) || process.poll(now);
        let at = self.fetch_or_wait(begins, process, now, calls);
        (at, process.token().filter(|token| *token != rejected))
    }

    /// When the caller goes on: after a fetch that has begun, or that begins when a rejected token may be replaced.
    fn fetch_or_wait(&self, begins: bool, process: &mut Process, now: Duration, calls: &mut Calls) -> Duration {
        if begins {
            return self.fetch(process, now, calls);
        }
        if process.token().is_some() {
            return now;
        }
        let replaced_at = process.next_check_at();
        assert!(process.poll(replaced_at), "a caller waits for nothing else");
        self.fetch(process, replaced_at, calls)
    }

    fn fetch(&self, process: &mut Process, now: Duration, calls: &mut Calls) -> Duration {
        process.fetch(now, |_| {
            calls.token_requests += 1;
            Some(response(calls.token_requests, self.ttl))
        })
    }
}
