//! The simulated store: a directory, or a Redis server with a clock of its own, and what may happen to either.

use std::collections::BTreeSet;
use std::time::Duration;

use bankhub_core::Lease;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreKind {
    Directory,
    Redis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StoreHealth {
    Healthy,
    /// Every operation takes long, and some take longer than they may.
    Slow,
    /// Every operation fails.
    Down,
    /// Nothing can be written.
    Full,
}

/// An operation that a session asks of the store.
#[derive(Clone, Debug)]
pub(super) enum StoreOperation {
    Read,
    AcquireLease {
        duration: Duration,
    },
    ExtendLease {
        duration: Duration,
    },
    Remove {
        plain: Vec<u8>,
    },
    Write {
        plain: Vec<u8>,
        /// Of its token.
        number: Option<u64>,
        /// When its failure no longer forbids a request.
        failure_until: Option<Duration>,
        expires_at: Duration,
        found: Vec<u8>,
    },
    ReleaseLease,
}

#[derive(Debug)]
pub(super) enum StoreReply {
    /// The content of the store, and for how long, if the store knows.
    Entry(Option<(Vec<u8>, Option<Duration>)>),
    /// The holder of the lease, and the store's time.
    Lease(Lease, Duration),
    /// `false`: the lease is lost.
    Extended(bool),
    Removed,
    /// `false`: the lease is lost, and another token is there.
    Written(bool),
    LeaseReleased,
    Failed,
}

#[derive(Clone)]
pub(super) struct StoredEntry {
    plain: Vec<u8>,
    pub(super) number: Option<u64>,
    pub(super) failure_until: Option<Duration>,
    pub(super) since: Duration,
    expires_at: Duration,
}

#[derive(Clone, Copy)]
struct HeldLease {
    owner: u64,
    since: Duration,
    expires_at: Duration,
}

pub(super) struct SimulatedStore {
    pub(super) kind: StoreKind,
    pub(super) health: StoreHealth,
    /// Not in a directory that machines share: none knows the clock of another.
    pub(super) lease_expires: bool,
    /// By how much its clock is ahead of all others.
    ahead: Duration,
    entry: Option<StoredEntry>,
    lease: Option<HeldLease>,
    /// The copy on another server, a while later.
    replica: (Option<StoredEntry>, Option<HeldLease>),
    /// Owners that have lost the lease, and did not release it.
    lost: BTreeSet<u64>,
}

impl SimulatedStore {
    pub(super) fn new(kind: StoreKind) -> Self {
        Self {
            kind,
            health: StoreHealth::Healthy,
            lease_expires: true,
            ahead: Duration::ZERO,
            entry: None,
            lease: None,
            replica: (None, None),
            lost: BTreeSet::new(),
        }
    }

    /// Executes the operation, whether or not somebody still waits for the reply.
    pub(super) fn execute(&mut self, operation: &StoreOperation, owner: u64, now: Duration) -> StoreReply {
        self.expire(now);
        let time = now + self.ahead;
        let may_write = self.health != StoreHealth::Full;
        match operation {
            _ if self.health == StoreHealth::Down => StoreReply::Failed,
            StoreOperation::Read => {
                let left = |entry: &StoredEntry| {
                    (self.kind == StoreKind::Redis).then(|| whole_milliseconds(entry.expires_at - time))
                };
                StoreReply::Entry(self.entry.as_ref().map(|entry| (entry.plain.clone(), left(entry))))
            }
            StoreOperation::AcquireLease { .. } if !may_write => StoreReply::Failed,
            StoreOperation::AcquireLease { duration } => {
                let expires_at = self.lease_end(time, *duration);
                let lease = HeldLease { owner, since: now, expires_at };
                let HeldLease { owner: holder, .. } = *self.lease.get_or_insert(lease);
                let lease = if holder == owner { Lease::Held } else { Lease::HeldByOther(holder) };
                StoreReply::Lease(lease, whole_milliseconds(time))
            }
            StoreOperation::ExtendLease { .. } if !may_write => StoreReply::Failed,
            StoreOperation::ExtendLease { duration } => {
                let expires_at = self.lease_end(time, *duration);
                let held = self.lease.as_mut().filter(|lease| lease.owner == owner);
                StoreReply::Extended(held.map(|lease| lease.expires_at = expires_at).is_some())
            }
            StoreOperation::Remove { plain } => {
                self.entry.take_if(|entry| entry.plain == *plain);
                StoreReply::Removed
            }
            StoreOperation::Write { .. } if !may_write => StoreReply::Failed,
            StoreOperation::Write { plain, number, failure_until, expires_at, found } => {
                let is_held = self.is_held_by(owner);
                let is_other = |entry: &StoredEntry| entry.plain != *plain && entry.plain != *found;
                if !is_held && (self.lease.is_some() || self.entry.as_ref().is_some_and(is_other)) {
                    return StoreReply::Written(false);
                }
                let expires_at = if self.kind == StoreKind::Redis { *expires_at } else { Duration::MAX };
                if expires_at > time {
                    let (plain, number, failure_until) = (plain.clone(), *number, *failure_until);
                    self.entry = Some(StoredEntry { plain, number, failure_until, since: now, expires_at });
                }
                if is_held && self.kind == StoreKind::Redis {
                    self.lease = None;
                }
                StoreReply::Written(true)
            }
            StoreOperation::ReleaseLease => {
                self.unlock(owner);
                StoreReply::LeaseReleased
            }
        }
    }

    fn lease_end(&self, time: Duration, duration: Duration) -> Duration {
        if self.lease_expires { time + duration } else { Duration::MAX }
    }

    fn expire(&mut self, now: Duration) {
        let time = now + self.ahead;
        self.entry.take_if(|entry| entry.expires_at <= time);
        if let Some(lease) = self.lease.take_if(|lease| lease.expires_at <= time) {
            self.lost.insert(lease.owner);
        }
    }

    pub(super) fn is_held_by(&self, owner: u64) -> bool {
        self.lease.is_some_and(|lease| lease.owner == owner)
    }

    /// Since when somebody has held the lease, if anybody does.
    pub(super) fn held_since(&self) -> Option<Duration> {
        self.lease.map(|lease| lease.since)
    }

    pub(super) fn has_lost(&mut self, owner: u64, now: Duration) -> bool {
        self.expire(now);
        self.lost.contains(&owner)
    }

    pub(super) fn entry(&mut self, now: Duration) -> Option<&StoredEntry> {
        self.expire(now);
        self.entry.as_ref()
    }

    /// A file lock ends with its descriptor, which is closed in any case.
    pub(super) fn unlock(&mut self, owner: u64) {
        self.lease.take_if(|lease| lease.owner == owner);
    }

    pub(super) fn damage(&mut self) {
        if let Some(entry) = &mut self.entry {
            entry.plain.truncate(5);
        }
    }

    pub(super) fn replicate(&mut self) {
        self.replica = (self.entry.clone(), self.lease);
    }

    /// The replica takes over: what was written since is lost. One whose clock is behind would take a token for younger
    /// than it is, and would be believed: a limitation that the documentation names.
    pub(super) fn fail_over(&mut self, ahead: Duration) {
        let (entry, lease) = self.replica.clone();
        self.replace(entry, lease);
        self.ahead += ahead;
    }

    pub(super) fn flush(&mut self) {
        self.replace(None, None);
    }

    fn replace(&mut self, entry: Option<StoredEntry>, lease: Option<HeldLease>) {
        let holder = self.lease.filter(|held| lease.is_none_or(|other| other.owner != held.owner));
        self.lost.extend(holder.map(|held| held.owner));
        (self.entry, self.lease) = (entry, lease);
    }
}

/// Redis counts milliseconds.
fn whole_milliseconds(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64)
}
