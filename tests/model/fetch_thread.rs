//! The threads of fetches: carry out the actions of a `Fetch`, one at a time. Between any two, all else may happen.

use std::time::Duration;

use bankhub_core::{Action, Error, Event, Fetch, Instant, Jitter, Lease, Status, StoredEntry, policy};

use crate::coverage::Reached;
use crate::endpoint::{Outcome, Response};
use crate::fleet::{Fleet, REQUEST_TIMEOUT, SECOND, State};
use crate::process::Process;
use crate::properties;
use crate::store::Session;

const JITTER: Jitter = Jitter(u32::MAX);

/// More than any fetch takes from one wait to the next.
const STEPS_MAX: u8 = 12;

#[derive(Clone, Debug, Hash)]
pub(crate) struct FetchThread {
    fetch: Fetch,
    pub(crate) session: Option<Session>,
    pub(crate) pending: Pending,
    /// An operation on the store has failed, or its process was stopped for longer than anybody waits for the lease.
    pub(crate) may_send_alone: bool,
    /// A token was rejected in its process since it read the store.
    pub(crate) rejected_since: bool,
    /// Steps since it last waited, or its process was stopped.
    pub(crate) steps: u8,
    /// It has stopped waiting for the lease.
    gave_up: bool,
}

/// The next step of the thread, or what it waits for.
#[derive(Clone, Debug, Hash)]
pub(crate) enum Pending {
    Start,
    ReadStore,
    AcquireLease,
    ExtendLease,
    Remove,
    Write(Box<StoredEntry>),
    Release,
    SleepUntil(Instant),
    Send,
    /// A request is in flight.
    Response {
        at: Duration,
        response: Response,
    },
    /// The store replies too late.
    LateReply {
        at: Duration,
    },
}

/// A fault of an operation on the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StoreFault {
    /// It fails, and has no effect.
    Fails,
    /// It is done, and the reply does not arrive in time.
    IsLate,
    /// It seems to be done, and a failover undoes it.
    IsUndone,
}

impl FetchThread {
    pub(crate) fn new() -> Self {
        Self {
            fetch: Fetch::new(),
            session: None,
            pending: Pending::Start,
            may_send_alone: false,
            rejected_since: false,
            steps: 0,
            gave_up: false,
        }
    }

    /// Whether it has nothing to wait for.
    pub(crate) fn is_ready(&self, of: &Process, now: Duration) -> bool {
        match &self.pending {
            Pending::SleepUntil(at) => of.clocks.at(now).boottime >= *at,
            Pending::Response { at, .. } | Pending::LateReply { at } => now >= *at,
            _ => true,
        }
    }

    /// When it continues, if it waits.
    pub(crate) fn continues_at(&self, of: &Process) -> Option<Duration> {
        match &self.pending {
            Pending::SleepUntil(at) => Some(of.clocks.time_of(*at)),
            Pending::Response { at, .. } | Pending::LateReply { at } => Some(*at),
            _ => None,
        }
    }

    pub(crate) fn holds_lease(&self) -> bool {
        self.session.as_ref().is_some_and(|session| session.lease.is_some())
    }

    pub(crate) fn request_is_in_flight(&self) -> bool {
        matches!(self.pending, Pending::Response { .. })
    }
}

impl Fleet {
    /// Does what the thread is about to do, and takes the next step. Not for a request: [`Self::send`].
    pub(crate) fn proceed(&self, state: &mut State, of: &mut Process, thread: usize, fault: Option<StoreFault>) {
        let mut thread_of = of.threads.remove(thread);
        let FetchThread { session, pending, .. } = &mut thread_of;
        let now = state.now;
        if fault == Some(StoreFault::Fails) {
            let event = if matches!(pending, Pending::Release) { Event::Released } else { self.store_fails(state) };
            thread_of.session.take_if(|_| matches!(event, Event::Released));
            return self.step(state, of, thread, thread_of, event);
        }
        let event = match pending {
            Pending::Start => Event::Started,
            Pending::SleepUntil(_) => Event::Woke,
            Pending::ReadStore => {
                let session = session.get_or_insert_default();
                Event::StoreRead(state.store.read(session, of.clocks, now, state.bug))
            }
            Pending::AcquireLease => {
                let lease = state.store.acquire(open(session), now);
                Event::LeaseObserved(lease)
            }
            Pending::ExtendLease => {
                self.coverage.reach(Reached::Extended);
                Event::LeaseExtended(state.store.extend(open(session), policy::LEASE_DURATION, now))
            }
            Pending::Remove => {
                self.coverage.reach(Reached::Removed);
                state.store.remove(open(session));
                Event::Removed
            }
            Pending::Write(entry) => {
                self.coverage.reach_if(entry.failure.is_some(), Reached::FailureShared);
                let before = state.store.entry.clone();
                let is_written = state.store.write(open(session), entry, of.clocks, now);
                if fault == Some(StoreFault::IsUndone) {
                    state.store.entry = before;
                }
                self.coverage.reach_if(!is_written, Reached::WriteRefused);
                if is_written { Event::Written } else { self.store_fails(state) }
            }
            Pending::Release => {
                if let Some(session) = session.take() {
                    state.store.release(session, state.bug);
                }
                Event::Released
            }
            Pending::Response { response, .. } => Event::Response(response.to_result()),
            Pending::LateReply { .. } => self.store_fails(state),
            Pending::Send => unreachable!("a request is sent by `send`"),
        };
        if fault == Some(StoreFault::IsLate) {
            // Nobody waits again for a store that does not reply in time: the lease is left to expire.
            open(session).lease = None;
            thread_of.pending = Pending::LateReply { at: now + SECOND };
            of.threads.insert(thread, thread_of);
            return;
        }
        self.step(state, of, thread, thread_of, event);
    }

