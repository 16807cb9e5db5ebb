//! The checker must not find anything, but for the seeded bugs.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::coverage::Coverage;
use crate::fleet::{Budget, Bug, Fleet, State};
use crate::{properties, scenarios, trace};

/// The bounds within which every state is reached, in half a minute.
const USUAL: [(usize, Budget); 3] = [
    (3, Budget { calls: 2, faults: 1, slow_responses: 1 }),
    (3, Budget { calls: 3, faults: 0, slow_responses: 1 }),
    (3, Budget { calls: 1, faults: 2, slow_responses: 1 }),
];

/// Far more than it takes.
const SECONDS_MAX: u64 = 600;

/// The work of the checker.
struct Checked {
    states: usize,
    /// The steps of the longest way to one.
    depth: usize,
    took: f64,
    is_exhausted: bool,
    /// The first property that it saw broken, and how that came about.
    broken: Option<(&'static str, String)>,
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { states, depth, took, is_exhausted, .. } = self;
        let all = if *is_exhausted { "all states" } else { "not all states" };
        write!(f, "{all}, which are {states}, in up to {depth} steps, took {took:.0} s")
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { calls, faults, slow_responses } = self;
        write!(f, "{calls} calls, {faults} faults, {slow_responses} slow responses")
    }
}

fn check(processes: usize, budget: Budget, bug: Option<Bug>, seconds: u64, coverage: &Arc<Coverage>) -> Checked {
    let start = scenarios::all(processes, budget).into_iter().map(|state| State { bug, ..state }).collect();
    let began = Instant::now();
    // One thread alone always finds the same trace first.
    let threads = if bug.is_some() { 1 } else { std::thread::available_parallelism().map_or(1, usize::from) };
    let checker = Fleet { start, coverage: Arc::clone(coverage) }.checker().threads(threads);
    let checker = checker.finish_when(HasDiscoveries::Any).timeout(Duration::from_secs(seconds));
    let checker = checker.spawn_bfs().join();
    let took = began.elapsed().as_secs_f64();
    let broken = checker.discoveries().into_iter().next().map(|(name, path)| (name, trace::describe(path)));
    let (states, depth) = (checker.unique_state_count(), checker.max_depth());
    let is_exhausted = broken.is_none() && took < seconds as f64;
    Checked { states, depth, took, is_exhausted, broken }
}

/// The bounds may be others: see `make model`.
#[test]
fn every_order_of_events_keeps_every_property() {
    let coverage = Arc::new(Coverage::default());
    let seconds = number("MODEL_SECONDS");
    let bounds = requested_bounds().map_or(USUAL.to_vec(), |bounds| vec![bounds]);
    for (processes, budget) in bounds {
        let checked = check(processes, budget, None, seconds.unwrap_or(SECONDS_MAX), &coverage);
        if let Some((name, trace)) = checked.broken {
            panic!("broken: {name}\n{trace}\nremedy: mend core/, or the model in tests/model if it is wrong");
        }
        println!("checked: {processes} processes, {budget}: {checked}");
        assert!(checked.is_exhausted || seconds.is_some(), "{checked}; remedy: lower the bounds");
    }
    let missing = coverage.missing();
    let remedy = "make tests/model/scenarios.rs reach it, or raise the bounds";
    assert!(requested_bounds().is_some() || missing.is_empty(), "never met: {missing:?}\nremedy: {remedy}");
}

#[test]
fn every_seeded_bug_is_found() {
    // A bug may break several properties in as many steps.
    let breaks: [(Bug, &[&str]); 5] = [
        (Bug::SecondReadSkipped, &[properties::NEEDLESS_REQUEST, properties::TOLD_TWICE]),
        (Bug::ReleasesForeignLease, &[properties::LEASE_LOST, properties::TWO_REQUESTS]),
        (Bug::LeaseNeverExpires, &[properties::RECOVERS]),
        (Bug::FailureBeginsAnew, &[properties::RECOVERS]),
        (Bug::NobodyIsWoken, &[properties::SLEEPS]),
    ];
    let (processes, budget) = USUAL[0];
    for (bug, properties) in breaks {
        let checked = check(processes, budget, Some(bug), SECONDS_MAX, &Arc::default());
        let (name, trace) = checked.broken.unwrap_or_else(|| panic!("{bug:?} is not found"));
        assert!(properties.contains(&name), "{bug:?} breaks another property, {name}:\n{trace}");
        println!("checked: {bug:?} is found among {} states", checked.states);
    }
}

fn requested_bounds() -> Option<(usize, Budget)> {
    let small = |name| number(name).map(|number| number as u8);
    let faults = small("MODEL_FAULTS")?;
    let slow_responses = small("MODEL_SLOW_RESPONSES").unwrap_or(1);
    let calls = small("MODEL_CALLS").unwrap_or(3);
    Some((number("MODEL_PROCESSES").unwrap_or(3) as usize, Budget { calls, faults, slow_responses }))
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is {value:?}; it must be a number")))
}
