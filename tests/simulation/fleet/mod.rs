//! Fleets whose processes share a store: the very `src/life.rs`, `src/turn.rs` and `src/store/stored_token.rs`, with a
//! store that loses writes, leases and time, processes that are stopped and killed, and clocks that are minutes apart.

mod coverage;
mod process;
mod promises;
mod store;
#[path = "../../../src/store/stored_token.rs"]
mod token;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

use coverage::Coverage;
use world::Fleet;

use crate::seeds;

const SEEDS: u64 = 1_000;

#[test]
fn every_fleet_keeps_every_promise() {
    if let Some(coverage) = seeds::live_as_told(SEEDS, live) {
        let missing = coverage.missing();
        assert!(missing.is_empty(), "\n{missing}remedy: teach tests/simulation/fleet/world.rs to get there");
    }
}

/// What the fleet of this seed met, or which promise it broke and how it came to that.
fn live(seed: u64) -> Result<Coverage, String> {
    let mut fleet = Fleet::of(seed);
    let lived = catch_unwind(AssertUnwindSafe(|| fleet.run()));
    lived.map_err(|panic| seeds::broken("every_fleet", seed, &fleet.trace(), &*panic))?;
    Ok(fleet.reached)
}
