//! Runs one seed after the other, on every processor, until one breaks a guarantee.
//!
//! `SIMULATION_SEED` is the one seed to run; `SIMULATION_SEEDS`, how many from the first on; `SIMULATION_FROM`, the
//! first of a run without an end. Coverage is judged only where none of these is set: it takes all those seeds.

use std::any::Any;
use std::env;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::coverage::Coverage;
use crate::simulator::Simulator;

const SEEDS: u64 = 10_000;

/// The coverage of many seeds is the sum of each one's.
pub(crate) trait Merge: Default + Send {
    fn merge(&mut self, other: &Self);
}

#[test]
fn every_seed_keeps_every_guarantee() {
    if let Some(coverage) = run_requested(SEEDS, run) {
        let differences = coverage.differences();
        let remedy = "make tests/simulation/workload.rs reach it, or correct TABLE in tests/simulation/coverage.rs";
        assert!(differences.is_empty(), "\n{differences}remedy: {remedy}");
    }
}

/// Runs the seeds that the environment asks for. If it asks for none: the usual number, whose coverage is returned to
/// be judged.
pub(crate) fn run_requested<C: Merge>(usual: u64, run: fn(u64) -> Result<C, String>) -> Option<C> {
    let succeed = |result: Result<C, String>| result.unwrap_or_else(|report| panic!("{report}"));
    if let Some(seed) = number("SIMULATION_SEED") {
        succeed(run(seed));
        return None;
    }
    if let Some(first) = number("SIMULATION_FROM") {
        succeed(run_all(first, u64::MAX, run));
        return None;
    }
    if let Some(end) = number("SIMULATION_SEEDS") {
        succeed(run_all(0, end, run));
        return None;
    }
    Some(succeed(run_all(0, usual, run)))
}

fn run_all<C: Merge>(first: u64, end: u64, run: fn(u64) -> Result<C, String>) -> Result<C, String> {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Ok(C::default()));
    let run_some = || {
        let mut coverage = C::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || sum.lock().expect("no panic in here").is_err() {
                break;
            }
            if seed > first && (seed - first).is_multiple_of(SEEDS) {
                println!("{} seeds from {first} on kept every guarantee", seed - first);
            }
            match run(seed) {
                Ok(more) => coverage.merge(&more),
                Err(report) => *sum.lock().expect("no panic in here") = Err(report),
            }
        }
        if let Ok(sum) = &mut *sum.lock().expect("no panic in here") {
            sum.merge(&coverage);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(run_some);
        }
    });
    sum.into_inner().expect("no panic in here")
}

/// The coverage of this seed, or the guarantee that it breaks and how that came about.
fn run(seed: u64) -> Result<Coverage, String> {
    let mut simulator = Simulator::from_seed(seed);
    let result = catch_unwind(AssertUnwindSafe(|| simulator.run()));
    result.map_err(|panic| report("every_seed", seed, &simulator.trace(), &*panic))?;
    Ok(mem::take(&mut simulator.checker.coverage))
}

/// Which guarantee was broken, how that came about, and how to see it again.
pub(crate) fn report(test: &str, seed: u64, trace: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let broken = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
    let replay = format!("SIMULATION_SEED={seed} cargo test --test simulation {test}");
    format!("\n{trace}seed {seed} broke a guarantee: {broken}\nreplay: {replay}\n")
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
