//! A machine, a server and the callers on it, living through whatever a seed brings, event by event.

use std::collections::VecDeque;
use std::fmt::Write;
use std::time::Duration;

use crate::agenda::Agenda;
use crate::cache::Cache;
use crate::clock::{Clock, SECOND};
use crate::life::Moment;
use crate::promises::{Promises, Settings};
use crate::random::Random;
use crate::server::{Outcome, Server};
use crate::step::Step;

/// What a caller does with its token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// Reports the token if the API refuses it, and tries once more.
    Sound,
    /// Answers 401 to every token.
    Refusing,
    /// Reports the token, whatever it is worth, after so long.
    Late(Duration),
    /// Reports what never was a token.
    Foreign,
    /// Asks again as soon as it may, until it has a token.
    Persistent,
    /// Asks again and again, whatever the answer.
    Looping(Duration),
}

#[derive(Clone, Copy)]
pub(crate) struct Call {
    pub(crate) cache: usize,
    pub(crate) route: Route,
    pub(crate) patience: Duration,
    /// On the clock that stands still while the machine sleeps.
    pub(crate) began: Duration,
    /// For how long threads had been put aside by then.
    pub(crate) aside: Duration,
    /// On the clock that goes on.
    pub(crate) deadline: Duration,
    /// How often it was woken, or began to wait: an alarm for an earlier wait is void.
    pub(crate) wakes: u32,
    pub(crate) is_second: bool,
    pub(crate) end: Option<End>,
}

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Token,
    NoToken,
    /// Its process is not looked at any more.
    OutOfSight,
}

pub(crate) enum Event {
    Call { route: Route, patience: Duration, is_second: bool },
    Wake { call: usize, wakes: u32 },
    Report { cache: usize, number: u64, again: Option<Route> },
    Started { cache: usize, starts: bool, call: Option<usize> },
    ThreadRuns { cache: usize },
    Send { cache: usize, sent: Moment },
    Answered { cache: usize, sent: Moment, outcome: Outcome },
    Episode,
    Recovery,
    Fault(Fault),
    Look,
}

#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Sleep,
    SetWall,
    Revoke,
    Free,
    Fork,
}

const TRACED: usize = 60;

pub(crate) struct World {
    pub(crate) clock: Clock,
    pub(crate) random: Random,
    pub(crate) server: Server,
    pub(crate) settings: Settings,
    /// The last one is open; those before it were closed.
    pub(crate) caches: Vec<Cache>,
    pub(crate) calls: Vec<Call>,
    pub(crate) promises: Promises,
    pub(crate) trouble: Trouble,
    /// For how long, in all, threads that might have run did not.
    pub(crate) aside: Duration,
    /// By when the last caller has its token.
    pub(crate) recovered_by: Duration,
    agenda: Agenda<Event>,
    trace: VecDeque<(Moment, Step)>,
}

/// How the machine treats its programs.
#[derive(Clone, Copy)]
pub(crate) struct Trouble {
    /// The machine sleeps, its clock is set and its threads are put aside, in the midst of a step even.
    pub(crate) restless: bool,
    /// Every other thread cannot start.
    pub(crate) short_of_threads: bool,
}

impl World {
    pub(crate) fn new(random: Random, server: Server, settings: Settings) -> Self {
        Self {
            clock: Clock::new(),
            random,
            server,
            settings,
            caches: vec![Cache::new(settings, 0)],
            calls: Vec::new(),
            promises: Promises::new(settings),
            trouble: Trouble { restless: false, short_of_threads: false },
            aside: Duration::ZERO,
            recovered_by: Duration::MAX,
            agenda: Agenda::new(),
            trace: VecDeque::new(),
        }
    }

    /// Lives until nothing is left to happen.
    pub(crate) fn run(&mut self) {
        self.run_until(Duration::MAX);
        let open = self.calls.iter().position(|call| call.end.is_none());
        assert_eq!(open, None, "a call never ends");
    }

    /// Lives until this time, on the clock that stands still while the machine sleeps.
    pub(crate) fn run_until(&mut self, end: Duration) {
        while let Some((at, event)) = self.agenda.next_before(end) {
            self.clock.pass(at.saturating_sub(self.clock.running));
            match event {
                Event::Call { route, patience, is_second } => self.call(route, patience, is_second),
                Event::Wake { call, wakes } => self.wake(call, wakes),
                Event::Report { cache, number, again } => self.report(cache, number, again),
                Event::Started { cache, starts, call } => self.started(cache, starts, call),
                Event::ThreadRuns { cache } => self.thread_runs(cache),
                Event::Send { cache, sent } => self.send(cache, sent),
                Event::Answered { cache, sent, outcome } => self.answered(cache, sent, outcome),
                Event::Episode => self.episode(),
                Event::Recovery => self.recover(),
                Event::Fault(fault) => self.suffer(fault),
                Event::Look => drop(self.stats()),
            }
        }
    }

    pub(crate) fn after(&mut self, time: Duration, event: Event) {
        let order = self.random.below(u64::MAX);
        self.agenda.add(self.clock.running + time, order, event);
    }

    /// As soon as a thread gets the processor, or a lock.
    pub(crate) fn soon(&mut self, event: Event) {
        let delay = if self.random.one_in(200) { self.random.between(SECOND / 1_000, SECOND) } else { Duration::ZERO };
        let moments = Duration::from_nanos(self.random.below(100_000));
        self.aside += delay + moments;
        self.after(delay + moments, event);
    }

    /// Reading the clock takes time, in which anything may happen.
    pub(crate) fn now(&mut self) -> Moment {
        let moments = Duration::from_nanos(self.random.below(1_000));
        self.aside += moments;
        self.clock.pass(moments);
        if self.trouble.restless && self.random.one_in(2_000) {
            match self.random.below(3) {
                0 => self.suffer(Fault::Sleep),
                1 => self.suffer(Fault::SetWall),
                _ => {
                    let aside = self.random.between(SECOND / 1_000, SECOND);
                    self.aside += aside;
                    self.clock.pass(aside);
                }
            }
        }
        self.clock.now()
    }

    pub(crate) fn thread_starts(&mut self) -> bool {
        !(self.trouble.short_of_threads && self.random.one_in(2))
    }

    /// Traces, checks and counts a step.
    pub(crate) fn see(&mut self, step: Step, now: Moment) {
        if self.trace.len() == TRACED {
            self.trace.pop_front();
        }
        self.trace.push_back((now, step));
        let (now, step) = self.trace.back().expect("just put there");
        self.promises.see(step, *now);
    }

    /// The last steps, the newest at the end.
    pub(crate) fn trace(&self) -> String {
        let mut text = String::new();
        for (now, step) in &self.trace {
            let (boot, wall) = (now.boot.as_secs_f64(), now.wall.as_secs_f64());
            writeln!(text, "  boot {boot:.6}  wall {wall:.6}  {step:?}").expect("text takes all");
        }
        text
    }

    /// After a fork there is nobody but the caller of fork.
    pub(crate) fn forget_all_but_time(&mut self) {
        for call in &mut self.calls {
            call.end.get_or_insert(End::OutOfSight);
        }
        self.agenda.keep(|event| match event {
            Event::Call { .. } | Event::Episode | Event::Recovery | Event::Fault(_) | Event::Look => true,
            Event::Wake { .. } | Event::Report { .. } | Event::Started { .. } => false,
            Event::ThreadRuns { .. } | Event::Send { .. } | Event::Answered { .. } => false,
        });
    }
}
