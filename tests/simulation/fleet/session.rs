//! A session with the store, as a fetch thread has it: what it knows of the lease and of what it read, and one
//! operation at a time, which may be answered late or never.

use std::time::Duration;

use bankhub_core::{Error, Event, Lease, Status, StoredEntry, Timestamp, policy};

use super::coverage::Reached;
use super::fetch_thread::FetchThread;
use super::simulator::{Fleet, FleetEvent};
use super::store::{StoreHealth, StoreKind, StoreOperation, StoreReply};
use crate::clock::SECOND;
use crate::endpoint::token_number;

pub(super) struct Session {
    /// Differs between sessions.
    pub(super) owner: u64,
    found: Vec<u8>,
    /// When it got the lease, and what time that was for the store.
    leased: Option<(Timestamp, Duration)>,
    /// The operation whose reply is awaited, and since when.
    operation: (u64, Timestamp),
    /// The token that is being written, if it is a new one.
    pub(super) writes: Option<u64>,
    releases: bool,
}

impl Session {
    pub(super) fn new(owner: u64, now: Timestamp) -> Self {
        Self { owner, found: Vec::new(), leased: None, operation: (0, now), writes: None, releases: false }
    }

    pub(super) fn holds_lease(&self) -> bool {
        self.leased.is_some()
    }
}

impl Fleet {
    pub(super) fn read_store(&mut self, process: usize, thread: u64) {
        let now = self.timestamp(process);
        let owner = self.new_number();
        let thread_of = self.thread_of(process, thread);
        if thread_of.session.is_none() {
            thread_of.open_session(owner, now);
        }
        self.send_operation(process, thread, StoreOperation::Read);
    }

    pub(super) fn acquire_lease(&mut self, process: usize, thread: u64) {
        let duration = policy::LEASE_DURATION;
        self.send_operation(process, thread, StoreOperation::AcquireLease { duration });
    }

    pub(super) fn extend_lease(&mut self, process: usize, thread: u64) {
        self.coverage.reach(Reached::LeaseExtended);
        self.send_operation(process, thread, StoreOperation::ExtendLease { duration: policy::LEASE_DURATION });
    }

    /// The thread waits for the store and the endpoint at once, so the first takes no time of its own here. Whether it
    /// tries again.
    pub(super) fn extend_during_request(&mut self, process: usize, thread: u64, duration: Duration) -> bool {
        let is_late = self.store.health == StoreHealth::Slow && self.random.one_in(8);
        let now = self.now;
        let Some(session) = &mut self.thread_of(process, thread).session else { return false };
        let (owner, holds_lease) = (session.owner, session.leased.is_some());
        holds_lease
            && !is_late
            && matches!(
                self.store.execute(&StoreOperation::ExtendLease { duration }, owner, now),
                StoreReply::Extended(true)
            )
    }

    pub(super) fn remove(&mut self, process: usize, thread: u64) {
        self.coverage.reach(Reached::RejectedRemoved);
        let plain = self.session_of(process, thread).found.clone();
        self.send_operation(process, thread, StoreOperation::Remove { plain });
    }

    /// A session without a lease writes nothing. One whose lease has expired asks the store.
    pub(super) fn write(&mut self, process: usize, thread: u64, entry: &StoredEntry) {
        let boot_id = self.machines[self.processes[process].machine].boot_id.clone();
        let published = self.processes[process].state.published();
        let is_new = |number| published.is_none_or(|it| token_number(it.token.value.expose()) != number);
        let number = entry.token.as_ref().map(|token| token_number(token.value.expose()));
        let new_number = number.filter(|number| entry.failure.is_none() && is_new(*number));
        let now = self.timestamp(process).boottime;
        let failure = entry.failure.as_ref();
        let failure_until = failure.map(|it| self.now + it.next_attempt_at.boottime.saturating_since(now));
        self.coverage.reach_if(failure.is_some() && number.is_some(), Reached::FailureShared);
        let session = self.session_of(process, thread);
        let Some((leased_at, store_time)) = session.leased else {
            return self.step(process, thread, Event::Written);
        };
        let expires_at = store_time + entry.ends_at().boottime.saturating_since(leased_at.boottime);
        let plain = entry.encode(&boot_id).to_vec();
        let found = session.found.clone();
        session.writes = new_number;
        self.send_operation(process, thread, StoreOperation::Write { plain, number, failure_until, expires_at, found });
    }

