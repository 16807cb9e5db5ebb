//! The events that a seed brings: thirty days and more of phases, each with an endpoint, callers and faults of its own.

use std::time::Duration;

use bankhub_core::{Instant, Settings};

use crate::callers::CallerKind;
use crate::clock::{DAY, SECOND};
use crate::endpoint::{ENDPOINT_MODES, Endpoint, EndpointMode};
use crate::random::Random;
use crate::simulator::{Fault, MachineMode, Simulator, SimulatorEvent};
use crate::trace_event::TraceEvent;

/// On the clock of the machine, which was started a while before.
const END: Instant = Instant::from_origin(Duration::from_secs(31 * 24 * 3600));

const LONGEST_PAUSE: Duration = Duration::from_secs(8 * 24 * 3600);

const TIMEOUTS_MS: [u32; 8] = [0, 1, 100, 1_000, 5_000, 30_000, 30_000, 3_600_000];

impl Simulator {
    pub(crate) fn from_seed(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let endpoint = Endpoint::new(&mut random);
        let settings = Settings {
            request_timeout: random.pick(&[2, 10, 10, 10, 30]) * SECOND,
            refresh_ahead: random.pick(&[None, None, None, Some(1), Some(60), Some(7_200)]).map(|ahead| ahead * SECOND),
            lease_wait_max: Duration::ZERO,
        };
        let mut simulator = Self::new(random, endpoint, settings);
        simulator.after(Duration::ZERO, SimulatorEvent::Phase);
        simulator
    }

    /// One phase, and after a while the next.
    pub(crate) fn begin_phase(&mut self) {
        self.machine = MachineMode {
            is_restless: self.random.one_in(2),
            lacks_threads: self.random.one_in(8),
            ..MachineMode::CALM
        };
        let until_refresh = self.until_refresh().filter(|_| self.random.one_in(2));
        self.endpoint.mode = match self.random.below(20) {
            0..8 => Some(EndpointMode::Healthy),
            8 => None,
            9..14 if until_refresh.is_some() => Some(self.random.pick(&[
                EndpointMode::HangingLookup,
                EndpointMode::HangingLookup,
                EndpointMode::Down,
                EndpointMode::RateLimiting,
            ])),
            _ => Some(self.random.pick(&ENDPOINT_MODES)),
        };
        let now = self.clock.now();
        self.observe(TraceEvent::Mode(self.endpoint.mode), now);
        let spacing = match self.random.below(4) {
            0 => Duration::ZERO,
            1 => self.endpoint.usual_ttl() / if until_refresh.is_some() { 200 } else { 20 },
            _ => self.random.between(SECOND / 1_000, 1_000 * SECOND),
        };
        let start = until_refresh.unwrap_or_default();
        let calls = self.random.pick(&[1, 2, 8, 30]);
        self.plan_calls(start, spacing, calls);
        let end = start + spacing * calls;
        self.plan_faults(end);
        let pause = self.random.between(SECOND, LONGEST_PAUSE);
        let next = if now.boottime < END { SimulatorEvent::Phase } else { SimulatorEvent::Recovery };
        self.after(end + pause, next);
    }

    /// How long until the token is refreshed, if that is not too far away.
    fn until_refresh(&self) -> Option<Duration> {
        let wait = self.checker.refresh_at()?.saturating_since(self.clock.now().boottime);
        Some(wait).filter(|wait| *wait < LONGEST_PAUSE)
    }

    fn plan_calls(&mut self, start: Duration, spacing: Duration, calls: u32) {
        for call in 0..calls {
            let at = start + spacing * call;
            let timeout = self.random.pick(&TIMEOUTS_MS) * SECOND / 1_000;
            let kind = self.caller_kind();
            self.after(at, SimulatorEvent::Call { kind, timeout, is_second: false });
            if self.random.one_in(5) {
                self.after(at, SimulatorEvent::ReadStats);
            }
        }
    }

    fn plan_faults(&mut self, end: Duration) {
        while self.random.one_in(3) {
            let fault = self.fault();
            let at = Duration::from_nanos(self.random.below((end + SECOND).as_nanos() as u64));
            self.after(at, SimulatorEvent::Fault(fault));
        }
    }

    pub(crate) fn fault(&mut self) -> Fault {
        match self.random.below(12) {
            0..4 => Fault::Sleep,
            4..7 => Fault::SetWall,
            7..9 => Fault::Revoke,
            9..11 => Fault::Close,
            _ => Fault::Fork,
        }
    }

    /// From now on nothing fails, and so a caller who calls again as soon as it may gets a token.
    pub(crate) fn recover(&mut self) {
        self.endpoint.mode = Some(EndpointMode::Healthy);
        self.machine = MachineMode::CALM;
        self.drop_faults();
        self.recovered_by = self.checker.recovered_by(self.clock.now().boottime);
        let (kind, timeout) = (CallerKind::Persistent, 100 * SECOND);
        self.after(Duration::ZERO, SimulatorEvent::Call { kind, timeout, is_second: false });
    }

    fn caller_kind(&mut self) -> CallerKind {
        match self.random.below(12) {
            0 => CallerKind::AlwaysRejected,
            1 => CallerKind::ReportsLate(self.random.between(SECOND / 1_000, 600 * SECOND)),
            2 => CallerKind::ReportsForeign,
            _ => CallerKind::Ordinary,
        }
    }

    pub(crate) fn inject(&mut self, fault: Fault) {
        let time = self.random.between(SECOND, 100 * DAY);
        let event = match fault {
            Fault::Sleep => {
                self.clock.sleep(time / 50);
                TraceEvent::Slept(time / 50)
            }
            Fault::SetWall if self.random.one_in(2) => {
                self.clock.set_wall_forward(time);
                TraceEvent::WallSetForward(time)
            }
            Fault::SetWall => {
                self.clock.set_wall_back(time);
                TraceEvent::WallSetBack(time)
            }
            Fault::Revoke => {
                self.endpoint.revoke_all();
                TraceEvent::Revoked
            }
            Fault::Close => return self.close(),
            Fault::Fork => return self.fork(),
        };
        let now = self.clock.now();
        self.observe(event, now);
    }
}
