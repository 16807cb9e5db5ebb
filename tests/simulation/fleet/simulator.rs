//! A fleet: machines, the processes on them, the store that they share and the endpoint. Runs whatever a seed brings,
//! event by event.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use bankhub_core::{Instant, Settings, Timestamp, TokenState, policy};

use super::checker::{NewestToken, RequestInFlight};
use super::coverage::{FleetCoverage, Reached};
use super::process::{FleetCall, SimulatedProcess};
use super::store::{SimulatedStore, StoreHealth, StoreKind, StoreOperation, StoreReply};
use super::workload::{FaultKinds, FleetFault};
use crate::clock::SECOND;
use crate::endpoint::{Endpoint, EndpointMode, EndpointResponse};
use crate::event_queue::EventQueue;
use crate::random::Random;

pub(super) struct Machine {
    pub(super) boot_id: String,
    pub(super) started: Duration,
    /// By how much its wall clock is ahead of the one that is furthest behind.
    pub(super) wall_ahead: Duration,
    pub(super) wall_set_at: Duration,
}

#[derive(Debug)]
pub(super) enum FleetEvent {
    Call,
    Wake { call: usize },
    Invalidate { number: u64, again: bool },
    FetchThreadStarts { thread: u64 },
    FetchThreadWakes { thread: u64 },
    Execute { owner: u64, thread: u64, number: u64, operation: StoreOperation, reply_after: Option<Duration> },
    ReplyArrives { thread: u64, number: u64, reply: StoreReply },
    OperationTimesOut { thread: u64, number: u64 },
    ResponseArrives { thread: u64, response: EndpointResponse },
    Heartbeat { thread: u64 },
    // Events of no single process.
    Phase { left: u32 },
    Fault(FleetFault),
    AllWell,
    Settle,
    RevokeInTheEnd,
    End { requests_before: u64 },
}

struct ScheduledEvent {
    /// The process that it belongs to, and its epoch.
    process: Option<(usize, u32)>,
    event: FleetEvent,
}

pub(super) struct Fleet {
    pub(super) now: Duration,
    pub(super) random: Random,
    pub(super) endpoint: Endpoint,
    pub(super) store: SimulatedStore,
    pub(super) machines: Vec<Machine>,
    pub(super) processes: Vec<SimulatedProcess>,
    pub(super) calls: Vec<FleetCall>,
    pub(super) faults: FaultKinds,
    /// It meets no fault but a revocation.
    pub(super) is_calm: bool,
    pub(super) ttl: Duration,
    pub(super) request_timeout: Duration,
    pub(super) coverage: FleetCoverage,
    /// When each token really expires.
    pub(super) expiries: BTreeMap<u64, Duration>,
    /// When each token expires, as it was issued for the shortest time.
    pub(super) earliest_expiries: BTreeMap<u64, Duration>,
    pub(super) newest: Option<NewestToken>,
    pub(super) requests: Vec<RequestInFlight>,
    pub(super) requests_sent: u64,
    /// When each request gets its response, in the order in which they were sent.
    pub(super) responses_at: Vec<Duration>,
    pub(super) sent_at: Vec<Duration>,
    /// When the last request ends that takes long.
    pub(super) slow_until: Duration,
    /// Since when the endpoint refuses every request, and soon.
    pub(super) refuses_since: Option<Duration>,
    /// Until then nobody else is stopped.
    pub(super) stopped_until: Duration,
    numbers: u64,
    events: EventQueue<ScheduledEvent>,
    trace: VecDeque<String>,
}

const TRACED: usize = 80;
/// The boot clock of every machine starts there.
const BOOTTIME: Instant = Instant::from_origin(Duration::from_secs(10 * 365 * 24 * 3600));
const REALTIME: Duration = Duration::from_secs(1_700_000_000);
const START: Duration = Duration::from_secs(1_000);

impl Fleet {
    /// Without machines and processes yet.
    pub(super) fn new(mut random: Random, faults: FaultKinds, kind: StoreKind, ttl: Duration) -> Self {
        Self {
            now: START,
            endpoint: Endpoint::healthy(ttl, random.one_in(2)),
            store: SimulatedStore::new(kind),
            machines: Vec::new(),
            processes: Vec::new(),
            calls: Vec::new(),
            faults,
            is_calm: faults.are_none(),
            ttl,
            request_timeout: random.pick(&[1, 2, 10, 10, 30]) * SECOND,
            coverage: FleetCoverage::default(),
            expiries: BTreeMap::new(),
            earliest_expiries: BTreeMap::new(),
            newest: None,
            requests: Vec::new(),
            requests_sent: 0,
            responses_at: Vec::new(),
            sent_at: Vec::new(),
            slow_until: Duration::ZERO,
            refuses_since: None,
            stopped_until: Duration::ZERO,
            numbers: 0,
            events: EventQueue::new(),
            trace: VecDeque::new(),
            random,
        }
    }

    pub(super) fn run(&mut self) {
        while let Some((at, scheduled)) = self.events.pop_before(Duration::MAX) {
            self.now = at;
            if let Some(scheduled) = self.postpone_or_drop(scheduled) {
                if self.trace.len() == TRACED {
                    self.trace.pop_front();
                }
                let whose = scheduled.process.map_or(String::new(), |(process, _)| format!("{process}: "));
                let event = format!("{:?}", scheduled.event);
                self.trace.push_back(format!("  {:?}  {whose}{event:.120}", self.now));
                self.happen(scheduled);
            }
        }
        assert!(self.processes.iter().all(|process| process.waiting.is_empty()), "a call never ends");
        assert!(self.processes.iter().all(|process| process.threads.is_empty()), "a fetch never ends");
    }

