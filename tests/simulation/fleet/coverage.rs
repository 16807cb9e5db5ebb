//! The situations that some fleet must meet in every run of the test: one that none meets is not tested.

use crate::seeds::Merge;

#[derive(Clone, Copy)]
pub(super) enum Reached {
    Adopted,
    AdoptedInBackoff,
    FailureAdopted,
    FailureShared,
    Confirmed,
    LeaseExtended,
    RejectedRemoved,
    AloneAfterStoreFailure,
    AloneAfterBypass,
    Abandoned,
    AloneAfterAbandon,
    LeaseLost,
    LeaseLostInFlight,
    WriteRefused,
    DamagedEntry,
    ExecutedLate,
    ReleasedLate,
    BeganDuringRelease,
    LookupHangs,
    PanickedWithLease,
    KilledWithLease,
    ClosedWithLease,
    ClosedWhileWaiting,
    FailedOver,
    Rebooted,
    CallFailed,
    Shared,
}

const NAMES: [&str; Reached::Shared as usize + 1] = [
    "a token of another process is adopted",
    "a token of another process is adopted in a backoff",
    "a failure of another process is adopted",
    "a failure is written to the store, with a token that is still valid",
    "a caller waits for a read of the store before it gets a token that is due",
    "a lease is extended before a request",
    "a rejected token is removed from the store",
    "a request is sent without a lease because the store failed",
    "a request is sent without a lease because its holder is stuck",
    "a fetch is abandoned after several holders of the lease",
    "a request is sent without a lease after several holders of it",
    "a lease is lost",
    "a lease is lost while its holder's request is in flight",
    "a token is not written over another process's",
    "a damaged entry is read",
    "an operation is executed when nobody waits for it any more",
    "the release of a lease is not answered in time",
    "a fetch begins while the one before it releases its lease",
    "a name lookup hangs",
    "the holder of the lease panics",
    "the holder of the lease is killed",
    "the cache that holds the lease is closed",
    "a cache is closed that waits for the lease, or for a retry",
    "a replica takes over",
    "a machine is rebooted",
    "a call fails",
    "all processes share one token in the end",
];

/// How often each was met.
#[derive(Default)]
pub(super) struct FleetCoverage([u64; NAMES.len()]);

impl FleetCoverage {
    pub(super) fn reach(&mut self, reached: Reached) {
        self.0[reached as usize] += 1;
    }

    pub(super) fn reach_if(&mut self, condition: bool, reached: Reached) {
        self.0[reached as usize] += u64::from(condition);
    }

    /// A line for each that was not met.
    pub(super) fn missing(&self) -> String {
        let missing = self.0.iter().zip(NAMES).filter(|(count, _)| **count == 0);
        missing.map(|(_, name)| format!("  no fleet met: {name}\n")).collect()
    }
}

impl Merge for FleetCoverage {
    fn merge(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}
