//! A machine, a token endpoint and the callers on it: runs whatever a seed brings, event by event.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use bankhub_core::{Instant, Settings, Timestamp};

use crate::cache::{PublishedToken, SimulatedCache};
use crate::callers::{CallOutcome, CallRecord, CallerKind};
use crate::checker::Checker;
use crate::clock::{Clock, SECOND};
use crate::endpoint::{Endpoint, EndpointResponse};
use crate::event_queue::EventQueue;
use crate::random::Random;
use crate::trace_event::TraceEvent;

pub(crate) enum SimulatorEvent {
    Call { kind: CallerKind, timeout: Duration, is_second: bool },
    Wake { call: usize, wakes: u32 },
    Invalidate { cache: usize, number: u64, again: Option<CallerKind> },
    StarterContinues { cache: usize, started: bool, call: Option<usize> },
    FetchThreadStarts { cache: usize },
    FetchThreadWakes { cache: usize },
    RequestLeaves { cache: usize },
    ResponseArrives { cache: usize, response: EndpointResponse },
    Phase,
    Recovery,
    Fault(Fault),
    ReadStats,
}

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Sleep,
    SetWall,
    Revoke,
    Close,
    Fork,
}

const TRACED: usize = 60;

pub(crate) struct Simulator {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) endpoint: Endpoint,
    pub(crate) settings: Settings,
    /// The last one is open; those before it were closed.
    pub(crate) caches: Vec<SimulatedCache>,
    /// The view of readers of the open cache without its lock.
    pub(crate) slot: Option<PublishedToken>,
    pub(crate) calls: Vec<CallRecord>,
    pub(crate) checker: Checker,
    pub(crate) machine: MachineMode,
    /// For how long, in all, threads that could have run did not.
    pub(crate) stalled: Duration,
    /// When the last caller has its token at the latest.
    pub(crate) recovered_by: Instant,
    events: EventQueue<SimulatorEvent>,
    trace: VecDeque<(Timestamp, TraceEvent)>,
}

/// How the machine treats its programs.
#[derive(Clone, Copy)]
pub(crate) struct MachineMode {
    /// The machine sleeps, its clock is set and its threads are preempted, even in the middle of a step.
    pub(crate) is_restless: bool,
    /// Every second thread cannot start.
    pub(crate) lacks_threads: bool,
    /// No thread waits for a processor.
    pub(crate) is_prompt: bool,
}

impl MachineMode {
    pub(crate) const CALM: Self = Self { is_restless: false, lacks_threads: false, is_prompt: false };
}

impl Simulator {
    pub(crate) fn new(random: Random, endpoint: Endpoint, settings: Settings) -> Self {
        Self {
            clock: Clock::new(),
            random,
            endpoint,
            settings,
            caches: vec![SimulatedCache::new(settings, 0)],
            slot: None,
            calls: Vec::new(),
            checker: Checker::new(settings),
            machine: MachineMode::CALM,
            stalled: Duration::ZERO,
            recovered_by: Instant::MAX,
            events: EventQueue::new(),
            trace: VecDeque::new(),
        }
    }

    /// Runs until no event is left.
    pub(crate) fn run(&mut self) {
        self.run_until(Duration::MAX);
        let open = self.calls.iter().position(|call| call.outcome.is_none());
        assert_eq!(open, None, "a call never ends");
    }

