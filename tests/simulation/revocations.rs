//! Scenarios of tokens that are rejected in a row: by revocations, which must cost no call, and by a route that always
//! answers 401, which must cost little. A cache cannot tell one from the other.

use std::iter;
use std::time::Duration;

use bankhub_core::Settings;

use crate::callers::CallerKind;
use crate::clock::SECOND;
use crate::endpoint::{Endpoint, EndpointMode};
use crate::random::Random;
use crate::simulator::{Fault, MachineMode, Simulator, SimulatorEvent};

const HOUR: Duration = Duration::from_secs(3_600);
const MS: Duration = Duration::from_millis(1);

const REQUESTS_PER_HOUR_MAX: u64 = 140;
const WAIT_MAX: Duration = Duration::from_millis(300);
const LATENCY: Duration = Duration::from_millis(20);

/// No thread is ever late, so that a number of the policy shows in full.
fn simulator(latency: Duration) -> Simulator {
    let settings = Settings { request_timeout: 10 * SECOND, refresh_ahead: None, lease_wait_max: Duration::ZERO };
    let mut simulator = Simulator::new(Random::new(17), Endpoint::healthy(60_000 * SECOND, false), settings);
    simulator.endpoint.latency = Some(latency);
    simulator.machine = MachineMode { is_prompt: true, ..MachineMode::CALM };
    simulator
}

/// Plans calls that begin at these times.
fn plan(simulator: &mut Simulator, kind: CallerKind, is_second: bool, times: impl Iterator<Item = Duration>) {
    for time in times {
        simulator.after(time, SimulatorEvent::Call { kind, timeout: 30 * SECOND, is_second });
    }
}

fn every(pause: Duration, until: Duration) -> impl Iterator<Item = Duration> {
    iter::successors(Some(Duration::ZERO), move |time| Some(*time + pause)).take_while(move |time| *time < until)
}

fn lost(simulator: &Simulator) -> usize {
    simulator.calls.iter().filter(|call| call.is_lost()).count()
}

/// All tokens are revoked this long after the first was issued, this long after the second, and so on.
fn revoke_after(pauses: &[Duration]) -> Simulator {
    let mut simulator = simulator(LATENCY);
    let end = pauses.iter().sum::<Duration>() + 2 * SECOND;
    plan(&mut simulator, CallerKind::Ordinary, false, every(10 * MS, end));
    let mut now = Duration::ZERO;
    for (token, pause) in pauses.iter().enumerate() {
        while simulator.slot.is_none_or(|slot| slot.generation <= token as u64) {
            assert!(now < end, "no token is issued in time after {token} revocations: {pauses:?}");
            now += MS;
            simulator.run_until(now);
        }
        now += *pause;
        simulator.run_until(now);
        simulator.endpoint.revoke_all();
    }
    simulator.run();
    simulator
}

#[test]
fn four_revocations_in_a_row_lose_no_call_however_close_they_are() {
    // A call takes 10 ms: it is lost if tokens are revoked before and after its first try, and that no policy can mend.
    let pauses = [25, 95, 150, 310, 2_500].map(|pause| pause * MS);
    for numbers in 0..pauses.len().pow(4) {
        let row: Vec<_> = (0..4).map(|index| pauses[numbers / pauses.len().pow(index) % pauses.len()]).collect();
        let mut simulator = revoke_after(&row);
        assert_eq!(lost(&simulator), 0, "calls are lost if tokens are revoked {row:?} after they were issued");
        assert_eq!(simulator.stats().requests, 5, "one for the first token, and one for each revocation: {row:?}");
        let longest = simulator.calls.iter().map(|call| call.took).max();
        assert!(longest <= Some(WAIT_MAX + LATENCY + MS), "a call waits for {longest:?}: {row:?}");
    }
}

