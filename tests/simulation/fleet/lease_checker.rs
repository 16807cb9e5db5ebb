//! The steps that a fetch must take for the lease: decided a second time, from the design and not from the code.

use std::time::Duration;

use bankhub_core::{Instant, Lease};

use crate::reference_policy::{self, Window};

pub(super) struct LeaseChecker {
    request_timeout: Duration,
    /// When callers stop waiting for the fetch.
    overdue_at: Instant,
    has_failed: bool,
    abandon_at: Instant,
    /// The holder that was observed last, and since when.
    holder: Option<(u64, Instant)>,
    holder_changed: bool,
    polls: u32,
}

#[derive(Debug)]
pub(super) enum ExpectedDecision {
    /// Reads the store, and then sends a request.
    Proceed,
    PollAfter(Window<Duration>),
    Bypass,
    Abandon,
}

impl LeaseChecker {
    pub(super) fn new(request_timeout: Duration, now: Instant) -> Self {
        let lease_wait_max = reference_policy::lease_wait_max(request_timeout);
        Self {
            request_timeout,
            overdue_at: reference_policy::overdue_at(now + lease_wait_max, request_timeout),
            has_failed: false,
            abandon_at: Instant::MAX,
            holder: None,
            holder_changed: false,
            polls: 0,
        }
    }

    /// The acquisition of the lease begins.
    pub(super) fn begins(&mut self) {
        self.abandon_at = self.overdue_at - reference_policy::LEASE_POLL_MAX;
        (self.holder, self.holder_changed, self.polls) = (None, false, 0);
    }

    pub(super) fn request_sent(&mut self, now: Instant) {
        self.overdue_at = reference_policy::overdue_at(now, self.request_timeout);
    }

    pub(super) fn response_arrived(&mut self) {
        self.has_failed = true;
    }

    /// The store has time of its own after a response.
    pub(super) fn writes(&mut self, now: Instant) {
        self.overdue_at =
            self.overdue_at.max(now + 2 * reference_policy::STORE_OPERATION_MAX + reference_policy::OVERDUE_GRACE);
    }

    /// Before a retry there is as much time for the lease as before the first request.
    pub(super) fn slept(&mut self) {
        if std::mem::take(&mut self.has_failed) {
            self.overdue_at = self.overdue_at + reference_policy::lease_wait_max(self.request_timeout);
        }
    }

    pub(super) fn observe(&mut self, lease: Lease, now: Instant) -> ExpectedDecision {
        let Lease::HeldByOther(holder) = lease else { return ExpectedDecision::Proceed };
        let (_, since) = match self.holder.filter(|(known, _)| *known == holder) {
            Some(known) => known,
            None => {
                self.holder_changed = self.holder.is_some();
                *self.holder.insert((holder, now))
            }
        };
        if now >= since + reference_policy::lease_holder_timeout(self.request_timeout) {
            return ExpectedDecision::Bypass;
        }
        if now >= self.abandon_at && self.holder_changed {
            return ExpectedDecision::Abandon;
        }
        self.polls += 1;
        ExpectedDecision::PollAfter(reference_policy::lease_poll_pause(self.polls - 1))
    }
}

impl ExpectedDecision {
    pub(super) fn check(&self, pause: Option<Duration>, reads_again: bool, releases: bool) {
        match self {
            Self::Proceed => assert!(reads_again, "the store is not read again after the lease was acquired"),
            Self::PollAfter(window) => {
                let pause = pause.expect("the lease is polled again after a pause");
                assert!(window.contains(pause), "a pause of {pause:?}, not {window:?}");
            }
            Self::Bypass => assert!(releases, "a holder is not bypassed although it is stuck"),
            Self::Abandon => assert!(releases, "a fetch is not abandoned in time"),
        }
    }

    pub(super) fn is_bypass(&self) -> bool {
        matches!(self, Self::Bypass)
    }

    pub(super) fn is_abandon(&self) -> bool {
        matches!(self, Self::Abandon)
    }
}
