//! The threads of fetches that share a store: carry out the actions of a `Fetch`. Between any two, other processes may
//! act, and this one may be stopped, killed, or its cache closed.

use std::time::Duration;

use bankhub_core::{
    Action, Error, Event, Failure, Fetch, Instant, Lease, Secret, Status, StoredEntry, Timestamp, TokenResponse,
    TokenState, policy,
};

use super::checker::{ENDPOINT_ERROR, RequestInFlight};
use super::coverage::Reached;
use super::lease_checker::LeaseChecker;
use super::session::Session;
use super::simulator::{Fleet, FleetEvent};
use crate::clock::SECOND;
use crate::endpoint::{EndpointMode, EndpointResponse, token_value};
use crate::reference_policy;

pub(super) struct FetchThread {
    pub(super) id: u64,
    fetch: Fetch,
    pub(super) session: Option<Session>,
    /// The number of its last session.
    pub(super) owner: u64,
    /// Its cache was closed; this is what is left of it.
    pub(super) closed: Option<TokenState>,
    pub(super) sleeps: bool,
    /// Its request is in flight.
    sends: bool,
    /// No request may follow the read, and it has not ended yet.
    pub(super) only_reads: bool,
    panics: bool,
    /// The pause that the endpoint asked for.
    retry_after: Option<Duration>,
    pub(super) lease_checker: LeaseChecker,
}

impl FetchThread {
    pub(super) fn new(id: u64, only_reads: bool, lease_checker: LeaseChecker) -> Self {
        Self {
            id,
            fetch: Fetch::new(),
            session: None,
            owner: 0,
            closed: None,
            sleeps: false,
            sends: false,
            only_reads,
            panics: false,
            retry_after: None,
            lease_checker,
        }
    }

    pub(super) fn open_session(&mut self, owner: u64, now: Timestamp) {
        self.owner = owner;
        self.session = Some(Session::new(owner, now));
        self.lease_checker.begins();
    }
}

/// The next step of the thread.
enum NextStep {
    ReadStore,
    AcquireLease,
    ExtendLease,
    Remove,
    SleepUntil(Instant),
    Send,
    Write(Box<StoredEntry>),
    Release,
    End,
}

impl NextStep {
    fn of(action: Action<'_>) -> Self {
        match action {
            Action::ReadStore => Self::ReadStore,
            Action::AcquireLease => Self::AcquireLease,
            Action::ExtendLease => Self::ExtendLease,
            Action::Remove => Self::Remove,
            Action::SleepUntil(at) => Self::SleepUntil(at),
            Action::Send => Self::Send,
            Action::Write(entry) => Self::Write(Box::new(entry.clone())),
            Action::Release => Self::Release,
            Action::Done => Self::End,
        }
    }
}

impl Fleet {
    pub(super) fn fetch_thread_starts(&mut self, process: usize, thread: u64) {
        self.step(process, thread, Event::Started);
    }

    /// After its pause, or because the cache was closed.
    pub(super) fn fetch_thread_wakes(&mut self, process: usize, thread: u64) {
        let thread_of = self.processes[process].threads.iter_mut().find(|other| other.id == thread);
        if thread_of.is_some_and(|thread| std::mem::take(&mut thread.sleeps)) {
            self.step(process, thread, Event::Woke);
        }
    }

    /// Passes an event on to the machine, and carries out its action.
    pub(super) fn step(&mut self, process: usize, thread: u64, event: Event) {
        let reads = matches!(event, Event::StoreRead(_));
        let entry = if let Event::StoreRead(entry) = &event { entry.clone() } else { StoredEntry::default() };
        self.coverage.reach_if(entry.problem.is_some(), Reached::DamagedEntry);
        let now = self.timestamp(process);
        let in_backoff = reads && self.processes[process].state.stats(now).next_attempt_at != 0;
        let before = self.processes[process].current();
        let requests = self.processes[process].state.stats(now).requests;
        let next = self.step_machine(process, thread, event, now);
        if let Some(failure) = entry.failure {
            let stats = self.processes[process].state.stats(now);
            let is_adopted = stats.last_error.is_some_and(|error| error.message() == failure.error.message());
            let is_new = !in_backoff && stats.next_attempt_at != 0 && requests == stats.requests;
            self.coverage.reach_if(is_adopted && is_new, Reached::FailureAdopted);
        }
        if reads && self.check_adoption(process, before) {
            self.coverage.reach(Reached::Adopted);
            self.coverage.reach_if(in_backoff, Reached::AdoptedInBackoff);
            self.processes[process].recovered |= in_backoff;
        }
        if self.thread_of(process, thread).only_reads {
            self.note_read(process, thread, now);
        }
        self.release_lock(process);
        self.carry_out(process, thread, next, now);
    }

