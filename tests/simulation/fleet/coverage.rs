//! What some fleet must have met in every run of the test: what none meets is not tested.

use crate::seeds;

#[derive(Clone, Copy)]
pub(super) enum Reached {
    TakenOver,
    TakenOverInBackoff,
    RejectedRemoved,
    AloneBecauseItFailed,
    AloneBecauseOfItsHolder,
    GaveUp,
    LeaseLost,
    LeaseLostInFlight,
    WriteRefused,
    CarriedOutLate,
    Hanging,
    KilledWithLease,
    FailedOver,
    Rebooted,
    FailedCall,
    Shared,
}

const NAMES: [&str; 16] = [
    "another's token is taken over",
    "another's token is taken over in a backoff",
    "a rejected token is removed from the store",
    "a request goes out alone because the store failed",
    "a request goes out alone because another process kept its turn",
    "a process gives up after the turns of others",
    "a lease is lost",
    "a lease is lost while its holder's request is in flight",
    "a token is not written over another's",
    "an operation is carried out for somebody who waits no more",
    "a name lookup hangs",
    "who holds the lease is killed",
    "a replica takes over",
    "a machine starts anew",
    "a call fails",
    "all processes share one token in the end",
];

/// How often each was met.
#[derive(Default)]
pub(super) struct Coverage([u64; NAMES.len()]);

impl Coverage {
    pub(super) fn see(&mut self, reached: Reached) {
        self.0[reached as usize] += 1;
    }

    pub(super) fn see_if(&mut self, condition: bool, reached: Reached) {
        self.0[reached as usize] += u64::from(condition);
    }

    /// A line for each that was not met.
    pub(super) fn missing(&self) -> String {
        let missing = self.0.iter().zip(NAMES).filter(|(count, _)| **count == 0);
        missing.map(|(_, name)| format!("  no fleet met: {name}\n")).collect()
    }
}

impl seeds::Reached for Coverage {
    fn add(&mut self, other: &Self) {
        for (sum, more) in self.0.iter_mut().zip(other.0) {
            *sum += more;
        }
    }
}
