//! The store: one entry and one lease, as Redis has them. Every operation takes no time unless a fault makes it late.

use std::sync::Arc;
use std::time::Duration;

use bankhub_core::{Lease, StoredEntry, Timestamp, policy};

use crate::endpoint::token_number;
use crate::fleet::{Bug, Clocks, SECOND};

#[derive(Clone, Debug, Hash)]
pub(crate) struct Store {
    /// Whether it says for how long the entry lasts. A directory does not: clocks and boot ids must do.
    pub(crate) knows_ages: bool,
    pub(crate) entry: Option<Entry>,
    pub(crate) lease: Option<HeldLease>,
    /// Leases acquired up to now.
    pub(crate) leases: u8,
}

#[derive(Clone, Debug, Hash)]
pub(crate) struct Entry {
    plain: Arc<[u8]>,
    ends_at: Duration,
    /// The number of its token.
    pub(crate) token: Option<u8>,
    /// When its failure ends.
    pub(crate) failure_until: Option<Duration>,
    /// Its writer had lost the lease.
    pub(crate) is_of_loser: bool,
}

#[derive(Clone, Copy, Debug, Hash)]
pub(crate) struct HeldLease {
    /// Differs between leases.
    pub(crate) serial: u8,
    pub(crate) expires_at: Duration,
}

/// The use that one fetch makes of it.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Session {
    /// The lease that it believes to hold.
    pub(crate) lease: Option<u8>,
    /// The entry that it read last.
    found: Option<Entry>,
    /// A fault gave it a reason to lose its lease.
    pub(crate) may_lose_lease: bool,
}

impl Store {
    pub(crate) fn new(knows_ages: bool) -> Self {
        Self { knows_ages, entry: None, lease: None, leases: 0 }
    }

    pub(crate) fn expire(&mut self, now: Duration, bug: Option<Bug>) {
        self.entry.take_if(|entry| entry.ends_at <= now);
        if bug != Some(Bug::LeaseNeverExpires) {
            self.lease.take_if(|lease| lease.expires_at <= now);
        }
    }

    pub(crate) fn is_held_by(&self, session: &Session) -> bool {
        session.lease.is_some() && session.lease == self.lease.map(|lease| lease.serial)
    }

    pub(crate) fn read(&self, session: &mut Session, clocks: Clocks, now: Duration, bug: Option<Bug>) -> StoredEntry {
        if bug != Some(Bug::SecondReadSkipped) || session.lease.is_none() {
            session.found.clone_from(&self.entry);
        }
        let mut read = session.found.as_ref().map_or(StoredEntry::default(), |entry| self.open(entry, clocks, now));
        if let Some(failure) = read.failure.as_mut().filter(|_| bug == Some(Bug::FailureBeginsAnew)) {
            failure.next_attempt_at = clocks.at(now) + SECOND;
        }
        read
    }

    pub(crate) fn open(&self, entry: &Entry, clocks: Clocks, now: Duration) -> StoredEntry {
        let timestamp = clocks.at(now);
        let ends_at = self.knows_ages.then(|| timestamp + entry.ends_at.saturating_sub(now));
        StoredEntry::decode(&entry.plain, ends_at, Some(clocks.boot_id), timestamp).expect("only entries are written")
    }

    pub(crate) fn acquire(&mut self, session: &mut Session, now: Duration) -> Lease {
        if self.is_held_by(session) {
            return Lease::Held;
        }
        if let Some(lease) = self.lease {
            return Lease::HeldByOther(lease.serial.into());
        }
        self.leases += 1;
        self.lease = Some(HeldLease { serial: self.leases, expires_at: now + policy::LEASE_DURATION });
        session.lease = Some(self.leases);
        Lease::Held
    }

    /// Whether the lease lasts this long from now on. If not, it is lost.
    pub(crate) fn extend(&mut self, session: &mut Session, duration: Duration, now: Duration) -> bool {
        let is_held = self.is_held_by(session);
        match &mut self.lease {
            Some(lease) if is_held => lease.expires_at = now + duration,
            _ => session.lease = None,
        }
        is_held
    }

    pub(crate) fn remove(&mut self, session: &Session) {
        let found = session.found.as_ref().map(|entry| &entry.plain);
        self.entry.take_if(|entry| Some(&entry.plain) == found);
    }

    /// Whether the entry was written. A session that has lost its lease may only replace what it has read, and only if
    /// no other one has the lease.
    pub(crate) fn write(&mut self, session: &mut Session, entry: &StoredEntry, clocks: Clocks, now: Duration) -> bool {
        if session.lease.is_none() {
            return true;
        }
        let is_held = self.is_held_by(session);
        let found = session.found.as_ref().map(|entry| &entry.plain);
        let is_other = self.entry.as_ref().is_some_and(|entry| Some(&entry.plain) != found);
        if !is_held && (self.lease.is_some() || is_other) {
            return false;
        }
        let at = |timestamp: Timestamp| clocks.time_of(timestamp.boottime).max(now);
        self.entry = Some(Entry {
            plain: entry.encode(clocks.boot_id).as_slice().into(),
            ends_at: at(entry.ends_at()),
            token: entry.token.as_ref().map(|token| token_number(&token.value)),
            failure_until: entry.failure.as_ref().map(|failure| at(failure.next_attempt_at)),
            is_of_loser: !is_held,
        });
        self.lease.take_if(|_| is_held);
        session.lease = None;
        true
    }

    pub(crate) fn release(&mut self, session: Session, bug: Option<Bug>) {
        let is_held = self.is_held_by(&session);
        let is_believed = session.lease.is_some() && bug == Some(Bug::ReleasesForeignLease);
        self.lease.take_if(|_| is_held || is_believed);
    }
}
