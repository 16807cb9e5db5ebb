//! Lives through one seed after the other, on every processor, until one breaks a promise.
//!
//! `SIMULATION_SEED` is the one seed to live; `SIMULATION_SEEDS`, how many from the first on; `SIMULATION_FROM`, the
//! first of all that there are. What was reached is judged only where none of these is set: it takes all those seeds.

use std::env;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;

use crate::coverage::Coverage;
use crate::world::World;

const SEEDS: u64 = 10_000;

#[test]
fn every_seed_keeps_every_promise() {
    if let Some(seed) = number("SIMULATION_SEED") {
        live(seed).unwrap_or_else(|broken| panic!("{broken}"));
        return;
    }
    if let Some(first) = number("SIMULATION_FROM") {
        live_all(first, u64::MAX).unwrap_or_else(|broken| panic!("{broken}"));
        return;
    }
    if let Some(end) = number("SIMULATION_SEEDS") {
        live_all(0, end).unwrap_or_else(|broken| panic!("{broken}"));
        return;
    }
    let wrong = live_all(0, SEEDS).unwrap_or_else(|broken| panic!("{broken}")).wrong();
    assert!(wrong.is_empty(), "\n{wrong}remedy: teach tests/simulation/episodes.rs to get there, or correct TABLE");
}

fn live_all(first: u64, end: u64) -> Result<Coverage, String> {
    let next = AtomicU64::new(first);
    let sum = Mutex::new(Ok(Coverage::default()));
    let live_some = || {
        let mut coverage = Coverage::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= end || sum.lock().expect("no panic in here").is_err() {
                break;
            }
            if seed > first && (seed - first).is_multiple_of(SEEDS) {
                println!("{} seeds from {first} on kept every promise", seed - first);
            }
            match live(seed) {
                Ok(more) => coverage.add(&more),
                Err(broken) => *sum.lock().expect("no panic in here") = Err(broken),
            }
        }
        if let Ok(sum) = &mut *sum.lock().expect("no panic in here") {
            sum.add(&coverage);
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
    match catch_unwind(AssertUnwindSafe(|| world.run())) {
        Ok(()) => Ok(mem::take(&mut world.promises.coverage)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let broken = text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text");
            let replay = format!("SIMULATION_SEED={seed} cargo test --test simulation every_seed");
            Err(format!("\n{}seed {seed} broke a promise: {broken}\nreplay: {replay}\n", world.trace()))
        }
    }
}

fn number(variable: &str) -> Option<u64> {
    let text = env::var(variable).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a number: {text}")))
}
