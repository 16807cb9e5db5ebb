//! Scenarios that hold a guarantee to a number. Nothing in them is random but the jitter.

use std::time::Duration;

use bankhub_core::Settings;

use crate::callers::{CallOutcome, CallRecord, CallerKind};
use crate::clock::SECOND;
use crate::endpoint::{Endpoint, EndpointMode};
use crate::random::Random;
use crate::simulator::{Simulator, SimulatorEvent};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

fn simulator() -> Simulator {
    let settings = Settings { request_timeout: 10 * SECOND, refresh_ahead: None, lease_wait_max: Duration::ZERO };
    Simulator::new(Random::new(4), Endpoint::healthy(60_000 * SECOND, true), settings)
}

fn call_at(simulator: &mut Simulator, time: Duration, kind: CallerKind) {
    simulator.after(time, SimulatorEvent::Call { kind, timeout: 30 * SECOND, is_second: false });
}

fn requests(simulator: &mut Simulator) -> u64 {
    simulator.stats().requests
}

fn all_have_tokens(calls: &[CallRecord]) -> bool {
    calls.iter().all(|call| call.outcome == Some(CallOutcome::Token))
}

#[test]
fn many_callers_share_one_request() {
    let mut simulator = simulator();
    for _ in 0..64 {
        call_at(&mut simulator, Duration::ZERO, CallerKind::Ordinary);
    }
    simulator.run_until(SECOND / 10_000);
    assert_eq!(simulator.stats().waiters, 64);
    simulator.run();
    assert_eq!(simulator.calls.len(), 64);
    assert!(all_have_tokens(&simulator.calls));
    assert_eq!(requests(&mut simulator), 1);
}

#[test]
fn publishes_each_token_once() {
    let mut simulator = simulator();
    simulator.endpoint.mode = Some(EndpointMode::Down);
    for _ in 0..64 {
        call_at(&mut simulator, Duration::ZERO, CallerKind::Ordinary);
    }
    simulator.run_until(SECOND / 10);
    simulator.endpoint.mode = Some(EndpointMode::Healthy);
    simulator.run();
    assert!(all_have_tokens(&simulator.calls));
    assert_eq!(requests(&mut simulator), 2);
    assert_eq!(simulator.checker.publications, 1, "although 64 callers were woken, and each of them polled");
    assert!(simulator.calls.iter().all(|call| call.wakes == 2), "each of them began to wait once, and was woken once");
    for _ in 0..64 {
        call_at(&mut simulator, MINUTE, CallerKind::Ordinary);
    }
    simulator.run();
    assert_eq!(simulator.checker.publications, 1, "serving a token changes nothing");
    simulator.endpoint.revoke_all();
    for _ in 0..64 {
        call_at(&mut simulator, MINUTE, CallerKind::Ordinary);
    }
    simulator.run();
    assert_eq!(simulator.stats().generation, 2);
    assert_eq!(simulator.checker.publications, 3, "the token is withdrawn, and another one is published");
}

#[test]
fn bounds_requests_while_endpoint_is_down() {
    let mut simulator = simulator();
    simulator.endpoint.mode = Some(EndpointMode::Down);
    for _ in 0..64 {
        call_at(&mut simulator, Duration::ZERO, CallerKind::Looping(SECOND / 100));
    }
    simulator.run_until(MINUTE);
    assert!(simulator.calls.len() > 100_000, "{} calls", simulator.calls.len());
    let requests = requests(&mut simulator);
    assert!((8..=9).contains(&requests), "{requests} requests in a minute");
    simulator.endpoint.mode = Some(EndpointMode::Healthy);
    simulator.run_until(2 * MINUTE);
    assert!(
        simulator.calls.iter().any(|call| call.outcome == Some(CallOutcome::Token)),
        "callers recover within the backoff"
    );
}

#[test]
fn many_rejections_cost_one_request() {
    let mut simulator = simulator();
    call_at(&mut simulator, Duration::ZERO, CallerKind::Ordinary);
    simulator.run();
    simulator.endpoint.revoke_all();
    for _ in 0..100 {
        call_at(&mut simulator, MINUTE, CallerKind::Ordinary);
    }
    simulator.run();
    assert!(all_have_tokens(&simulator.calls));
    assert_eq!(requests(&mut simulator), 2);
    let stats = simulator.stats();
    assert_eq!((stats.rejections + stats.ignored_rejections, stats.generation), (100, 2));
}

#[test]
fn always_rejecting_route_harms_no_other() {
    let mut simulator = simulator();
    for call in 0..100 * 3_600 {
        call_at(&mut simulator, SECOND / 100 * call, CallerKind::AlwaysRejected);
    }
    for call in 0..20 * 3_600 {
        call_at(&mut simulator, SECOND / 20 * call, CallerKind::Ordinary);
    }
    simulator.run_until(HOUR);
    let requests = requests(&mut simulator);
    assert!((60..=130).contains(&requests), "{requests} requests in an hour");
    let healthy = simulator.calls.iter().filter(|call| call.kind == CallerKind::Ordinary && call.began < HOUR - SECOND);
    let healthy: Vec<_> = healthy.copied().collect();
    assert!(healthy.len() > 70_000, "{} calls", healthy.len());
    assert!(all_have_tokens(&healthy));
    let last_wait = healthy.iter().filter(|call| call.wakes > 0).map(|call| call.began).max();
    assert!(last_wait < Some(2 * SECOND), "they wait for the first token and its replacement, not at {last_wait:?}");
}