    /// The last events, the newest at the end.
    pub(super) fn trace(&self) -> String {
        let Self { faults, ttl, request_timeout, .. } = self;
        let mut text = format!("  {:?}, {faults:?}, ttl {ttl:?}, {request_timeout:?}\n", self.store.kind);
        for line in &self.trace {
            writeln!(text, "{line}").expect("a text takes it all");
        }
        text
    }

    /// A process that is stopped, or has ended, does nothing; but what Redis was asked, it does.
    fn postpone_or_drop(&mut self, scheduled: ScheduledEvent) -> Option<ScheduledEvent> {
        let Some((process, epoch)) = scheduled.process else { return Some(scheduled) };
        if self.store.kind == StoreKind::Redis && matches!(scheduled.event, FleetEvent::Execute { .. }) {
            return Some(scheduled);
        }
        let of = &self.processes[process];
        if of.epoch != epoch {
            return None;
        }
        if of.stopped_until > self.now {
            let (at, order) = (of.stopped_until, self.new_number());
            self.events.push(at, order, scheduled);
            return None;
        }
        Some(scheduled)
    }

    fn happen(&mut self, ScheduledEvent { process, event }: ScheduledEvent) {
        let whose = process;
        let (process, _) = process.unwrap_or_default();
        match event {
            FleetEvent::Call => self.call(process, false),
            FleetEvent::Wake { call } => self.wake(call),
            FleetEvent::Invalidate { number, again } => self.invalidate(process, number, again),
            FleetEvent::FetchThreadStarts { thread } => self.fetch_thread_starts(process, thread),
            FleetEvent::FetchThreadWakes { thread } => self.fetch_thread_wakes(process, thread),
            FleetEvent::Execute { owner, thread, number, operation, reply_after } => {
                if let Some((after, reply)) = self.execute(owner, &operation, reply_after) {
                    self.push(after, whose, FleetEvent::ReplyArrives { thread, number, reply });
                }
            }
            FleetEvent::ReplyArrives { thread, number, reply } => self.reply(process, thread, number, reply, false),
            FleetEvent::OperationTimesOut { thread, number } => {
                self.reply(process, thread, number, StoreReply::Failed, true)
            }
            FleetEvent::ResponseArrives { thread, response } => self.response_arrives(process, thread, response),
            FleetEvent::Heartbeat { thread } => self.heartbeat(process, thread),
            FleetEvent::Phase { left } => self.begin_phase(left),
            FleetEvent::Fault(fault) => self.inject(fault),
            FleetEvent::AllWell => self.all_well(),
            FleetEvent::Settle => self.settle(),
            FleetEvent::RevokeInTheEnd => self.revoke_in_the_end(),
            FleetEvent::End { requests_before } => self.check_recovery(requests_before),
        }
    }

    /// The reply, and how long it travels back, if somebody still waits for it by then.
    fn execute(
        &mut self,
        owner: u64,
        operation: &StoreOperation,
        reply_after: Option<Duration>,
    ) -> Option<(Duration, StoreReply)> {
        let reply = self.store.execute(operation, owner, self.now);
        self.coverage.reach_if(matches!(reply, StoreReply::Written(false)), Reached::WriteRefused);
        self.coverage.reach_if(reply_after.is_none(), Reached::ExecutedLate);
        reply_after.map(|after| (after, reply))
    }

    pub(super) fn all_well(&mut self) {
        self.store.health = StoreHealth::Healthy;
        self.set_mode(EndpointMode::Healthy);
    }

    pub(super) fn set_mode(&mut self, mode: EndpointMode) {
        self.endpoint.mode = Some(mode);
        self.refuses_since = mode.refuses_quickly().then(|| self.refuses_since.unwrap_or(self.now));
    }

    /// The time of this process.
    pub(super) fn timestamp(&self, process: usize) -> Timestamp {
        self.timestamp_at(process, self.now)
    }

    pub(super) fn timestamp_at(&self, process: usize, at: Duration) -> Timestamp {
        let machine = &self.machines[self.processes[process].machine];
        Timestamp {
            boottime: BOOTTIME + at.saturating_sub(machine.started),
            realtime: REALTIME + at + machine.wall_ahead,
        }
    }

    pub(super) fn after(&mut self, time: Duration, process: usize, event: FleetEvent) {
        self.push(time, Some((process, self.processes[process].epoch)), event);
    }

    pub(super) fn soon(&mut self, process: usize, event: FleetEvent) {
        let time = self.random.between(SECOND / 100_000, SECOND / 100);
        self.after(time, process, event);
    }

    pub(super) fn schedule(&mut self, time: Duration, event: FleetEvent) {
        self.push(time, None, event);
    }

    fn push(&mut self, time: Duration, process: Option<(usize, u32)>, event: FleetEvent) {
        let order = self.new_number();
        self.events.push(self.now + time, order, ScheduledEvent { process, event });
    }

    pub(super) fn new_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn new_state(&self, generation: u64) -> TokenState {
        let lease_wait_max = policy::lease_wait_max(self.request_timeout);
        let settings = Settings { refresh_ahead: None, request_timeout: self.request_timeout, lease_wait_max };
        TokenState::new(settings, generation)
    }
}
