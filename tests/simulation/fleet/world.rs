//! Machines, the processes on them, the store that they share and the endpoint: what a seed brings upon them, event by
//! event.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write;
use std::time::Duration;

use super::coverage::{Coverage, Reached};
use super::process::{Call, Process};
use super::promises::{CLOCKS_APART_MAX, Newest, Request};
use super::store::{self, Answer, Health, Kind, Op, Store};
use crate::agenda::Agenda;
use crate::clock::{DAY, SECOND};
use crate::life::{Life, Moment};
use crate::policy;
use crate::random::Random;
use crate::server::{HANGS_MAX, MOODS, Mood, Outcome, Server};

pub(super) struct Machine {
    pub(super) boot_id: String,
    started: Duration,
    /// By how much its wall clock is ahead of the one that is furthest behind.
    wall_ahead: Duration,
    pub(super) wall_set_at: Duration,
}

/// What a seed may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trouble {
    pub(super) store: bool,
    /// Some are stopped, or killed; machines sleep, start anew and have their wall clocks set.
    pub(super) processes: bool,
    pub(super) endpoint: bool,
    /// The endpoint takes its time, and yet answers in time.
    pub(super) delays: bool,
    /// Some routes answer 401 whatever the token.
    pub(super) routes: bool,
}

#[derive(Debug)]
pub(super) enum Event {
    Call,
    Wake { call: usize },
    Report { number: u64, again: bool },
    Visit,
    LookAgain,
    CarriedOut { owner: u64, asked: u64, op: Op, answer_after: Option<Duration> },
    Told { asked: u64, answer: Answer },
    Late { asked: u64 },
    Answered { owner: u64, sent: Moment, outcome: Outcome },
    // Nobody's own.
    Episode { left: u32 },
    Fault(Fault),
    Well,
    Settle,
    Revoke,
    End { requests_before: u64 },
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Fault {
    Store(Health),
    Flush,
    Replicate,
    FailOver,
    Stop,
    Kill,
    Sleep,
    Reboot,
    SetWall,
    Mood(Mood),
    Revoke,
}

struct Scheduled {
    /// Whose it is, and of which epoch.
    process: Option<(usize, u32)>,
    event: Event,
}

pub(super) struct Fleet {
    pub(super) now: Duration,
    pub(super) random: Random,
    pub(super) server: Server,
    pub(super) store: Store,
    pub(super) machines: Vec<Machine>,
    pub(super) processes: Vec<Process>,
    pub(super) calls: Vec<Call>,
    pub(super) trouble: Trouble,
    /// Nothing but a revocation ever befalls this one.
    pub(super) is_calm: bool,
    pub(super) ttl: Duration,
    pub(super) request_timeout: Duration,
    pub(super) reached: Coverage,
    /// When each token really ends.
    pub(super) ends: BTreeMap<u64, Duration>,
    pub(super) newest: Option<Newest>,
    pub(super) requests: Vec<Request>,
    pub(super) requests_sent: u64,
    /// When each request is answered, in the order that they were sent in.
    pub(super) answers: Vec<Duration>,
    numbers: u64,
    /// Nobody is stopped twice in a while.
    stopped: Duration,
    agenda: Agenda<Scheduled>,
    trace: VecDeque<String>,
}

const TRACED: usize = 80;
const EPISODES: u32 = 8;
const EPISODE: Duration = Duration::from_secs(90);
/// Another machine's boot clock goes on from there.
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 3600);
const WALL: Duration = Duration::from_secs(1_700_000_000);
const BEGINNING: Duration = Duration::from_secs(1_000);

