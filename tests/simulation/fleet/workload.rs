//! The events that a seed brings upon a fleet: phases of calls, each with faults of its own, and in the end none.

use std::time::Duration;

use super::checker::WALL_CLOCKS_APART_MAX;
use super::coverage::Reached;
use super::process::SimulatedProcess;
use super::session::Session;
use super::simulator::{Fleet, FleetEvent, Machine};
use super::store::{StoreHealth, StoreKind};
use crate::clock::{DAY, SECOND};
use crate::endpoint::{ENDPOINT_MODES, EndpointMode, LOOKUP_HANGS_MAX};
use crate::random::Random;
use crate::reference_policy;

/// Which kinds of faults a seed may bring.
#[derive(Clone, Copy, Debug)]
pub(super) struct FaultKinds {
    pub(super) store: bool,
    /// Processes are stopped, killed, or close their cache; machines sleep, are rebooted and have their wall clocks
    /// set.
    pub(super) processes: bool,
    /// Processes are stopped just as a fetch begins.
    pub(super) starts: bool,
    pub(super) endpoint: bool,
    /// The endpoint takes long, and yet responds in time.
    pub(super) slow_responses: bool,
    /// Some routes answer 401 whatever the token.
    pub(super) routes: bool,
}

impl FaultKinds {
    pub(super) fn are_none(self) -> bool {
        !(self.store || self.processes || self.endpoint || self.slow_responses || self.routes)
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) enum FleetFault {
    Store(StoreHealth),
    Damage,
    Flush,
    Replicate,
    FailOver,
    Stop,
    Kill,
    Close,
    Sleep,
    Reboot,
    SetWall,
    Mode(EndpointMode),
    Revoke,
}

const PHASES: u32 = 8;
const PHASE: Duration = Duration::from_secs(90);

impl Fleet {
    pub(super) fn from_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let (store, processes) = (random.one_in(2), random.one_in(2));
        let faults = FaultKinds {
            store,
            processes,
            starts: processes,
            endpoint: random.one_in(2),
            slow_responses: random.one_in(4),
            routes: random.one_in(6),
        };
        let kind = random.pick(&[StoreKind::Directory, StoreKind::Redis]);
        let ttl = random.pick(&[10, 60, 600, 10_000, 60_000, 60_000]) * SECOND;
        let mut fleet = Self::new(random, faults, kind, ttl);
        for _ in 0..fleet.random.pick(&[1, 1, 2, 3]) {
            let machine = fleet.new_machine();
            fleet.machines.push(machine);
        }
        for _ in 0..2 + fleet.random.below(7) {
            let machine = fleet.random.below(fleet.machines.len() as u64) as usize;
            let process = SimulatedProcess::new(machine, 0, fleet.new_state(0), fleet.now);
            fleet.processes.push(process);
        }
        fleet.store.lease_expires = fleet.store.kind == StoreKind::Redis || fleet.machines.len() == 1;
        fleet.schedule(Duration::ZERO, FleetEvent::Phase { left: PHASES });
        fleet
    }

    fn new_machine(&mut self) -> Machine {
        let boot_id = format!("boot {}", self.new_number());
        let wall_ahead = self.wall_ahead();
        Machine { boot_id, started: self.now, wall_ahead, wall_set_at: Duration::ZERO }
    }

    /// No clock is further from another than a directory allows for.
    fn wall_ahead(&mut self) -> Duration {
        Duration::from_nanos(self.random.below(WALL_CLOCKS_APART_MAX.as_nanos() as u64))
    }

    /// A while in which every process is called often, and one without calls.
    pub(super) fn begin_phase(&mut self, left: u32) {
        if left == 0 {
            return self.schedule(self.time_to_settle(), FleetEvent::Settle);
        }
        let spacing = self.random.between(SECOND / 2, 10 * SECOND);
        for process in 0..self.processes.len() {
            self.processes[process].calls_since = self.now;
            let begin = self.random.pick(&[Duration::ZERO, SECOND / 10, 5 * SECOND]);
            let mut at = begin.mul_f64(self.random.below(1_000) as f64 / 1_000.0);
            while at < PHASE {
                self.after(at, process, FleetEvent::Call);
                at += spacing;
            }
        }
        self.plan_faults();
        self.schedule(PHASE, FleetEvent::AllWell);
        let pause = self.random.between(SECOND, (self.ttl * 2).min(DAY));
        self.schedule(PHASE + pause, FleetEvent::Phase { left: left - 1 });
    }

    fn plan_faults(&mut self) {
        let faults = self.possible_faults();
        while !self.random.one_in(4) {
            let (fault, at) = (self.random.pick(&faults), self.random.between(SECOND / 100, PHASE));
            self.schedule(at, FleetEvent::Fault(fault));
            if matches!(fault, FleetFault::FailOver) {
                let lag = self.random.between(SECOND / 100, 10 * SECOND);
                self.schedule(at.saturating_sub(lag), FleetEvent::Fault(FleetFault::Replicate));
            }
        }
    }