    fn store_fails(&self, _: &State) -> Event {
        Event::StoreFailed(Error::new(Status::Unavailable, "the store failed"))
    }

    fn step(&self, state: &mut State, of: &mut Process, thread: usize, mut thread_of: FetchThread, event: Event) {
        let has_waited = matches!(event, Event::Started | Event::Woke | Event::Response(_));
        thread_of.steps = if has_waited { 0 } else { thread_of.steps + 1 };
        if thread_of.steps > STEPS_MAX {
            state.break_property(properties::LOOPS);
        }
        thread_of.may_send_alone |= matches!(event, Event::StoreFailed(_));
        thread_of.rejected_since &= !matches!(event, Event::StoreRead(_));
        let is_taken = matches!(event, Event::LeaseObserved(Lease::HeldByOther(_)));
        let now = of.clocks.at(state.now);
        let before = of.served();
        let reads = matches!(event, Event::StoreRead(_));
        let reads_failure = matches!(&event, Event::StoreRead(entry) if entry.failure.is_some());
        let pending = match thread_of.fetch.step(event, &mut of.tokens, now, JITTER) {
            Action::ReadStore => Pending::ReadStore,
            Action::AcquireLease => Pending::AcquireLease,
            Action::ExtendLease => Pending::ExtendLease,
            Action::Remove => Pending::Remove,
            Action::SleepUntil(at) => Pending::SleepUntil(at),
            Action::Send => Pending::Send,
            Action::Write(entry) => Pending::Write(Box::new(entry.clone())),
            Action::Release => Pending::Release,
            Action::Done => {
                return self.coverage.reach_if(thread_of.gave_up, Reached::Abandoned);
            }
        };
        self.coverage.reach_if(reads && before != of.served(), Reached::Adopted);
        let ends = matches!(pending, Pending::Release);
        self.coverage.reach_if(reads_failure && ends && before == of.served(), Reached::FailureAdopted);
        if let Pending::SleepUntil(_) = pending {
            self.coverage.reach_if(thread_of.session.is_none(), Reached::Retried);
            self.coverage.reach_if(thread_of.holds_lease(), Reached::RetriedWithLease);
        }
        thread_of.gave_up |= is_taken && matches!(pending, Pending::Release);
        self.coverage.reach_if(thread_of.gave_up && matches!(pending, Pending::Send), Reached::Bypassed);
        self.coverage.reach_if(is_taken, Reached::WaitedForLease);
        if matches!(pending, Pending::Release) && !thread_of.holds_lease() {
            // The store is not asked.
            thread_of.session = None;
            return self.step(state, of, thread, thread_of, Event::Released);
        }
        thread_of.pending = pending;
        of.threads.insert(thread, thread_of);
    }

    /// The thread sends its request, which ends like that.
    pub(crate) fn send(&self, state: &mut State, of: &mut Process, thread: usize, outcome: Outcome) {
        properties::check_request(self, state, of, thread);
        let (response, after) = state.endpoint.respond(outcome);
        let thread = &mut of.threads[thread];
        thread.pending = Pending::Response { at: state.now + after, response };
        if outcome == Outcome::LookupHangs
            && let Some(session) = &mut thread.session
        {
            // It cannot be extended meanwhile.
            state.store.extend(session, policy::lookup_lease_duration(REQUEST_TIMEOUT), state.now);
            session.may_lose_lease = true;
        }
    }

    /// While a process waits for the endpoint, it extends its lease, so that it never ends before then.
    pub(crate) fn extend_leases(&self, state: &mut State, at: Duration) {
        let State { processes, store, .. } = state;
        let working = processes.iter().map(|hashed| &hashed.process).filter(|of| of.stopped_at.is_none());
        let sending = working.flat_map(|of| &of.threads).filter(|thread| thread.request_is_in_flight());
        let mut sessions = sending.filter_map(|thread| thread.session.as_ref());
        if sessions.any(|session| store.is_held_by(session) && !session.may_lose_lease)
            && let Some(lease) = &mut store.lease
        {
            lease.expires_at = lease.expires_at.max(at + policy::LEASE_DURATION - policy::LEASE_EXTEND_PAUSE);
        }
    }
}

fn open(session: &mut Option<Session>) -> &mut Session {
    session.as_mut().expect("the store was read before, which opens a session")
}
