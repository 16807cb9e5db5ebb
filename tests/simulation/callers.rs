//! The callers: with every timeout, and with every use for a token.

use std::time::Duration;

use bankhub_core::{Instant, Timestamp};

use crate::clock::SECOND;
use crate::simulator::{Simulator, SimulatorEvent};
use crate::trace_event::TraceEvent;

/// No token has this number.
const FOREIGN: u64 = u64::MAX;

/// The use that a caller makes of its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallerKind {
    /// Reports the token if the API rejects it, and calls once more.
    Ordinary,
    /// Calls a route that answers 401 to every token.
    AlwaysRejected,
    /// Reports the token after this long, whether the API rejects it or not.
    ReportsLate(Duration),
    /// Reports what never was a token.
    ReportsForeign,
    /// Calls again as soon as it may, until it has a token.
    Persistent,
    /// Calls again and again, whatever the outcome.
    Looping(Duration),
}

#[derive(Clone, Copy)]
pub(crate) struct CallRecord {
    pub(crate) cache: usize,
    pub(crate) kind: CallerKind,
    pub(crate) timeout: Duration,
    /// On the clock that stops while the machine sleeps.
    pub(crate) began: Duration,
    /// For how long threads had been stalled by then.
    stalled: Duration,
    pub(crate) deadline: Instant,
    /// How often it was woken, or began to wait: the timer of an earlier wait has no effect.
    pub(crate) wakes: u32,
    pub(crate) is_second: bool,
    /// Whether the API accepted the token of an ordinary caller.
    pub(crate) is_accepted: bool,
    /// How long it took to end.
    pub(crate) took: Duration,
    pub(crate) outcome: Option<CallOutcome>,
}

impl CallRecord {
    /// Whether an ordinary caller failed in the end: it got no token, or the API answered 401 again. An HTTP adapter
    /// repeats a call once.
    pub(crate) fn is_lost(&self) -> bool {
        self.outcome != Some(CallOutcome::Token) || self.is_second && !self.is_accepted
    }
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallOutcome {
    Token,
    NoToken,
    /// Its thread is gone since a fork.
    ThreadGone,
}

impl Simulator {
    pub(crate) fn call(&mut self, kind: CallerKind, timeout: Duration, is_second: bool) {
        let (call, cache, began) = (self.calls.len(), self.caches.len() - 1, self.clock.running);
        self.calls.push(CallRecord {
            cache,
            kind,
            timeout,
            began,
            stalled: self.stalled,
            deadline: Instant::MAX,
            wakes: 0,
            is_second,
            is_accepted: false,
            took: Duration::ZERO,
            outcome: None,
        });
        let now = self.clock.now();
        self.observe(TraceEvent::Called { call, timeout }, now);
        self.get(call);
    }

    pub(crate) fn call_succeeded(&mut self, call: usize, number: u64) {
        self.end_call(call, CallOutcome::Token);
        let is_accepted = self.endpoint.accepts(number);
        self.calls[call].is_accepted = is_accepted;
        let CallRecord { cache, kind, timeout, is_second, .. } = self.calls[call];
        let (number, delay) = match kind {
            CallerKind::Ordinary if is_accepted => return,
            CallerKind::Ordinary | CallerKind::AlwaysRejected => (number, SECOND / 100),
            CallerKind::ReportsLate(delay) => (number, delay),
            CallerKind::ReportsForeign => (FOREIGN, Duration::ZERO),
            CallerKind::Persistent => return self.check_recovery(),
            CallerKind::Looping(pause) => {
                return self.after(pause, SimulatorEvent::Call { kind, timeout, is_second });
            }
        };
        let again = (!is_second).then_some(kind);
        self.after(delay, SimulatorEvent::Invalidate { cache, number, again });
    }

    pub(crate) fn report_rejection(&mut self, cache: usize, number: u64, again: Option<CallerKind>) {
        self.invalidate(cache, number);
        if let Some(kind) = again {
            self.call(kind, 30 * SECOND, true);
        }
    }

    /// The call has failed, as the event says.
    pub(crate) fn call_failed(&mut self, event: TraceEvent, call: usize, now: Timestamp) {
        self.end_call(call, CallOutcome::NoToken);
        let CallRecord { kind, timeout, is_second, .. } = self.calls[call];
        if kind == CallerKind::Persistent {
            self.check_recovery();
        }
        let pause = match (kind, &event) {
            (CallerKind::Persistent, TraceEvent::CallFailed { retry_after: Some(pause), .. }) => Some(*pause),
            (CallerKind::Persistent, _) => Some(60 * SECOND),
            (CallerKind::Looping(pause), _) => Some(pause),
            (CallerKind::Ordinary | CallerKind::AlwaysRejected, _) => None,
            (CallerKind::ReportsLate(_) | CallerKind::ReportsForeign, _) => None,
        };
        if let Some(pause) = pause {
            self.after(pause, SimulatorEvent::Call { kind, timeout, is_second });
        }
        self.observe(event, now);
    }

    fn end_call(&mut self, call: usize, outcome: CallOutcome) {
        let CallRecord { began, stalled, timeout, .. } = self.calls[call];
        let (took, stalled) = (self.clock.running - began, self.stalled - stalled);
        assert!(took <= timeout + stalled, "call {call} took {took:?}, more than {timeout:?} and {stalled:?} stalled");
        self.calls[call].took = took;
        self.calls[call].outcome = Some(outcome);
    }

    fn check_recovery(&self) {
        let now = self.clock.now().boottime;
        assert!(now <= self.recovered_by, "no token until {now:?}, later than {:?}", self.recovered_by);
    }
}