impl Fleet {
    /// The fleet that this seed decides.
    pub(super) fn of(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let trouble = Trouble {
            store: random.one_in(2),
            processes: random.one_in(2),
            endpoint: random.one_in(2),
            delays: random.one_in(4),
            routes: random.one_in(6),
        };
        let kind = random.pick(&[Kind::Directory, Kind::Redis]);
        let ttl = random.pick(&[10, 60, 600, 10_000, 60_000, 60_000]) * SECOND;
        let mut fleet = Self {
            now: BEGINNING,
            server: Server::healthy(ttl, random.one_in(2)),
            store: Store::new(kind),
            machines: Vec::new(),
            processes: Vec::new(),
            calls: Vec::new(),
            trouble,
            is_calm: !(trouble.store || trouble.processes || trouble.endpoint || trouble.delays || trouble.routes),
            ttl,
            request_timeout: random.pick(&[1, 2, 10, 10, 30]) * SECOND,
            reached: Coverage::default(),
            ends: BTreeMap::new(),
            newest: None,
            requests: Vec::new(),
            requests_sent: 0,
            answers: Vec::new(),
            numbers: 0,
            stopped: Duration::ZERO,
            agenda: Agenda::new(),
            trace: VecDeque::new(),
            random,
        };
        for _ in 0..fleet.random.pick(&[1, 1, 2, 3]) {
            fleet.start_machine();
        }
        for _ in 0..2 + fleet.random.below(7) {
            let machine = fleet.random.below(fleet.machines.len() as u64) as usize;
            let process = Process::new(machine, 0, fleet.new_life(), fleet.now);
            fleet.processes.push(process);
        }
        fleet.schedule(Duration::ZERO, Event::Episode { left: EPISODES });
        fleet
    }

