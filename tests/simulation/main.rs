//! A deterministic simulation of `bankhub-core`, the very crate that decides: with invented time, network, randomness
//! and order of events, all from one seed. It simulates a month in milliseconds, and checks every guarantee after each
//! event. `fleet` does the same for processes that share a store.

mod cache;
mod callers;
mod checker;
mod clock;
mod coverage;
mod endpoint;
mod event_queue;
mod fetch_thread;
mod fleet;
mod random;
mod reference_policy;
mod revocations;
mod scenarios;
mod seeds;
mod simulator;
mod trace_event;
mod workload;
