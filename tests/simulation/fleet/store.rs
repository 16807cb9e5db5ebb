//! The invented store: a directory, or a Redis server with a clock of its own, and what may happen to either.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::turn::Lease;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    Redis,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Health {
    Well,
    /// Each operation takes its time, some of them more than they may.
    Slow,
    /// Every operation fails.
    Down,
    /// Nothing can be written any more.
    Full,
}

/// What is asked of it.
#[derive(Clone, Debug)]
pub(super) enum Op {
    Read,
    Lease { length: Duration },
    Remove { plain: Vec<u8> },
    Write { plain: Vec<u8>, number: u64, end: Duration, found: Vec<u8> },
    EndLease,
}

#[derive(Debug)]
pub(super) enum Answer {
    /// What lies there, and for how long it will, if the store tells.
    Lying(Option<(Vec<u8>, Option<Duration>)>),
    /// Whose the lease is, and what time it is for the store.
    Lease(Lease, Duration),
    Removed,
    /// Not where another token lies there by now, and the lease is over.
    Written(bool),
    LeaseEnded,
    Failed,
}

#[derive(Clone)]
pub(super) struct Lying {
    plain: Vec<u8>,
    pub(super) number: u64,
    pub(super) since: Duration,
    end: Duration,
}

#[derive(Clone, Copy)]
struct Held {
    owner: u64,
    since: Duration,
    end: Duration,
}

pub(super) struct Store {
    pub(super) kind: Kind,
    pub(super) health: Health,
    /// By how much its clock is ahead of all others.
    ahead: Duration,
    lying: Option<Lying>,
    lease: Option<Held>,
    /// What another server has of it, a while later.
    replica: (Option<Lying>, Option<Held>),
    /// Owners who have lost the lease, and did not end it.
    lost: BTreeSet<u64>,
}

impl Store {
    pub(super) fn new(kind: Kind) -> Self {
        let (health, replica) = (Health::Well, (None, None));
        Self { kind, health, ahead: Duration::ZERO, lying: None, lease: None, replica, lost: BTreeSet::new() }
    }

    /// What it makes of an operation, whoever is there to hear of it.
    pub(super) fn carry_out(&mut self, op: &Op, owner: u64, now: Duration) -> Answer {
        self.pass(now);
        let time = now + self.ahead;
        let may_write = self.health != Health::Full;
        match op {
            _ if self.health == Health::Down => Answer::Failed,
            Op::Read => {
                let left = |lying: &Lying| (self.kind == Kind::Redis).then(|| millis(lying.end - time));
                Answer::Lying(self.lying.as_ref().map(|lying| (lying.plain.clone(), left(lying))))
            }
            Op::Lease { .. } if !may_write => Answer::Failed,
            Op::Lease { length } => {
                let end = if self.kind == Kind::Redis { time + *length } else { Duration::MAX };
                let Held { owner: holder, .. } = *self.lease.get_or_insert(Held { owner, since: now, end });
                let lease = if holder == owner { Lease::Held } else { Lease::Others(holder) };
                Answer::Lease(lease, millis(time))
            }
            Op::Remove { plain } => {
                self.lying.take_if(|lying| lying.plain == *plain);
                Answer::Removed
            }
            Op::Write { .. } if !may_write => Answer::Failed,
            Op::Write { plain, number, end, found } => {
                let ours = self.is_held_by(owner);
                if !ours && self.lying.as_ref().is_some_and(|lying| lying.plain != *plain && lying.plain != *found) {
                    return Answer::Written(false);
                }
                let end = if self.kind == Kind::Redis { *end } else { Duration::MAX };
                if end > time {
                    self.lying = Some(Lying { plain: plain.clone(), number: *number, since: now, end });
                }
                if ours && self.kind == Kind::Redis {
                    self.lease = None;
                }
                Answer::Written(true)
            }
            Op::EndLease => {
                self.lease.take_if(|held| held.owner == owner);
                Answer::LeaseEnded
            }
        }
    }

    /// What has expired is not there any more.
    fn pass(&mut self, now: Duration) {
        let time = now + self.ahead;
        self.lying.take_if(|lying| lying.end <= time);
        if let Some(held) = self.lease.take_if(|held| held.end <= time) {
            self.lost.insert(held.owner);
        }
    }

    pub(super) fn is_held_by(&self, owner: u64) -> bool {
        self.lease.is_some_and(|held| held.owner == owner)
    }

    /// Since when somebody has held the lease, if anybody does.
    pub(super) fn held_since(&self) -> Option<Duration> {
        self.lease.map(|held| held.since)
    }

    pub(super) fn has_lost(&mut self, owner: u64, now: Duration) -> bool {
        self.pass(now);
        self.lost.contains(&owner)
    }

    pub(super) fn lying(&mut self, now: Duration) -> Option<&Lying> {
        self.pass(now);
        self.lying.as_ref()
    }

    /// A lock ends with the descriptor of its file, which is closed in any case.
    pub(super) fn unlock(&mut self, owner: u64) {
        self.lease.take_if(|held| held.owner == owner);
    }

    pub(super) fn replicate(&mut self) {
        self.replica = (self.lying.clone(), self.lease);
    }

    /// The replica takes over: what was written since is lost. One whose clock is behind would take a token for younger
    /// than it is, and be believed, as the README says.
    pub(super) fn fail_over(&mut self, ahead: Duration) {
        let (lying, lease) = self.replica.clone();
        self.replace(lying, lease);
        self.ahead += ahead;
    }

    pub(super) fn flush(&mut self) {
        self.replace(None, None);
    }

    fn replace(&mut self, lying: Option<Lying>, lease: Option<Held>) {
        let holder = self.lease.filter(|held| lease.is_none_or(|other| other.owner != held.owner));
        self.lost.extend(holder.map(|held| held.owner));
        (self.lying, self.lease) = (lying, lease);
    }
}

/// Redis counts milliseconds.
fn millis(time: Duration) -> Duration {
    Duration::from_millis(time.as_millis() as u64)
}