    pub(super) fn run(&mut self) {
        while let Some((at, scheduled)) = self.agenda.next_before(Duration::MAX) {
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
    }

    /// What has happened last, the newest at the end.
    pub(super) fn trace(&self) -> String {
        let Self { trouble, ttl, request_timeout, .. } = self;
        let mut text = format!("  {:?}, {trouble:?}, ttl {ttl:?}, {request_timeout:?}\n", self.store.kind);
        for line in &self.trace {
            writeln!(text, "{line}").expect("text takes all");
        }
        text
    }

    /// A stopped process does nothing, nor one that has ended; but what Redis was asked, it does.
    fn postpone_or_drop(&mut self, scheduled: Scheduled) -> Option<Scheduled> {
        let Some((process, epoch)) = scheduled.process else { return Some(scheduled) };
        if self.store.kind == Kind::Redis && matches!(scheduled.event, Event::CarriedOut { .. }) {
            return Some(scheduled);
        }
        let of = &self.processes[process];
        if of.epoch != epoch {
            return None;
        }
        if of.stopped_until > self.now {
            let (at, order) = (of.stopped_until, self.new_number());
            self.agenda.add(at, order, scheduled);
            return None;
        }
        Some(scheduled)
    }

    fn happen(&mut self, Scheduled { process, event }: Scheduled) {
        let (process, epoch) = process.unwrap_or_default();
        match event {
            Event::Call => self.call(process, false),
            Event::Wake { call } => self.wake(call),
            Event::Report { number, again } => self.report(process, number, again),
            Event::Visit => self.visit(process),
            Event::LookAgain => self.look_again(process),
            Event::CarriedOut { owner, asked, op, answer_after } => {
                self.carry_out((process, epoch), owner, asked, &op, answer_after)
            }
            Event::Told { asked, answer } => self.told(process, asked, answer, false),
            Event::Late { asked } => self.told(process, asked, Answer::Failed, true),
            Event::Answered { owner, sent, outcome } => self.answered(process, owner, sent, outcome),
            Event::Episode { left } => self.episode(left),
            Event::Fault(fault) => self.suffer(fault),
            Event::Well => (self.store.health, self.server.mood) = (Health::Well, Some(Mood::Healthy)),
            Event::Settle => self.settle(),
            Event::Revoke => self.revoke_in_the_end(),
            Event::End { requests_before } => self.check_recovery(requests_before),
        }
    }

    fn carry_out(&mut self, whose: (usize, u32), owner: u64, asked: u64, op: &Op, answer_after: Option<Duration>) {
        let answer = self.store.carry_out(op, owner, self.now);
        self.reached.see_if(matches!(answer, Answer::Written(false)), Reached::WriteRefused);
        self.reached.see_if(answer_after.is_none(), Reached::CarriedOutLate);
        // Nobody waits for the end of a lease.
        if let Some(after) = answer_after.filter(|_| !matches!(op, Op::EndLease)) {
            self.push(after, Some(whose), Event::Told { asked, answer });
        }
    }

    pub(super) fn moment(&self, process: usize) -> Moment {
        let machine = &self.machines[self.processes[process].machine];
        Moment { boot: TEN_YEARS + self.now - machine.started, wall: WALL + self.now + machine.wall_ahead }
    }

    pub(super) fn after(&mut self, time: Duration, process: usize, event: Event) {
        self.push(time, Some((process, self.processes[process].epoch)), event);
    }

    pub(super) fn soon(&mut self, process: usize, event: Event) {
        let time = self.random.between(SECOND / 100_000, SECOND / 100);
        self.after(time, process, event);
    }

    fn schedule(&mut self, time: Duration, event: Event) {
        self.push(time, None, event);
    }

    fn push(&mut self, time: Duration, process: Option<(usize, u32)>, event: Event) {
        let order = self.new_number();
        self.agenda.add(self.now + time, order, Scheduled { process, event });
    }

    pub(super) fn new_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn new_life(&self) -> Life {
        Life::new(None, self.request_timeout, policy::turns_take(self.request_timeout), 0)
    }

    fn start_machine(&mut self) {
        let boot_id = format!("start {}", self.new_number());
        let wall_ahead = self.wall_ahead();
        self.machines.push(Machine { boot_id, started: self.now, wall_ahead, wall_set_at: Duration::ZERO });
    }

    /// No clock is further from another than a directory reckons with.
    fn wall_ahead(&mut self) -> Duration {
        Duration::from_nanos(self.random.below(CLOCKS_APART_MAX.as_nanos() as u64))
    }

    /// A while in which every process is asked often, and one without.
    fn episode(&mut self, left: u32) {
        if left == 0 {
            return self.schedule(self.time_to_settle(), Event::Settle);
        }
        let spacing = self.random.between(SECOND / 2, 10 * SECOND);
        for process in 0..self.processes.len() {
            self.processes[process].calls_since = self.now;
            let begin = self.random.pick(&[Duration::ZERO, SECOND / 10, 5 * SECOND]);
            let mut at = begin.mul_f64(self.random.below(1_000) as f64 / 1_000.0);
            while at < EPISODE {
                self.after(at, process, Event::Call);
                at += spacing;
            }
        }
        self.plan_faults();
        self.schedule(EPISODE, Event::Well);
        let pause = self.random.between(SECOND, (self.ttl * 2).min(DAY));
        self.schedule(EPISODE + pause, Event::Episode { left: left - 1 });
    }

    fn plan_faults(&mut self) {
        let mut faults = vec![Fault::Revoke];
        if self.trouble.store {
            let slow = if self.store.kind == Kind::Redis { Health::Slow } else { Health::Full };
            faults.extend([slow, Health::Down, Health::Full, Health::Well].map(Fault::Store));
            if self.store.kind == Kind::Redis {
                faults.extend([Fault::Flush, Fault::FailOver, Fault::FailOver]);
            }
        }
        if self.trouble.processes {
            faults.extend([Fault::Stop, Fault::Stop, Fault::Kill, Fault::Sleep, Fault::Reboot, Fault::SetWall]);
        }
        if self.trouble.endpoint {
            let mood = self.random.pick(&MOODS);
            faults.extend([Fault::Mood(mood), Fault::Mood(mood), Fault::Mood(Mood::Down), Fault::Mood(Mood::Healthy)]);
        }
        while !self.random.one_in(4) {
            let (fault, at) = (self.random.pick(&faults), self.random.between(SECOND / 100, EPISODE));
            self.schedule(at, Event::Fault(fault));
            if matches!(fault, Fault::FailOver) {
                let lag = self.random.between(SECOND / 100, 10 * SECOND);
                self.schedule(at.saturating_sub(lag), Event::Fault(Fault::Replicate));
            }
        }
    }

    fn suffer(&mut self, fault: Fault) {
        let victim = self.random.below(self.processes.len() as u64) as usize;
        let machine = self.processes[victim].machine;
        let time = self.random.between(SECOND / 10, 100 * SECOND);
        match fault {
            Fault::Store(health) => self.store.health = health,
            Fault::Flush => self.store.flush(),
            Fault::Replicate => self.store.replicate(),
            Fault::FailOver => {
                self.reached.see(Reached::FailedOver);
                let ahead = self.random.pick(&[0, 0, 1, 100]) * SECOND;
                self.store.fail_over(ahead);
            }
            // Who waits for one after the other has waited for long.
            Fault::Stop | Fault::Sleep if self.stopped + 100 * SECOND > self.now => {}
            Fault::Stop => self.stop(time, |process| process == victim),
            Fault::Sleep => {
                let there: Vec<_> = self.processes.iter().map(|process| process.machine == machine).collect();
                self.stop(time, |process| there[process]);
            }
            Fault::Kill => self.kill(victim),
            Fault::Reboot => self.reboot(machine),
            Fault::SetWall => {
                self.machines[machine].wall_ahead = self.wall_ahead();
                self.machines[machine].wall_set_at = self.now;
            }
            Fault::Mood(mood) => self.server.mood = Some(mood),
            Fault::Revoke => self.server.revoke_all(),
        }
    }

    fn stop(&mut self, time: Duration, whom: impl Fn(usize) -> bool) {
        self.stopped = self.now + time;
        for process in (0..self.processes.len()).filter(|process| whom(*process)) {
            self.processes[process].stopped_until = self.now + time;
        }
    }

    /// Another takes its place.
    fn kill(&mut self, process: usize) {
        if let Some(visit) = &self.processes[process].visit {
            let owner = visit.owner;
            self.reached.see_if(self.store.is_held_by(owner), Reached::KilledWithLease);
            if self.store.kind == Kind::Directory {
                self.store.unlock(owner);
            }
            self.requests.retain(|request| request.owner != owner);
        }
        let old = &self.processes[process];
        let (machine, epoch) = (old.machine, old.epoch + 1);
        self.processes[process] = Process::new(machine, epoch, self.new_life(), self.now);
        for _ in 0..10 {
            let at = self.random.between(SECOND / 100, EPISODE);
            self.after(at, process, Event::Call);
        }
    }

    fn reboot(&mut self, machine: usize) {
        self.reached.see(Reached::Rebooted);
        for process in 0..self.processes.len() {
            if self.processes[process].machine == machine {
                self.kill(process);
            }
        }
        self.start_machine();
        let anew = self.machines.pop().expect("it has just been started");
        self.machines[machine] = anew;
    }

    /// By when no lookup hangs any more, and no backoff lasts.
    fn time_to_settle(&self) -> Duration {
        let hanging = if self.trouble.endpoint { HANGS_MAX } else { Duration::ZERO };
        hanging + numbers_of_backoffs()
    }

    /// All is well from now on, and everybody gets a token.
    fn settle(&mut self) {
        (self.trouble.routes, self.trouble.delays) = (false, false);
        (self.store.health, self.server.mood) = (store::Health::Well, Some(Mood::Healthy));
        for process in 0..self.processes.len() {
            for minute in 0..10 {
                self.after(minute * 600 * SECOND + SECOND, process, Event::Call);
            }
        }
        self.schedule(6_600 * SECOND, Event::Revoke);
    }

    fn revoke_in_the_end(&mut self) {
        self.server.revoke_all();
        for process in 0..self.processes.len() {
            let at = Duration::from_nanos(self.random.below(SECOND.as_nanos() as u64));
            self.after(at, process, Event::Call);
            self.after(4 * SECOND, process, Event::Call);
        }
        self.schedule(5 * SECOND, Event::End { requests_before: self.requests_sent });
    }
}

/// The longest that an endpoint may have asked for, and some.
fn numbers_of_backoffs() -> Duration {
    policy::RETRY_AFTER_MAX + 400 * SECOND
}
