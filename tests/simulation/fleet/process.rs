//! The processes of a fleet and their callers: drive a `TokenState` as the runtime of `bankhub` does.

use std::time::Duration;

use bankhub_core::{Awaited, Instant, Invalidation, Poll, Published, Status, Timestamp, TokenState};

use super::checker::CurrentToken;
use super::coverage::Reached;
use super::fetch_thread::FetchThread;
use super::lease_checker::LeaseChecker;
use super::session::Session;
use super::simulator::{Fleet, FleetEvent};
use crate::clock::SECOND;
use crate::endpoint::{token_number, token_value};
use crate::reference_policy;

pub(super) struct SimulatedProcess {
    pub(super) machine: usize,
    /// How many there were before it in its place: what was to happen to those has no effect.
    pub(super) epoch: u32,
    pub(super) state: TokenState,
    /// At most one of them fetches. The others end: they release their lease, or their cache was closed.
    pub(super) threads: Vec<FetchThread>,
    pub(super) waiting: Vec<Waiter>,
    /// The knowledge of the waiting callers when they began to wait.
    awaited: Awaited,
    /// The last token that it served.
    pub(super) served: Option<u64>,
    pub(super) served_generation: u64,
    /// The newest at the end.
    pub(super) rejected: Vec<u64>,
    /// The last that the endpoint issued again although it was rejected here.
    pub(super) issued_again: Option<u64>,
    pub(super) last_rejection: Duration,
    pub(super) stopped_until: Duration,
    /// When it last sent a request, or got a response.
    pub(super) last_exchange: Duration,
    /// When the request in flight is overdue, or was.
    pub(super) overdue_at: Option<Duration>,
    /// The time that the endpoint asked it to wait for.
    pub(super) not_before: Duration,
    pub(super) calls_since: Duration,
    pub(super) fetch_began: Duration,
    /// When it last gave up waiting for one holder of the lease after the other.
    pub(super) abandoned: Option<Duration>,
    /// When it last read the store because it could do no more.
    pub(super) only_read_at: Option<Duration>,
    /// It has adopted a token in a backoff, and sent no request since.
    pub(super) recovered: bool,
}

#[derive(Clone, Copy)]
pub(super) struct Waiter {
    call: usize,
    /// When it polls again if nothing wakes it, and if its own deadline is not earlier.
    pub(super) until: Instant,
    pub(super) is_woken: bool,
}

pub(super) struct FleetCall {
    pub(super) process: usize,
    pub(super) began: Duration,
    deadline: Duration,
    is_second: bool,
}

impl SimulatedProcess {
    pub(super) fn new(machine: usize, epoch: u32, state: TokenState, now: Duration) -> Self {
        Self {
            machine,
            epoch,
            awaited: state.awaited(),
            state,
            threads: Vec::new(),
            waiting: Vec::new(),
            served: None,
            served_generation: 0,
            rejected: Vec::new(),
            issued_again: None,
            last_rejection: Duration::ZERO,
            stopped_until: Duration::ZERO,
            last_exchange: Duration::ZERO,
            overdue_at: None,
            not_before: Duration::ZERO,
            calls_since: now,
            fetch_began: Duration::ZERO,
            abandoned: None,
            only_read_at: None,
            recovered: false,
        }
    }

    pub(super) fn current(&self) -> Option<CurrentToken> {
        let Published { token, .. } = self.state.published()?;
        let expires_at = token.expires_at().boottime;
        Some(CurrentToken { number: token_number(token.value.expose()), ttl: token.ttl, expires_at })
    }
}

impl Fleet {
    pub(super) fn call(&mut self, process: usize, is_second: bool) {
        // Enough to wait for the lease and for one request: by default, as long as `get` waits.
        let timeout = 2 * self.request_timeout + 10 * SECOND;
        let (began, deadline) = (self.now, self.now + timeout);
        self.calls.push(FleetCall { process, began, deadline, is_second });
        self.poll(self.calls.len() - 1);
    }

    /// From the top of the loop in which a caller waits.
    fn poll(&mut self, call: usize) {
        let FleetCall { process, deadline, .. } = self.calls[call];
        let now = self.timestamp(process);
        match self.processes[process].state.poll(now) {
            Poll::Confirm { until, .. } if self.now < deadline => {
                self.coverage.reach(Reached::Confirmed);
                let most = now.boottime + reference_policy::CONFIRM_WAIT_MAX;
                assert!(until <= most, "a caller waits until {until:?} for the store");
                self.wait(call, until, now);
            }
            Poll::Serve(published) | Poll::Confirm { token: published, .. } => {
                let number = token_number(published.token.value.expose());
                self.release_lock(process);
                self.use_token(call, number);
            }
            Poll::StartFetch => {
                self.start_fetch(process);
                self.poll(call);
            }
            Poll::Fail(error) => {
                self.release_lock(process);
                self.check_failure(call, error.status());
            }
            Poll::Wait { .. } if self.now >= deadline => {
                self.release_lock(process);
                self.check_failure(call, Status::DeadlineExceeded);
            }
            Poll::Wait { until } => {
                self.check_wait(process, now);
                self.wait(call, until, now);
            }
        }
    }

