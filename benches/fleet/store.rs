//! The store of a fleet: it is in memory, and nothing in it fails.

use std::time::Duration;

use bankhub_core::{Lease, StoredEntry, policy};

#[derive(Default)]
pub(crate) struct Store {
    entry: Option<StoredEntry>,
    /// The number of the last lease, and when it expires if its holder does not release it.
    lease: Option<(u64, Duration)>,
    leases: u64,
}

impl Store {
    pub(crate) fn read(&self, now: Duration) -> StoredEntry {
        self.entry.clone().filter(|entry| now < entry.ends_at().realtime).unwrap_or_default()
    }

    pub(crate) fn write(&mut self, entry: &StoredEntry) {
        self.entry = Some(entry.clone());
    }

    pub(crate) fn remove(&mut self) {
        self.entry = None;
    }

    pub(crate) fn acquire_lease(&mut self, now: Duration) -> Lease {
        if let Some((holder, _)) = self.lease.filter(|(_, expires_at)| now < *expires_at) {
            return Lease::HeldByOther(holder);
        }
        self.leases += 1;
        self.lease = Some((self.leases, now + policy::LEASE_DURATION));
        Lease::Held
    }

    /// Nobody but its holder asks for it.
    pub(crate) fn extend_lease(&mut self, now: Duration) {
        self.lease = Some((self.leases, now + policy::LEASE_DURATION));
    }

    pub(crate) fn release_lease(&mut self) {
        self.lease = None;
    }
}
