//! A deterministic simulation of the very code of `src/life.rs` and `src/policy.rs`: invented time, network, chance and
//! order of events, all from one seed. It lives through a month in milliseconds, and checks the promises at every step.

#[allow(dead_code, unreachable_pub, reason = "the library exports it; a life needs only some of it")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, unreachable_pub, reason = "the library exports its statistics, and shares tokens in a store")]
#[path = "../../src/life.rs"]
mod life;
#[allow(dead_code, reason = "what belongs to a store")]
#[path = "../../src/policy.rs"]
mod policy;
#[path = "../../src/secret.rs"]
mod secret;

mod bars;
mod cache;
mod callers;
mod clock;
mod coverage;
mod episodes;
mod numbers;
mod promises;
mod random;
mod seeds;
mod server;
mod step;
mod world;
