//! The actions that may happen next in a state, and what each does.

use std::time::Duration;

use crate::coverage::Reached;
use crate::endpoint::{FAILURES, Outcome};
use crate::fetch_thread::{FetchThread, Pending, StoreFault};
use crate::fleet::{Fleet, Hashed, State};
use crate::process::Process;
use crate::properties;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The program asks for a token.
    Call {
        process: usize,
    },
    /// The waiting caller polls again.
    Poll {
        process: usize,
    },
    /// The caller reports a 401, and calls again.
    Report {
        process: usize,
    },
    /// A fetch thread does what it is about to do.
    Proceed {
        process: usize,
        thread: usize,
        fault: Option<StoreFault>,
    },
    /// A fetch thread sends its request, which will end like that.
    Send {
        process: usize,
        thread: usize,
        outcome: Outcome,
    },
    /// A stopped process continues.
    Continue {
        process: usize,
    },
    Fault(Fault),
    /// Time passes until something can happen that could not before.
    Wait,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// The process ends, and another one starts in its place.
    Kill {
        process: usize,
    },
    Stop {
        process: usize,
    },
    /// The lease ends before its time.
    LeaseExpires,
    /// The store loses the token.
    EntryIsLost,
    /// The endpoint ends all tokens.
    Revocation,
}

/// A process that is stopped for a shorter time may as well be slow. After the longer time it continues in any case.
const STOPPED_MIN: Duration = Duration::from_secs(5);
const STOPPED_MAX: Duration = Duration::from_secs(10);

/// Nothing later than this is worth waiting for.
const HORIZON: Duration = Duration::from_secs(24 * 3600);

impl State {
    pub(crate) fn possible_actions(&self) -> Vec<Action> {
        if let Some(actions) = self.unnoticed_step() {
            return actions;
        }
        let mut actions = Vec::new();
        for index in 0..self.processes.len() {
            self.push_steps(index, &mut actions);
        }
        // Without a fault, nobody is late: time passes only when all have done what they can do now.
        let is_urgent = !actions.is_empty();
        for index in 0..self.processes.len() {
            let of = self.process(index);
            if let Some(since) = of.stopped_at {
                actions.extend((self.now >= since + STOPPED_MIN).then_some(Action::Continue { process: index }));
            } else if self.budget.calls > 0 && !self.is_lull && of.caller.is_none() && of.report.is_none() {
                actions.push(Action::Call { process: index });
            }
        }
        if self.budget.faults > 0 && !self.is_lull {
            self.push_faults(&mut actions);
        }
        let must_continue = |process: &Process| process.stopped_at.is_some_and(|since| self.now >= since + STOPPED_MAX);
        let is_urgent = is_urgent || self.processes.iter().any(|hashed| must_continue(&hashed.process));
        if !is_urgent && self.next_instant().is_some() {
            actions.push(Action::Wait);
        }
        actions
    }

    /// A step that no other process notices, and that is the same before and after any step of theirs: it is enough to
    /// take it now. Only if its process is stopped is it taken at another time.
    fn unnoticed_step(&self) -> Option<Vec<Action>> {
        for process in 0..self.processes.len() {
            let of = self.process(process);
            let is_unnoticed = |thread: &FetchThread| {
                matches!(thread.pending, Pending::Start | Pending::SleepUntil(_)) && thread.is_ready(of, self.now)
            };
            if let Some(thread) = of.threads.iter().position(is_unnoticed).filter(|_| of.stopped_at.is_none()) {
                let step = Action::Proceed { process, thread, fault: None };
                let stop = (self.budget.faults > 0 && !self.is_lull).then_some(Action::Fault(Fault::Stop { process }));
                return Some(std::iter::once(step).chain(stop).collect());
            }
        }
        None
    }

    /// The actions that the process takes as soon as it can.
    fn push_steps(&self, process: usize, actions: &mut Vec<Action>) {
        let of = self.process(process);
        if of.stopped_at.is_some() {
            return;
        }
        if of.polls_now(self.now) {
            actions.push(Action::Poll { process });
        }
        if of.report.is_some() {
            actions.push(Action::Report { process });
        }
        for (thread, thread_of) in of.threads.iter().enumerate().filter(|(_, thread)| thread.is_ready(of, self.now)) {
            if let Pending::Send = thread_of.pending {
                let send = |outcome| Action::Send { process, thread, outcome };
                actions.push(send(Outcome::Token));
                actions.extend((self.budget.slow_responses > 0).then_some(send(Outcome::SlowToken)));
                actions.extend(FAILURES.iter().filter(|_| self.budget.faults > 0).map(|outcome| send(*outcome)));
                continue;
            }
            let proceed = |fault| Action::Proceed { process, thread, fault };
            actions.push(proceed(None));
            if self.budget.faults > 0 {
                actions.extend(store_faults(&thread_of.pending).iter().map(|fault| proceed(Some(*fault))));
            }
        }
    }

    fn push_faults(&self, actions: &mut Vec<Action>) {
        for process in 0..self.processes.len() {
            let of = self.process(process);
            if !of.threads.is_empty() || of.tokens.generation() > 0 {
                actions.push(Action::Fault(Fault::Kill { process }));
            }
            if !of.threads.is_empty() && of.stopped_at.is_none() {
                actions.push(Action::Fault(Fault::Stop { process }));
            }
        }
        actions.extend(self.store.lease.map(|_| Action::Fault(Fault::LeaseExpires)));
        actions.extend(self.store.entry.as_ref().map(|_| Action::Fault(Fault::EntryIsLost)));
        if self.endpoint.accepts(self.endpoint.newest) {
            actions.push(Action::Fault(Fault::Revocation));
        }
    }