/// All tokens are revoked `revocations` times, `pause` apart. Returns the number of lost calls, and of all calls.
fn revoke_every(pause: Duration, revocations: u32, calls_every: Duration) -> (usize, usize) {
    let mut simulator = simulator(LATENCY);
    let end = pause * (revocations + 1);
    plan(&mut simulator, CallerKind::Ordinary, false, every(calls_every, end));
    for time in every(pause, end).skip(1) {
        simulator.after(time, SimulatorEvent::Fault(Fault::Revoke));
    }
    simulator.run();
    let calls = simulator.calls.iter().filter(|call| !call.is_second).count();
    (lost(&simulator), calls)
}

#[test]
fn regular_revocations_lose_no_call_for_a_while() {
    for (pause, revocations) in [(250 * MS, 16), (500 * MS, 26), (SECOND, 36), (2_500 * MS, 50)] {
        let (lost, calls) = revoke_every(pause, revocations, 10 * MS);
        assert_eq!(lost, 0, "of {calls} calls, while {revocations} revocations are {pause:?} apart");
    }
}

/// Each token lives for half a second, and about a hundred must be enough for an hour.
#[test]
fn many_revocations_lose_no_more_calls_than_they_must() {
    let (lost, calls) = revoke_every(SECOND / 2, 47, SECOND / 20);
    assert!(3 * lost <= calls, "{lost} of {calls} calls are lost");
}

/// Calls of a route that answers 401 to every token.
struct RejectedCalls {
    latency: Duration,
    /// Whether each call is repeated once, with another token.
    are_repeated: bool,
    /// One group of calls after the other.
    groups_every: Duration,
    calls: u32,
    calls_every: Duration,
}

impl RejectedCalls {
    /// The requests of an hour, in which other routes are called too.
    fn simulate(&self, mode: EndpointMode, others_every: Duration) -> u64 {
        let mut simulator = simulator(self.latency);
        simulator.endpoint.mode = Some(mode);
        let times = every(self.groups_every, HOUR)
            .flat_map(|start| (0..self.calls).map(move |call| start + self.calls_every * call));
        plan(&mut simulator, CallerKind::AlwaysRejected, !self.are_repeated, times);
        plan(&mut simulator, CallerKind::Ordinary, false, every(others_every, HOUR));
        simulator.run_until(HOUR);
        let most = WAIT_MAX + self.latency + MS;
        let others = simulator.calls.iter().filter(|call| call.kind == CallerKind::Ordinary);
        for call in others.filter(|call| call.began + most < HOUR) {
            assert!(call.is_accepted, "a call of another route has no token that it accepts");
            assert!(call.took <= most, "a call of another route waits for {:?}, a request for {most:?}", call.took);
        }
        simulator.stats().requests
    }
}

#[test]
fn a_route_that_always_rejects_costs_few_requests_and_short_waits_at_any_pace() {
    let paces = [10, 300, 2_000, 10_000, 25_000, 61_000].map(|pace| (pace, 1, 1));
    let bursts = [(61_000, 10, 20), (125_000, 10, 300), (241_000, 30, 8_000), (700_000, 60, 1_000)];
    for (pace, calls, apart) in paces.into_iter().chain(bursts) {
        for are_repeated in [true, false] {
            let (groups_every, calls_every) = (pace * MS, apart * MS);
            let pattern = RejectedCalls { latency: LATENCY, are_repeated, groups_every, calls, calls_every };
            let requests = pattern.simulate(EndpointMode::Healthy, SECOND / 3);
            assert!(
                requests <= REQUESTS_PER_HOUR_MAX,
                "{requests} requests in an hour: {calls} calls, {apart} ms apart, every {pace} ms"
            );
        }
    }
}

#[test]
fn a_route_that_always_rejects_causes_short_waits_whatever_the_endpoint() {
    for mode in [EndpointMode::Healthy, EndpointMode::RepeatedToken] {
        for latency in [5, 90, 150, 1_000, 4_000].map(|latency| latency * MS) {
            let (groups_every, calls_every) = (50 * MS, Duration::ZERO);
            let calls = RejectedCalls { latency, are_repeated: false, groups_every, calls: 1, calls_every };
            let requests = calls.simulate(mode, SECOND / 10);
            assert!(requests <= REQUESTS_PER_HOUR_MAX, "{requests} requests in an hour: {mode:?}, {latency:?}");
        }
    }
}