    fn wait(&mut self, call: usize, until: Instant, now: Timestamp) {
        let FleetCall { process, deadline, .. } = self.calls[call];
        self.release_lock(process);
        self.processes[process].waiting.push(Waiter { call, until, is_woken: false });
        let wait = (deadline - self.now).min(until.saturating_since(now.boottime));
        self.after(wait, process, FleetEvent::Wake { call });
    }

    pub(super) fn wake(&mut self, call: usize) {
        let waiting = &mut self.processes[self.calls[call].process].waiting;
        if let Some(place) = waiting.iter().position(|waiter| waiter.call == call) {
            waiting.remove(place);
            self.poll(call);
        }
    }

    fn start_fetch(&mut self, process: usize) {
        let id = self.new_number();
        let of = &self.processes[process];
        let releases = of.threads.iter().filter(|thread| thread.closed.is_none()).count();
        self.coverage.reach_if(releases > 0, Reached::BeganDuringRelease);
        let lease_checker = LeaseChecker::new(self.request_timeout, self.timestamp(process).boottime);
        let only_reads = self.check_store_load(process);
        self.processes[process].fetch_began = self.now;
        self.processes[process].threads.push(FetchThread::new(id, only_reads, lease_checker));
        self.release_lock(process);
        self.soon(process, FleetEvent::FetchThreadStarts { thread: id });
        self.may_stop_as_fetch_begins(process);
    }

    /// The caller sends the token to an API, and reports it if that answers 401.
    fn use_token(&mut self, call: usize, number: u64) {
        let FleetCall { process, is_second, .. } = self.calls[call];
        self.check_token(process, number);
        let rejects = !self.endpoint.accepts(number) || self.faults.routes && self.random.one_in(40);
        if rejects {
            self.soon(process, FleetEvent::Invalidate { number, again: !is_second });
        }
    }

    pub(super) fn invalidate(&mut self, process: usize, number: u64, again: bool) {
        let now = self.timestamp(process);
        let of = &mut self.processes[process];
        let must_read = !of.state.stats(now).fetching && !of.rejected.contains(&number);
        let invalidation = of.state.invalidate(&token_value(number), now);
        let reads = invalidation != Invalidation::Recorded;
        assert!(reads || !must_read, "a token is rejected, and the store is not read for another one at once");
        if invalidation != Invalidation::Ignored {
            self.processes[process].rejected.push(number);
            self.processes[process].last_rejection = self.now;
        }
        match invalidation {
            Invalidation::StartFetch => self.start_fetch(process),
            Invalidation::Recorded | Invalidation::Ignored => self.release_lock(process),
        }
        if again {
            self.call(process, true);
        }
    }

    /// Wakes the callers who wait for what has changed while the lock was held.
    pub(super) fn release_lock(&mut self, process: usize) {
        let awaited = self.processes[process].state.awaited();
        if awaited.wakes_since(&self.processes[process].awaited) {
            for place in 0..self.processes[process].waiting.len() {
                let waiter = &mut self.processes[process].waiting[place];
                waiter.is_woken = true;
                let call = waiter.call;
                self.soon(process, FleetEvent::Wake { call });
            }
        } else {
            self.check_sleepers(process);
        }
        self.processes[process].awaited = awaited;
    }

    /// The program closes its cache, and makes another.
    pub(super) fn close(&mut self, process: usize) {
        let now = self.now;
        let SimulatedProcess { machine, epoch, stopped_until, last_exchange, .. } = self.processes[process];
        let generation = self.processes[process].state.generation();
        let next = SimulatedProcess::new(machine, epoch, self.new_state(generation), now);
        let closed = std::mem::replace(&mut self.processes[process], next);
        let holds_lease = |thread: &FetchThread| thread.session.as_ref().is_some_and(Session::holds_lease);
        let mut threads = closed.threads;
        for thread in &mut threads {
            self.coverage.reach_if(holds_lease(thread), Reached::ClosedWithLease);
            self.coverage.reach_if(thread.sleeps, Reached::ClosedWhileWaiting);
            if thread.sleeps {
                self.soon(process, FleetEvent::FetchThreadWakes { thread: thread.id });
            }
            let mut state = self.new_state(generation);
            state.close();
            thread.closed = Some(state);
        }
        let of = &mut self.processes[process];
        (of.threads, of.stopped_until, of.last_exchange) = (threads, stopped_until, last_exchange);
    }
}