    /// Runs until this time, on the clock that stops while the machine sleeps.
    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some((at, event)) = self.events.pop_before(end) {
            self.clock.advance(at.saturating_sub(self.clock.running));
            match event {
                SimulatorEvent::Call { kind, timeout, is_second } => self.call(kind, timeout, is_second),
                SimulatorEvent::Wake { call, wakes } => self.wake(call, wakes),
                SimulatorEvent::Invalidate { cache, number, again } => self.report_rejection(cache, number, again),
                SimulatorEvent::StarterContinues { cache, started, call } => {
                    self.starter_continues(cache, started, call)
                }
                SimulatorEvent::FetchThreadStarts { cache } => self.fetch_thread_starts(cache),
                SimulatorEvent::FetchThreadWakes { cache } => self.fetch_thread_wakes(cache),
                SimulatorEvent::RequestLeaves { cache } => self.request_leaves(cache),
                SimulatorEvent::ResponseArrives { cache, response } => self.response_arrives(cache, response),
                SimulatorEvent::Phase => self.begin_phase(),
                SimulatorEvent::Recovery => self.recover(),
                SimulatorEvent::Fault(fault) => self.inject(fault),
                SimulatorEvent::ReadStats => drop(self.stats()),
            }
        }
    }

    pub(crate) fn after(&mut self, time: Duration, event: SimulatorEvent) {
        let order = self.random.below(u64::MAX);
        self.events.push(self.clock.running + time, order, event);
    }

    /// As soon as a thread gets the processor, or a lock.
    pub(crate) fn soon(&mut self, event: SimulatorEvent) {
        let long = if !self.machine.is_prompt && self.random.one_in(200) {
            self.random.between(SECOND / 1_000, SECOND)
        } else {
            Duration::ZERO
        };
        let delay = long + Duration::from_nanos(self.random.below(100_000));
        self.stalled += delay;
        self.after(delay, event);
    }

    /// Reads the clock, which takes time, in which anything may happen.
    pub(crate) fn now(&mut self) -> Timestamp {
        let time = Duration::from_nanos(self.random.below(1_000));
        self.stalled += time;
        self.clock.advance(time);
        if self.machine.is_restless && self.random.one_in(2_000) {
            match self.random.below(3) {
                0 => self.inject(Fault::Sleep),
                1 => self.inject(Fault::SetWall),
                _ => {
                    let preempted = self.random.between(SECOND / 1_000, SECOND);
                    self.stalled += preempted;
                    self.clock.advance(preempted);
                }
            }
        }
        self.clock.now()
    }

    pub(crate) fn thread_starts(&mut self) -> bool {
        !(self.machine.lacks_threads && self.random.one_in(2))
    }

    /// Traces, checks and counts an event.
    pub(crate) fn observe(&mut self, event: TraceEvent, now: Timestamp) {
        if self.trace.len() == TRACED {
            self.trace.pop_front();
        }
        self.trace.push_back((now, event));
        let (now, event) = self.trace.back().expect("just pushed");
        self.checker.observe(event, *now);
    }

    /// The last events, the newest at the end.
    pub(crate) fn trace(&self) -> String {
        let mut text = String::new();
        for (now, event) in &self.trace {
            let (boottime, realtime) = (now.boottime.since_origin().as_secs_f64(), now.realtime.as_secs_f64());
            writeln!(text, "  boottime {boottime:.6}  realtime {realtime:.6}  {event:?}").expect("a text takes it all");
        }
        text
    }

    pub(crate) fn drop_faults(&mut self) {
        self.events.retain(|event| !matches!(event, SimulatorEvent::Fault(_)));
    }

    /// After a fork only the thread that called fork is left.
    pub(crate) fn drop_threads(&mut self) {
        for call in &mut self.calls {
            call.outcome.get_or_insert(CallOutcome::ThreadGone);
        }
        self.events.retain(|event| match event {
            SimulatorEvent::Call { .. } | SimulatorEvent::Phase | SimulatorEvent::Recovery => true,
            SimulatorEvent::Fault(_) | SimulatorEvent::ReadStats => true,
            SimulatorEvent::Wake { .. } | SimulatorEvent::Invalidate { .. } => false,
            SimulatorEvent::StarterContinues { .. } | SimulatorEvent::FetchThreadStarts { .. } => false,
            SimulatorEvent::FetchThreadWakes { .. } | SimulatorEvent::RequestLeaves { .. } => false,
            SimulatorEvent::ResponseArrives { .. } => false,
        });
    }
}
