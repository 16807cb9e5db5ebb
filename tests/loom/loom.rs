//! The waiting and waking of `src/runtime/cache.rs`, in all orders of events but those with many interruptions: no lost
//! wake-up, no deadlock, never two requests at once, with a store and without. Time stands still unless a model moves
//! it; deadlines belong to the simulation.

// Stand-ins for the parts of the library that its two files use.
mod config;
mod http;
mod runtime;
mod store;
mod sync;

mod models;
mod store_models;