    /// A lock on a file is released at once; Redis is asked, and its reply awaited. Nobody asks it for a lease that is
    /// lost.
    pub(super) fn release(&mut self, process: usize, thread: u64) {
        let kind = self.store.kind;
        let Some(session) = &mut self.thread_of(process, thread).session else {
            return self.released(process, thread);
        };
        let (owner, was_leased) = (session.owner, session.leased.take().is_some());
        match kind {
            StoreKind::Redis if was_leased => {
                session.releases = true;
                self.send_operation(process, thread, StoreOperation::ReleaseLease);
            }
            StoreKind::Redis => self.close_session(process, thread),
            StoreKind::Directory => {
                if was_leased {
                    self.store.unlock(owner);
                }
                self.close_session(process, thread);
            }
        }
    }

    fn close_session(&mut self, process: usize, thread: u64) {
        self.thread_of(process, thread).session = None;
        self.released(process, thread);
    }

    fn send_operation(&mut self, process: usize, thread: u64, operation: StoreOperation) {
        let (number, now) = (self.new_number(), self.timestamp(process));
        let (there, back) = (self.store_latency(), self.store_latency());
        let session = self.session_of(process, thread);
        session.operation = (number, now);
        let owner = session.owner;
        let is_late = there + back > policy::STORE_OPERATION_MAX;
        let reply_after = (!is_late).then_some(back);
        self.after(there, process, FleetEvent::Execute { owner, thread, number, operation, reply_after });
        if is_late {
            self.after(policy::STORE_OPERATION_MAX, process, FleetEvent::OperationTimesOut { thread, number });
        }
    }

    /// `number`: of the operation. Nobody may be waiting for its reply any more.
    pub(super) fn reply(&mut self, process: usize, thread: u64, number: u64, reply: StoreReply, is_late: bool) {
        let now = self.timestamp(process);
        let kind = self.store.kind;
        let boot_id = self.machines[self.processes[process].machine].boot_id.clone();
        let mut threads = self.processes[process].threads.iter_mut();
        let Some(thread_of) = threads.find(|other| other.id == thread) else { return };
        let FetchThread { session, lease_checker, .. } = thread_of;
        let Some(session) = session.as_mut().filter(|session| session.operation.0 == number) else { return };
        // Nobody waits again for a store that does not reply in time: the lease is left to expire.
        session.leased.take_if(|_| is_late);
        session.writes = None;
        let releases = session.releases;
        let event = match reply {
            StoreReply::Failed | StoreReply::LeaseReleased if releases => {
                self.coverage.reach_if(is_late, Reached::ReleasedLate);
                return self.close_session(process, thread);
            }
            StoreReply::Failed | StoreReply::LeaseReleased => Event::StoreFailed(store_error()),
            StoreReply::Entry(entry) => Event::StoreRead(session.open_entry(entry, &boot_id)),
            StoreReply::Lease(lease, store_time) => {
                if lease == Lease::Held {
                    session.leased = Some((now, store_time));
                }
                return self.lease_observed(process, thread, lease);
            }
            StoreReply::Extended(is_held) => {
                session.leased.take_if(|_| !is_held);
                if !is_held {
                    lease_checker.begins();
                }
                Event::LeaseExtended(is_held)
            }
            StoreReply::Removed => Event::Removed,
            StoreReply::Written(true) => {
                session.leased.take_if(|_| kind == StoreKind::Redis);
                Event::Written
            }
            StoreReply::Written(false) => Event::StoreFailed(store_error()),
        };
        self.step(process, thread, event);
    }

    fn session_of(&mut self, process: usize, thread: u64) -> &mut Session {
        self.thread_of(process, thread).session.as_mut().expect("a session is open")
    }

    /// How long an operation travels to the store, or its reply back.
    fn store_latency(&mut self) -> Duration {
        let quick = self.random.between(SECOND / 10_000, SECOND / 200);
        match self.store.health {
            StoreHealth::Slow if self.random.one_in(8) => self.random.between(SECOND / 2, 20 * SECOND),
            StoreHealth::Slow => self.random.between(SECOND / 1_000, SECOND / 4),
            StoreHealth::Healthy | StoreHealth::Down | StoreHealth::Full => quick,
        }
    }
}

impl Session {
    fn open_entry(&mut self, entry: Option<(Vec<u8>, Option<Duration>)>, boot_id: &str) -> StoredEntry {
        self.found.clear();
        let Some((plain, left)) = entry else { return StoredEntry::default() };
        let asked_at = self.operation.1;
        let entry = StoredEntry::decode(&plain, left.map(|left| asked_at + left), Some(boot_id), asked_at);
        self.found = plain;
        entry.unwrap_or_else(|| StoredEntry { problem: Some(store_error()), ..StoredEntry::default() })
    }
}

fn store_error() -> Error {
    Error::new(Status::Unavailable, "the store failed")
}
