//! A deterministic simulation of the very code of `src/life.rs` and `src/policy.rs`: invented time, network, chance and
//! order of events, all from one seed. It lives through a month in milliseconds, and checks the promises at every step.
//! `fleet` does the same for processes that share a store.

#[allow(dead_code, unreachable_pub, reason = "the library exports it; a life needs only some of it")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, unreachable_pub, reason = "the library exports its statistics")]
#[path = "../../src/life.rs"]
mod life;
#[path = "../../src/policy.rs"]
mod policy;
#[path = "../../src/secret.rs"]
mod secret;
#[path = "../../src/turn.rs"]
mod turn;

mod agenda;
mod bars;
mod cache;
mod callers;
mod clock;
mod coverage;
mod episodes;
mod fleet;
mod numbers;
mod promises;
mod random;
mod seeds;
mod server;
mod step;
mod world;