    fn note_read(&mut self, process: usize, thread: u64, now: Timestamp) {
        let is_over = !self.state_of(process, thread).stats(now).fetching;
        let thread_of = self.thread_of(process, thread);
        if is_over && thread_of.closed.is_none() && std::mem::take(&mut thread_of.only_reads) {
            self.processes[process].only_read_at = Some(self.now);
        }
    }

    /// Passes the holder of the lease on to the machine, and checks its decision.
    pub(super) fn lease_observed(&mut self, process: usize, thread: u64, lease: Lease) {
        let now = self.timestamp(process);
        let (had_token, had_failure) = {
            let state = self.state_of(process, thread);
            let _ = state.stats(now); // learns what time alone does
            (state.published().is_some(), state.last_failure().is_some())
        };
        let is_closed = self.thread_of(process, thread).closed.is_some();
        let next = self.step_machine(process, thread, Event::LeaseObserved(lease), now);
        let is_fetching = self.state_of(process, thread).stats(now).fetching;
        let pause = match next {
            NextStep::SleepUntil(at) => Some(at.saturating_since(now.boottime)),
            _ => None,
        };
        let checker = &mut self.thread_of(process, thread).lease_checker;
        let decision = checker.observe(lease, now.boottime);
        decision.check(pause, matches!(next, NextStep::ReadStore), matches!(next, NextStep::Release));
        if decision.is_bypass() {
            self.check_holder_is_stuck();
        }
        if decision.is_abandon() {
            self.processes[process].abandoned = Some(self.now);
            self.coverage.reach(if is_fetching { Reached::AloneAfterAbandon } else { Reached::Abandoned });
            assert!(!is_fetching || !had_token, "a request without a lease although there is a token");
            assert!(
                is_fetching || had_token || had_failure || is_closed,
                "a fetch is abandoned without an alternative"
            );
        }
        self.release_lock(process);
        self.carry_out(process, thread, next, now);
    }

    fn step_machine(&mut self, process: usize, thread: u64, event: Event, now: Timestamp) -> NextStep {
        let jitter = self.random.jitter();
        let of = &mut self.processes[process];
        let thread = of.threads.iter_mut().find(|other| other.id == thread).expect("the thread runs");
        let state = thread.closed.as_mut().unwrap_or(&mut of.state);
        let next = NextStep::of(thread.fetch.step(event, state, now, jitter));
        assert!(!state.is_closed() || state.published().is_none(), "a closed cache has a token");
        next
    }

    fn carry_out(&mut self, process: usize, thread: u64, next: NextStep, now: Timestamp) {
        match next {
            NextStep::ReadStore => self.read_store(process, thread),
            NextStep::AcquireLease => self.acquire_lease(process, thread),
            NextStep::ExtendLease => self.extend_lease(process, thread),
            NextStep::Remove => self.remove(process, thread),
            NextStep::SleepUntil(at) => self.sleep(process, thread, at.saturating_since(now.boottime)),
            NextStep::Send => self.send(process, thread, now),
            NextStep::Write(entry) => {
                self.thread_of(process, thread).lease_checker.writes(now.boottime);
                self.write(process, thread, &entry);
            }
            NextStep::Release => self.release(process, thread),
            NextStep::End => self.end(process, thread),
        }
    }

    fn sleep(&mut self, process: usize, thread: u64, pause: Duration) {
        let thread_of = self.thread_of(process, thread);
        thread_of.sleeps = true;
        // The runtime's sleep ends at once where the cache is closed already.
        let pause = if thread_of.closed.is_some() { Duration::ZERO } else { pause };
        thread_of.lease_checker.slept();
        self.after(pause, process, FleetEvent::FetchThreadWakes { thread });
    }

