//! What `bankhub` decides about a token: when to fetch, when to wait, what a caller gets. An implementation detail of
//! `bankhub`; its API may change with any version.
//!
//! Nothing here does I/O, reads a clock, takes a lock or starts a thread, because there is no `std` to do it with: the
//! time and the randomness are arguments. `bankhub` drives it with a real clock, a real network and real threads; the
//! simulations drive the same code with invented ones.
//!
//! - [`TokenState`] is the state of one token cache. [`TokenState::poll`] says what a caller gets now.
//! - [`Fetch`] is one fetch: it takes what happened, and says what to do next.
//! - [`policy`] has every number.

#![cfg_attr(not(test), no_std)]

extern crate alloc;

mod backoff;
mod error;
mod fetch;
mod jitter;
mod lease;
pub mod policy;
mod rejection;
mod secret;
mod stats;
mod stored_entry;
mod time;
mod token;
mod token_state;

pub use error::{Error, Failure, Status};
pub use fetch::{Action, Event, Fetch};
pub use jitter::Jitter;
pub use lease::Lease;
pub use secret::Secret;
pub use stats::Stats;
pub use stored_entry::{SharedFailure, StoredEntry};
pub use time::{Instant, Timestamp};
pub use token::{Token, TokenResponse, is_token};
pub use token_state::{Awaited, Invalidation, Poll, Publication, Published, Settings, TokenState};