    fn possible_faults(&mut self) -> Vec<FleetFault> {
        let mut faults = vec![FleetFault::Revoke];
        if self.faults.store {
            let is_redis = self.store.kind == StoreKind::Redis;
            let slow = if is_redis { StoreHealth::Slow } else { StoreHealth::Full };
            let healths = [slow, StoreHealth::Down, StoreHealth::Full, StoreHealth::Healthy];
            faults.extend(healths.map(FleetFault::Store));
            faults.push(FleetFault::Damage);
            if is_redis {
                faults.extend([FleetFault::Flush, FleetFault::FailOver, FleetFault::FailOver]);
            }
        }
        if self.faults.processes {
            faults.extend([FleetFault::Stop, FleetFault::Stop, FleetFault::Kill, FleetFault::Close]);
            faults.extend([FleetFault::Sleep, FleetFault::Reboot, FleetFault::SetWall]);
        }
        if self.faults.endpoint {
            let mode = self.random.pick(&ENDPOINT_MODES);
            faults.extend([mode, mode, EndpointMode::Down, EndpointMode::Healthy].map(FleetFault::Mode));
        }
        faults
    }

    pub(super) fn inject(&mut self, fault: FleetFault) {
        let victim = self.random.below(self.processes.len() as u64) as usize;
        let machine = self.processes[victim].machine;
        let time = self.random.between(SECOND / 10, 100 * SECOND);
        match fault {
            FleetFault::Store(health) => self.store.health = health,
            FleetFault::Damage => self.store.damage(),
            FleetFault::Flush => self.store.flush(),
            FleetFault::Replicate => self.store.replicate(),
            FleetFault::FailOver => {
                self.coverage.reach(Reached::FailedOver);
                let ahead = self.random.pick(&[0, 0, 1, 100]) * SECOND;
                self.store.fail_over(ahead);
            }
            // A caller who waits for one stopped process after the other waits too long.
            FleetFault::Stop | FleetFault::Sleep if self.stopped_until + 100 * SECOND > self.now => {}
            FleetFault::Stop => self.stop(time, |process| process == victim),
            FleetFault::Sleep => {
                let sleeps: Vec<_> = self.processes.iter().map(|process| process.machine == machine).collect();
                self.stop(time, |process| sleeps[process]);
            }
            FleetFault::Kill => self.kill(victim),
            FleetFault::Close => {
                self.close(victim);
                self.plan_calls_of_successor(victim);
            }
            FleetFault::Reboot => self.reboot(machine),
            FleetFault::SetWall => {
                self.machines[machine].wall_ahead = self.wall_ahead();
                self.machines[machine].wall_set_at = self.now;
            }
            FleetFault::Mode(mode) => self.set_mode(mode),
            FleetFault::Revoke => self.endpoint.revoke_all(),
        }
    }

    /// By chance alone, hardly a process would be stopped after a fetch began and before it first asked for the lease.
    pub(super) fn may_stop_as_fetch_begins(&mut self, process: usize) {
        let may_stop = self.faults.starts && self.stopped_until + 100 * SECOND <= self.now;
        if may_stop && self.random.one_in(20) {
            let time = self.random.between(SECOND, 2 * self.request_timeout + 10 * SECOND);
            self.stop(time, |other| other == process);
        }
    }

    fn stop(&mut self, time: Duration, is_stopped: impl Fn(usize) -> bool) {
        self.stopped_until = self.now + time;
        for process in (0..self.processes.len()).filter(|process| is_stopped(*process)) {
            self.processes[process].stopped_until = self.now + time;
        }
    }

    /// Another process takes its place.
    fn kill(&mut self, process: usize) {
        for thread in std::mem::take(&mut self.processes[process].threads) {
            let holds_lease = thread.session.as_ref().is_some_and(Session::holds_lease);
            self.coverage.reach_if(holds_lease && self.store.is_held_by(thread.owner), Reached::KilledWithLease);
            if self.store.kind == StoreKind::Directory {
                self.store.unlock(thread.owner);
            }
            self.requests.retain(|request| request.owner != thread.owner);
        }
        let old = &self.processes[process];
        let (machine, epoch) = (old.machine, old.epoch + 1);
        self.processes[process] = SimulatedProcess::new(machine, epoch, self.new_state(0), self.now);
        self.plan_calls_of_successor(process);
    }

    fn plan_calls_of_successor(&mut self, process: usize) {
        for _ in 0..10 {
            let at = self.random.between(SECOND / 100, PHASE);
            self.after(at, process, FleetEvent::Call);
        }
    }

    fn reboot(&mut self, machine: usize) {
        self.coverage.reach(Reached::Rebooted);
        for process in 0..self.processes.len() {
            if self.processes[process].machine == machine {
                self.kill(process);
            }
        }
        self.machines[machine] = self.new_machine();
    }

    /// By then no lookup hangs any more, and no backoff lasts.
    fn time_to_settle(&self) -> Duration {
        let hangs = if self.faults.endpoint { LOOKUP_HANGS_MAX } else { Duration::ZERO };
        hangs + reference_policy::RETRY_AFTER_MAX + 400 * SECOND
    }

    /// Nothing fails from now on, and everybody gets a token.
    pub(super) fn settle(&mut self) {
        (self.faults.routes, self.faults.slow_responses, self.faults.starts) = (false, false, false);
        self.all_well();
        for process in 0..self.processes.len() {
            for minute in 0..10 {
                self.after(minute * 600 * SECOND + SECOND, process, FleetEvent::Call);
            }
        }
        self.schedule(6_600 * SECOND, FleetEvent::RevokeInTheEnd);
    }

    pub(super) fn revoke_in_the_end(&mut self) {
        self.endpoint.revoke_all();
        for process in 0..self.processes.len() {
            let at = Duration::from_nanos(self.random.below(SECOND.as_nanos() as u64));
            self.after(at, process, FleetEvent::Call);
            self.after(4 * SECOND, process, FleetEvent::Call);
        }
        self.schedule(5 * SECOND, FleetEvent::End { requests_before: self.requests_sent });
    }
}
