//! The observations of the simulation: each of these is traced, checked and counted.

use std::time::Duration;

use bankhub_core::{Stats, Status, Timestamp};

use crate::endpoint::EndpointMode;

/// Tokens and calls are named by their numbers.
#[derive(Debug)]
#[expect(dead_code, reason = "the trace shows all of it")]
pub(crate) enum TraceEvent {
    // Events of the machine, the endpoint and the process.
    Slept(Duration),
    WallSetForward(Duration),
    WallSetBack(Duration),
    Mode(Option<EndpointMode>),
    Revoked,
    Closed,
    Forked,

    // Questions of the cache to the token state, and the answers.
    RefreshedIfDue {
        has_token: bool,
    },
    Polled {
        starts_fetch: bool,
    },
    FetchBegan,
    FetchDidNotStart,
    RequestBegan,
    /// The pause before the request took so long that none is sent.
    RetryTooLate,
    TokenIssued {
        number: u64,
        ttl: Duration,
        sent_at: Timestamp,
        withdrawn: bool,
    },
    RequestFailed {
        status: Status,
        retry_after: Option<Duration>,
        retry_pause: Option<Duration>,
    },
    Invalidated {
        number: u64,
        is_current: bool,
        withdrawn: bool,
    },
    ReadStats(Box<Stats>),

    // How a call continues.
    Called {
        call: usize,
        timeout: Duration,
    },
    /// Without the lock.
    ReadPublished {
        call: usize,
        number: u64,
        generation: u64,
        needs_check: bool,
    },
    Served {
        call: usize,
        number: u64,
        generation: u64,
    },
    CallFailed {
        call: usize,
        status: Status,
        retry_after: Option<Duration>,
    },
    Waits {
        call: usize,
    },
    DeadlineExceeded {
        call: usize,
        last_failure: Option<Status>,
    },
    CallOfClosed {
        call: usize,
    },
}