    /// When something can happen next for which time must pass.
    fn next_instant(&self) -> Option<Duration> {
        let of_processes = self.processes.iter().flat_map(|hashed| hashed.process.instants(self.budget.calls > 0));
        let of_store = self.store.lease.map(|lease| lease.expires_at);
        let later = of_processes.chain(of_store).filter(|at| *at > self.now && *at < self.now + HORIZON);
        later.min()
    }

    /// Nobody waits, and nothing is in flight.
    pub(crate) fn is_quiet(&self) -> bool {
        self.processes.iter().all(|hashed| hashed.process.is_quiet())
    }
}

fn store_faults(pending: &Pending) -> &'static [StoreFault] {
    match pending {
        Pending::ReadStore | Pending::Remove => &[StoreFault::Fails],
        Pending::AcquireLease | Pending::ExtendLease => &[StoreFault::Fails, StoreFault::IsLate],
        Pending::Write(_) => &[StoreFault::Fails, StoreFault::IsLate, StoreFault::IsUndone],
        Pending::Release => &[StoreFault::Fails],
        _ => &[],
    }
}

impl Process {
    /// When something can happen in it, some of them past.
    fn instants(&self, may_be_called: bool) -> impl Iterator<Item = Duration> {
        let of_caller = self.caller.as_ref().map(|caller| caller.until);
        let of_token = self.tokens.published().map(|published| published.token.stale_at().boottime);
        let of_calls =
            [of_token, Some(self.tokens.next_check_at())].into_iter().flatten().filter(move |_| may_be_called);
        let by_clock = of_caller.into_iter().chain(of_calls).map(|at| self.clocks.time_of(at));
        let of_stop = self.stopped_at.into_iter().flat_map(|since| [since + STOPPED_MIN, since + STOPPED_MAX]);
        by_clock.chain(of_stop).chain(self.threads.iter().filter_map(|thread| thread.continues_at(self)))
    }

    pub(crate) fn is_quiet(&self) -> bool {
        self.caller.is_none() && self.threads.is_empty() && self.report.is_none() && self.stopped_at.is_none()
    }
}

impl Fleet {
    pub(crate) fn carry_out(&self, state: &mut State, action: Action) {
        match action {
            Action::Wait => return self.wait(state),
            Action::Fault(fault) => {
                state.budget.faults -= 1;
                return self.bring(state, fault);
            }
            Action::Call { .. } => state.budget.calls -= 1,
            Action::Proceed { fault: Some(fault), .. } => {
                self.coverage.reach(Reached::of_store(fault));
                state.budget.faults -= 1;
            }
            Action::Send { outcome, .. } => {
                self.coverage.reach(Reached::of_response(outcome));
                match outcome {
                    Outcome::Token => {}
                    Outcome::SlowToken => state.budget.slow_responses -= 1,
                    _ => state.budget.faults -= 1,
                }
            }
            _ => {}
        }
        let (Action::Call { process }
        | Action::Poll { process }
        | Action::Report { process }
        | Action::Proceed { process, .. }
        | Action::Send { process, .. }
        | Action::Continue { process }) = action
        else {
            unreachable!("the others have returned")
        };
        let before = (state.store.leases, state.store.lease.is_some(), state.endpoint.newest);
        state.change(process, |state, of| match action {
            Action::Call { .. } => self.call(state, of, false),
            Action::Poll { .. } => self.wake(state, of),
            Action::Report { .. } => self.report(state, of),
            Action::Proceed { thread, fault, .. } => self.proceed(state, of, thread, fault),
            Action::Send { thread, outcome, .. } => self.send(state, of, thread, outcome),
            _ => of.carry_on(),
        });
        state.is_lull &= before == (state.store.leases, state.store.lease.is_some(), state.endpoint.newest);
    }

    fn wait(&self, state: &mut State) {
        let Some(at) = state.next_instant() else { return };
        let is_poll = |thread: &FetchThread| {
            matches!(thread.pending, Pending::SleepUntil(_)) && thread.session.is_some() && !thread.holds_lease()
        };
        let polls = |of: &Process, may_be_called| {
            let mut threads = of.threads.iter().filter(|thread| thread.continues_at(of) == Some(at));
            let others = of.instants(may_be_called).filter(|instant| *instant == at).count();
            others == threads.clone().count() && threads.all(is_poll)
        };
        let may_be_called = state.budget.calls > 0;
        state.is_lull = state.processes.iter().all(|hashed| polls(&hashed.process, may_be_called));
        state.now = at;
        self.extend_leases(state, at);
        state.store.expire(at, state.bug);
        properties::check_waiting(state);
    }

    fn bring(&self, state: &mut State, fault: Fault) {
        self.coverage.reach(Reached::of_fault(fault));
        match fault {
            Fault::Kill { process } => {
                let clocks = state.process(process).clocks;
                state.processes[process] = Hashed::new(Process::new(clocks));
            }
            Fault::Stop { process } => state.change(process, |state, of| of.stop(state.now)),
            Fault::LeaseExpires => {
                for index in 0..state.processes.len() {
                    state.change(index, |state, of| of.excuse_holder(&state.store));
                }
                state.store.lease = None;
            }
            Fault::EntryIsLost => state.store.entry = None,
            Fault::Revocation => state.endpoint.revoke_all(),
        }
    }
}
