//! The situations that the checker must have met: a fault or an outcome that it never reaches is not checked.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::actions::Fault;
use crate::endpoint::Outcome;
use crate::fetch_thread::StoreFault;

#[derive(Default)]
pub(crate) struct Coverage(AtomicU64);

macro_rules! reached {
    ($($name:ident),* $(,)?) => {
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub(crate) enum Reached { $($name),* }

        const ALL: &[Reached] = &[$(Reached::$name),*];
    };
}

reached! {
    // Callers.
    Served, Rejected, CallFailed, Waited,
    // Fetches.
    Adopted, Removed, Retried, RetriedWithLease, Extended, FailureShared, FailureAdopted, WriteRefused,
    WaitedForLease, Abandoned, Bypassed, AloneAfterStoreFailure, LeaseLostInFlight,
    // How requests end.
    Token, SlowToken, Refused, Overloaded, Unreachable, TimedOut, LookupHangs,
    // The faults of the store.
    StoreFails, StoreIsLate, WriteIsUndone, LeaseExpires, EntryIsLost,
    // The other faults.
    Killed, Stopped, Revoked,
    // A state in which nothing is left to do, and from which all recovered.
    Recovered,
}

/// They take more faults than a run of half a minute can have.
const RARE: &[Reached] = &[Reached::Abandoned, Reached::Bypassed];

impl Reached {
    pub(crate) fn of_response(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Token => Self::Token,
            Outcome::SlowToken => Self::SlowToken,
            Outcome::Refused => Self::Refused,
            Outcome::Overloaded => Self::Overloaded,
            Outcome::Unreachable => Self::Unreachable,
            Outcome::TimedOut => Self::TimedOut,
            Outcome::LookupHangs => Self::LookupHangs,
        }
    }

    pub(crate) fn of_store(fault: StoreFault) -> Self {
        match fault {
            StoreFault::Fails => Self::StoreFails,
            StoreFault::IsLate => Self::StoreIsLate,
            StoreFault::IsUndone => Self::WriteIsUndone,
        }
    }

    pub(crate) fn of_fault(fault: Fault) -> Self {
        match fault {
            Fault::Kill { .. } => Self::Killed,
            Fault::Stop { .. } => Self::Stopped,
            Fault::LeaseExpires => Self::LeaseExpires,
            Fault::EntryIsLost => Self::EntryIsLost,
            Fault::Revocation => Self::Revoked,
        }
    }
}

impl Coverage {
    pub(crate) fn reach(&self, reached: Reached) {
        let bit = 1 << reached as u32;
        if self.0.load(Ordering::Relaxed) & bit == 0 {
            self.0.fetch_or(bit, Ordering::Relaxed);
        }
    }

    pub(crate) fn reach_if(&self, is_reached: bool, reached: Reached) {
        if is_reached {
            self.reach(reached);
        }
    }

    /// The situations that every run must meet, and this one has not.
    pub(crate) fn missing(&self) -> Vec<Reached> {
        let found = self.0.load(Ordering::Relaxed);
        ALL.iter().copied().filter(|reached| found & 1 << *reached as u32 == 0 && !RARE.contains(reached)).collect()
    }
}
