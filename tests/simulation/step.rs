//! One step of a simulated life: what is traced, checked and counted.

use std::time::Duration;

use crate::error::Status;
use crate::life::{Moment, Stats};
use crate::server::Mood;

/// Tokens and calls go by their numbers.
#[derive(Debug)]
#[expect(dead_code, reason = "the trace shows it all")]
pub(crate) enum Step {
    // What happens to the machine, the server and the process.
    Slept(Duration),
    WallSetForward(Duration),
    WallSetBack(Duration),
    Mood(Option<Mood>),
    Revoked,
    Freed,
    Forked,

    // What the cache tells the life, and hears from it.
    LookedIn {
        has_token: bool,
    },
    Asked {
        wants_fetch: bool,
    },
    Began,
    CannotBegin,
    Sent {
        at: Moment,
    },
    /// The pause before the request took so long that it does not go out.
    TooLate {
        at: Moment,
    },
    Granted {
        number: u64,
        ttl: Duration,
        sent: Moment,
    },
    Failed {
        status: Status,
        retry_after: Option<Duration>,
        again: Option<Duration>,
    },
    Rejected {
        number: u64,
        is_current: bool,
        withdrawn: bool,
    },
    Looked(Box<Stats>),

    // What becomes of a call.
    Called {
        call: usize,
        patience: Duration,
    },
    Read {
        call: usize,
        number: u64,
        generation: u64,
        looks_in: bool,
    },
    HandedOut {
        call: usize,
        number: u64,
        generation: u64,
    },
    Told {
        call: usize,
        status: Status,
        retry_after: Option<Duration>,
    },
    Waits {
        call: usize,
    },
    GaveUp {
        call: usize,
        last_failure: Option<Status>,
    },
    Closed {
        call: usize,
    },
}