    fn send(&mut self, process: usize, thread: u64, now: Timestamp) {
        let thread_of = self.thread_of(process, thread);
        assert!(thread_of.closed.is_none(), "a request after its cache was closed");
        let (owner, is_alone) = (thread_of.owner, thread_of.session.is_none());
        thread_of.lease_checker.request_sent(now.boottime);
        self.processes[process].recovered = false;
        self.processes[process].overdue_at = Some(self.now + self.request_timeout + reference_policy::OVERDUE_GRACE);
        let (response, mut latency, mode) = self.endpoint.request(self.request_timeout, &mut self.random);
        if mode == EndpointMode::Healthy && self.faults.slow_responses && self.random.one_in(2) {
            latency = (self.request_timeout - SECOND / 100).min(self.ttl / 4);
        }
        self.coverage.reach_if(mode == EndpointMode::HangingLookup, Reached::LookupHangs);
        self.thread_of(process, thread).sends = true;
        self.extend_during_request(process, thread, policy::lookup_lease_duration(self.request_timeout));
        if mode != EndpointMode::HangingLookup {
            self.heartbeat(process, thread);
        }
        self.check_request(RequestInFlight { process, owner, is_alone, until: self.now + latency }, response);
        self.after(latency, process, FleetEvent::ResponseArrives { thread, response });
    }

    /// The thread extends its lease while it waits for the response, except during a name lookup.
    pub(super) fn heartbeat(&mut self, process: usize, thread: u64) {
        let sends = self.processes[process].threads.iter().any(|other| other.id == thread && other.sends);
        if sends && self.extend_during_request(process, thread, policy::LEASE_DURATION) {
            self.after(policy::LEASE_EXTEND_PAUSE, process, FleetEvent::Heartbeat { thread });
        }
    }

    pub(super) fn response_arrives(&mut self, process: usize, thread: u64, response: EndpointResponse) {
        let thread_of = self.thread_of(process, thread);
        let is_closed = thread_of.closed.is_some();
        thread_of.lease_checker.response_arrived();
        thread_of.sends = false;
        let holds_lease = thread_of.session.as_ref().is_some_and(Session::holds_lease);
        if let EndpointResponse::Failure { retry_after, .. } = response {
            thread_of.retry_after = retry_after;
        }
        let of = &mut self.processes[process];
        of.last_exchange = self.now;
        of.overdue_at.take_if(|_| !is_closed);
        let event = match response {
            EndpointResponse::Token { number, ttl } => {
                if of.rejected.contains(&number) {
                    of.issued_again = Some(number);
                }
                Event::Response(Ok(TokenResponse { value: Secret::new(token_value(number)), ttl }))
            }
            EndpointResponse::Failure { status, http_status, retry_after } => {
                let error = Error::new(status, ENDPOINT_ERROR);
                let error = http_status.map_or(error.clone(), |http_status| error.with_http_status(http_status));
                Event::Response(Err(Failure { error, retry_after }))
            }
            EndpointResponse::Panic => {
                self.coverage.reach_if(holds_lease, Reached::PanickedWithLease);
                self.thread_of(process, thread).panics = true;
                // The session ends as the stack unwinds.
                return self.release(process, thread);
            }
        };
        self.step(process, thread, event);
    }

    /// The session is closed.
    pub(super) fn released(&mut self, process: usize, thread: u64) {
        if !self.thread_of(process, thread).panics {
            return self.step(process, thread, Event::Released);
        }
        let (now, jitter) = (self.timestamp(process), self.random.jitter());
        let error = Error::new(Status::Internal, "it panicked");
        self.state_of(process, thread).fetch_panicked(error, now, jitter);
        self.release_lock(process);
        self.end(process, thread);
    }

    fn end(&mut self, process: usize, thread: u64) {
        let ended = self.thread_of(process, thread);
        let retry_after = ended.retry_after.filter(|_| ended.closed.is_none());
        let of = &mut self.processes[process];
        of.threads.retain(|other| other.id != thread);
        if let Some(after) = retry_after {
            of.not_before = self.now + after.min(reference_policy::RETRY_AFTER_MAX);
        }
    }

    pub(super) fn thread_of(&mut self, process: usize, thread: u64) -> &mut FetchThread {
        let threads = &mut self.processes[process].threads;
        threads.iter_mut().find(|other| other.id == thread).expect("the thread runs")
    }

    fn state_of(&mut self, process: usize, thread: u64) -> &mut TokenState {
        let of = &mut self.processes[process];
        let thread = of.threads.iter_mut().find(|other| other.id == thread).expect("the thread runs");
        thread.closed.as_mut().unwrap_or(&mut of.state)
    }
}
