//! Processes that share a store, in every order of events and with a few faults: the very `TokenState` and `Fetch` of
//! `bankhub-core`, and a checker that reaches every state of theirs.

mod actions;
mod checks;
mod coverage;
mod endpoint;
mod fetch_thread;
mod fleet;
mod process;
mod properties;
mod recovery;
mod scenarios;
mod store;
mod trace;
