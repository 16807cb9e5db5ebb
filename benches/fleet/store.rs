//! The store of a fleet: it is in memory, and nothing in it fails.

use std::time::Duration;

use bankhub_core::{Lease, StoredEntry, Token, policy};

use crate::process::REQUEST_TIMEOUT;

#[derive(Default)]
pub(crate) struct Store {
    token: Option<Token>,
    /// The number of the last lease, and when it expires if its holder does not release it.
    lease: Option<(u64, Duration)>,
    leases: u64,
}

impl Store {
    pub(crate) fn read(&self, now: Duration) -> StoredEntry {
        let token = self.token.as_ref().filter(|token| now < token.expires_at().realtime);
        token.cloned().map_or(StoredEntry::Empty, StoredEntry::Token)
    }

    pub(crate) fn write(&mut self, token: &Token) {
        self.token = Some(token.clone());
    }

    pub(crate) fn remove(&mut self) {
        self.token = None;
    }

    pub(crate) fn acquire_lease(&mut self, now: Duration) -> Lease {
        if let Some((holder, _)) = self.lease.filter(|(_, expires_at)| now < *expires_at) {
            return Lease::HeldByOther(holder);
        }
        self.leases += 1;
        self.lease = Some((self.leases, now + policy::lookup_lease_duration(REQUEST_TIMEOUT)));
        Lease::Held
    }

    pub(crate) fn release_lease(&mut self) {
        self.lease = None;
    }
}
