//! The waiting and waking of `src/runtime/cache.rs`, in all orders of events but those with many interruptions: no lost
//! wake-up, no deadlock, never two requests at once. Time stands still unless a model moves it; deadlines belong to the
//! simulation.

#[allow(dead_code, unreachable_pub, reason = "the library exports it; a cache needs only some of it")]
#[path = "../../src/error.rs"]
mod error;
#[allow(dead_code, unreachable_pub, reason = "its own tests and the library use the rest")]
#[path = "../../src/life.rs"]
mod life;
#[allow(dead_code, reason = "the endpoint uses the rest")]
#[path = "../../src/policy.rs"]
mod policy;
#[path = "../../src/secret.rs"]
mod secret;
#[path = "../../src/turn.rs"]
mod turn;

// The cache itself, and what stands in for the rest of the library.
mod config;
mod http;
mod runtime;
mod store;
mod sync;

mod models;
