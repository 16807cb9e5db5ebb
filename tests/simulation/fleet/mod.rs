//! Fleets of processes that share a store: the very `TokenState`, `Fetch` and `StoredEntry` of `bankhub-core`, with a
//! store that loses writes, leases and time, processes that are stopped and killed, and clocks that are minutes apart.

mod checker;
mod coverage;
mod fetch_thread;
mod lease_checker;
mod process;
mod session;
mod simulator;
mod store;
mod workload;

use std::panic::{AssertUnwindSafe, catch_unwind};

use coverage::FleetCoverage;
use simulator::Fleet;

use crate::seeds;

const SEEDS: u64 = 1_000;

#[test]
fn every_fleet_keeps_every_guarantee() {
    if let Some(coverage) = seeds::run_requested(SEEDS, run) {
        let missing = coverage.missing();
        assert!(missing.is_empty(), "\n{missing}remedy: make tests/simulation/fleet/workload.rs reach it");
    }
}

/// The coverage of the fleet of this seed, or the guarantee that it breaks and how that came about.
fn run(seed: u64) -> Result<FleetCoverage, String> {
    let mut fleet = Fleet::from_seed(seed);
    let result = catch_unwind(AssertUnwindSafe(|| fleet.run()));
    result.map_err(|panic| seeds::report("every_fleet", seed, &fleet.trace(), &*panic))?;
    Ok(fleet.coverage)
}
