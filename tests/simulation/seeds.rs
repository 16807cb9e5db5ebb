//! Lives through one seed after the other, on every processor, until one breaks a promise.
//!
//! `SIMULATION_SEED` is the one seed to live; `SIMULATION_SEEDS`, how many from the first on; `SIMULATION_FROM`, the
//! first of all that there are. What was reached is judged only where none of these is set: it takes all those seeds.

use std::any::Any;
use std::env;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::coverage::Coverage;
use crate::world::World;

const SEEDS: u64 = 10_000;

/// What was reached by all of many seeds.
pub(crate) trait Reached: Default + Send {
    fn add(&mut self, other: &Self);
}

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(coverage) = live_as_told(SEEDS, live) {
        let wrong = coverage.wrong();
        let remedy = "teach tests/simulation/episodes.rs to get there, or correct TABLE";
        assert!(wrong.is_empty(), "\n{wrong}remedy: {remedy}");
    }
}

/// Lives through the seeds that are asked for. If none are, through so many as are usual, and what they reached is to
/// be judged.
pub(crate) fn live_as_told<R: Reached>(usual: u64, live: fn(u64) -> Result<R, String>) -> Option<R> {
    let told = |lived: Result<R, String>| lived.unwrap_or_else(|broken| panic!("{broken}"));
    if let Some(seed) = number("SIMULATION_SEED") {
        told(live(seed));
        return None;
    }
    if let Some(first) = number("SIMULATION_FROM") {
        told(live_all(first, u64::MAX, live));
        return None;
    }
    if let Some(end) = number("SIMULATION_SEEDS") {
        told(live_all(0, end, live));
        return None;
    }
    Some(told(live_all(0, usual, live)))
}

fn live_all<R: Reached>(first: u64, end: u64, live: fn(u64) -> Result<R, String>) -> Result<R, String> {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Ok(R::default()));
    let live_some = || {
        let mut reached = R::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || sum.lock().expect("no panic in here").is_err() {
                break;
            }
            if seed > first && (seed - first).is_multiple_of(SEEDS) {
                println!("{} seeds from {first} on kept every promise", seed - first);
            }
            match live(seed) {
                Ok(more) => reached.add(&more),
                Err(broken) => *sum.lock().expect("no panic in here") = Err(broken),
            }
        }
        if let Ok(sum) = &mut *sum.lock().expect("no panic in here") {
            sum.add(&reached);
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(live_some);
        }
    });
    sum.into_inner().expect("no panic in here")
}

/// What the life of this seed reached, or which promise it broke and how it came to that.
fn live(seed: u64) -> Result<Coverage, String> {
    let mut world = World::of(seed);
    let lived = catch_unwind(AssertUnwindSafe(|| world.run()));
    lived.map_err(|panic| broken("every_seed", seed, &world.trace(), &*panic))?;
    Ok(mem::take(&mut world.promises.coverage))
}

/// Which promise was broken, how it came to that, and how to see it again.
pub(crate) fn broken(test: &str, seed: u64, trace: &str, panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let broken = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
    let replay = format!("SIMULATION_SEED={seed} cargo test --test simulation {test}");
    format!("\n{trace}seed {seed} broke a promise: {broken}\nreplay: {replay}\n")
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
