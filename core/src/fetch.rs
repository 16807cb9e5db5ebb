//! One fetch, as a machine without I/O: it takes what happened and the time, and returns the one thing to do next.
//!
//! ```text
//! ReadStore ─ AcquireLease ─ ReadStore ─ [Remove] ─ Send ─ Write ─ Release ─ Done
//!     └────── SleepUntil ◄────┘ another process holds the lease
//! ```
//!
//! Without a store only `Send` and `Done` are left. After a request that is worth a retry, `SleepUntil` and another
//! `Send` follow: with the same lease if the endpoint answered, and else with a new one, because the next process may
//! have a better network. A lease that is no longer new is extended before `Send`. When an operation on the store
//! fails, the fetch continues without the store.

use alloc::boxed::Box;
use core::mem;

use crate::backoff::FailedFetch;
use crate::error::{Error, Failure, Status};
use crate::jitter::Jitter;
use crate::lease::{Decision, Lease, LeaseAcquirer};
use crate::policy;
use crate::stored_entry::StoredEntry;
use crate::time::{Instant, Timestamp};
use crate::token::{Token, TokenResponse};
use crate::token_state::{AfterFailure, StoreStep, TokenState, Verdict};

/// The next step of the driver of a [`Fetch`]. It answers with the event that is named here, or with
/// [`Event::StoreFailed`] where an operation on the store fails.
#[derive(Debug)]
pub enum Action<'f> {
    /// Opens a session of the store, unless one is open, and reads what it holds: [`Event::StoreRead`].
    ReadStore,
    /// Asks once for the lease: [`Event::LeaseObserved`].
    AcquireLease,
    /// Extends the lease, if it is still held: [`Event::LeaseExtended`].
    ExtendLease,
    /// Removes from the store what was read last, unless it has changed: [`Event::Removed`].
    Remove,
    /// Waits until then, or until the cache is closed: [`Event::Woke`].
    SleepUntil(Instant),
    /// Sends one token request, and extends the lease meanwhile, if it is held: [`Event::Response`].
    Send,
    /// Replaces what the store holds: [`Event::Written`].
    Write(&'f StoredEntry),
    /// Releases the lease, if it is held, and closes the session: [`Event::Released`], which cannot fail.
    Release,
    /// Nothing: the fetch has ended.
    Done,
}

/// The result of an action.
#[derive(Clone, Debug, Hash)]
pub enum Event {
    /// The thread of the fetch has started.
    Started,
    /// The store was read.
    StoreRead(StoredEntry),
    /// The store was asked for the lease.
    LeaseObserved(Lease),
    /// The lease was extended, or it is lost.
    LeaseExtended(bool),
    /// The rejected token is no longer in the store.
    Removed,
    /// The entry is in the store.
    Written,
    /// The session is closed.
    Released,
    /// The operation on the store failed.
    StoreFailed(Error),
    /// The pause is over.
    Woke,
    /// The token request has ended.
    Response(Result<TokenResponse, Failure>),
}

/// One fetch, from its first action until [`Action::Done`].
#[derive(Clone, Debug, Hash)]
pub struct Fetch {
    phase: Phase,
    acquirer: LeaseAcquirer,
    /// When the lease was acquired, or last extended by an action; `None`: it is not held.
    lease_extended_at: Option<Instant>,
    session_is_open: bool,
    /// An operation on the store has failed, or another process holds the lease for too long: a retry does not wait
    /// again.
    without_store: bool,
    /// How often it has waited for a store that had failed.
    store_waits: u32,
    /// The content of the store when it was last read with the lease. A failure does not replace its token.
    stored: StoredEntry,
}

#[derive(Clone, Debug, Hash)]
enum Phase {
    /// Before the first request, or before a retry.
    Idle,
    Reading,
    Acquiring,
    WaitingForLease,
    Extending,
    Removing,
    Sending {
        sent_at: Timestamp,
    },
    Writing {
        entry: Box<StoredEntry>,
        outcome: Outcome,
    },
    Releasing(AfterRelease),
    Ended,
}

#[derive(Clone, Debug, Hash)]
enum AfterRelease {
    Send,
    RetryAt(Instant),
    Complete(Outcome),
    End,
}

/// The end of a fetch whose request was not in vain: all its callers get this.
type Outcome = Result<Token, FailedFetch>;

/// The arguments of a step besides the event.
struct Context<'s> {
    state: &'s mut TokenState,
    now: Timestamp,
    jitter: Jitter,
}

impl Default for Fetch {
    fn default() -> Self {
        Self::new()
    }
}

impl Fetch {
    /// The fetch that a [`TokenState`] has just begun. Its first event is [`Event::Started`].
    pub fn new() -> Self {
        let acquirer = LeaseAcquirer::new(Default::default(), Instant::MAX);
        Self {
            phase: Phase::Idle,
            acquirer,
            lease_extended_at: None,
            session_is_open: false,
            without_store: false,
            store_waits: 0,
            stored: StoredEntry::default(),
        }
    }

    /// Takes what happened; returns what to do next. `state` is the one that began the fetch.
    ///
    /// # Panics
    /// If the event is not an answer to the last action.
    pub fn step(&mut self, event: Event, state: &mut TokenState, now: Timestamp, jitter: Jitter) -> Action<'_> {
        let mut context = Context { state, now, jitter };
        let context = &mut context;
        match (mem::replace(&mut self.phase, Phase::Ended), event) {
            (Phase::Idle, Event::Started | Event::Woke) => self.begin(context),
            (Phase::WaitingForLease, Event::Woke) => self.read(),
            (Phase::Reading, Event::StoreRead(entry)) => self.judge(entry, context),
            (Phase::Acquiring, Event::LeaseObserved(lease)) => self.observe(lease, context),
            (Phase::Extending, Event::LeaseExtended(true)) => {
                self.lease_extended_at = Some(context.now.boottime);
                self.send(context)
            }
            (Phase::Extending, Event::LeaseExtended(false)) => self.begin_with_store(context),
            (Phase::Removing, Event::Removed) => self.send(context),
            (Phase::Reading, Event::StoreFailed(error)) => self.wait_for_store(StoreStep::Read, error, context),
            (Phase::Acquiring | Phase::Extending, Event::StoreFailed(error)) => {
                self.wait_for_store(StoreStep::Lease, error, context)
            }
            (Phase::Removing, Event::StoreFailed(error)) => {
                self.continue_without_store(StoreStep::Write, error, context)
            }
            (Phase::Sending { sent_at }, Event::Response(response)) => self.receive(response, sent_at, context),
            (Phase::Writing { outcome, .. }, Event::Written) => {
                context.state.store_worked(StoreStep::Write);
                self.release(AfterRelease::Complete(outcome), context)
            }
            (Phase::Writing { outcome, .. }, Event::StoreFailed(error)) => {
                context.state.store_failed(StoreStep::Write, error);
                self.release(AfterRelease::Complete(outcome), context)
            }
            (Phase::Releasing(next), Event::Released) => self.after_release(next, context),
            (phase, event) => unreachable!("{event:?} while {phase:?}"),
        }
    }

    /// Before each request: where processes share a store, another one may have a token, and only one may fetch.
    fn begin(&mut self, context: &mut Context<'_>) -> Action<'_> {
        if !context.state.shares_store() || self.without_store || self.lease_extended_at.is_some() {
            return self.send(context);
        }
        self.begin_with_store(context)
    }

    fn begin_with_store(&mut self, context: &mut Context<'_>) -> Action<'_> {
        self.lease_extended_at = None;
        let Some(overdue_at) = context.state.fetch_overdue_at() else {
            return self.release(AfterRelease::End, context);
        };
        let holder_timeout = policy::lease_holder_timeout(context.state.request_timeout());
        // Callers are told that the lease could not be acquired, before they are told that the fetch is overdue.
        self.acquirer = LeaseAcquirer::new(holder_timeout, overdue_at - policy::LEASE_POLL_MAX);
        self.read()
    }

    fn read(&mut self) -> Action<'_> {
        self.phase = Phase::Reading;
        self.session_is_open = true;
        Action::ReadStore
    }

    fn judge(&mut self, mut entry: StoredEntry, context: &mut Context<'_>) -> Action<'_> {
        match entry.problem.take() {
            Some(problem) => context.state.store_failed(StoreStep::Read, problem),
            None => context.state.store_worked(StoreStep::Read),
        }
        let holds_lease = self.lease_extended_at.is_some();
        match context.state.store_read(&entry, context.now, context.jitter) {
            Verdict::FetchEnded => self.release(AfterRelease::End, context),
            Verdict::Rejected if holds_lease => {
                self.stored = StoredEntry::default();
                self.phase = Phase::Removing;
                Action::Remove
            }
            Verdict::Useless if holds_lease => {
                self.stored = entry;
                self.send(context)
            }
            Verdict::Rejected | Verdict::Useless => {
                self.phase = Phase::Acquiring;
                Action::AcquireLease
            }
        }
    }

    fn observe(&mut self, lease: Lease, context: &mut Context<'_>) -> Action<'_> {
        match self.acquirer.observe(lease, context.now.boottime, context.jitter) {
            Decision::Acquired => {
                self.lease_extended_at = Some(context.now.boottime);
                context.state.store_worked(StoreStep::Lease);
                self.read()
            }
            Decision::PollAgain(pause) => {
                self.phase = Phase::WaitingForLease;
                Action::SleepUntil(context.now.boottime + pause)
            }
            Decision::Bypass => {
                let problem =
                    "another process has held the store's lease for too long; this process fetches without it";
                self.continue_without_store(StoreStep::Read, Error::new(Status::Unavailable, problem), context)
            }
            Decision::Abandon => {
                let problem =
                    "other processes held the store's lease one after the other, and none of them stored a token";
                let error = Error::new(Status::Unavailable, problem);
                if context.state.abandon(error.clone().into(), context.now, context.jitter) {
                    self.release(AfterRelease::End, context)
                } else {
                    self.continue_without_store(StoreStep::Read, error, context)
                }
            }
        }
    }

    /// While a token is served there is time for another server to take over. A request without the store could end the
    /// token of all others.
    fn wait_for_store(&mut self, step: StoreStep, error: Error, context: &mut Context<'_>) -> Action<'_> {
        if self.store_waits == policy::STORE_WAITS_MAX || !context.state.can_wait_for_store(context.now) {
            return self.continue_without_store(step, error, context);
        }
        self.store_waits += 1;
        context.state.store_failed(step, error);
        let pause = policy::store_wait(context.jitter);
        self.release(AfterRelease::RetryAt(context.now.boottime + pause), context)
    }

    fn continue_without_store(&mut self, step: StoreStep, error: Error, context: &mut Context<'_>) -> Action<'_> {
        context.state.store_failed(step, error);
        self.without_store = true;
        self.release(AfterRelease::Send, context)
    }

    fn send(&mut self, context: &mut Context<'_>) -> Action<'_> {
        let now = context.now;
        if self.lease_extended_at.is_some_and(|at| now.boottime.saturating_since(at) >= policy::LEASE_EXTEND_PAUSE) {
            self.phase = Phase::Extending;
            return Action::ExtendLease;
        }
        if !context.state.begin_request(now, context.jitter) {
            return self.release(AfterRelease::End, context);
        }
        self.phase = Phase::Sending { sent_at: now };
        Action::Send
    }

    fn receive(
        &mut self,
        response: Result<TokenResponse, Failure>,
        sent_at: Timestamp,
        context: &mut Context<'_>,
    ) -> Action<'_> {
        let Context { state, now, jitter } = context;
        let outcome = match response {
            Ok(TokenResponse { value, ttl }) => Ok(Token { value, ttl, sent_at }),
            Err(failure) => {
                let is_answer = failure.error.http_status().is_some();
                match state.request_failed(failure, *now, *jitter) {
                    AfterFailure::RetryAt(at) if is_answer => return self.sleep_until(at),
                    AfterFailure::RetryAt(at) => return self.release(AfterRelease::RetryAt(at), context),
                    AfterFailure::End(failed) => Err(failed),
                }
            }
        };
        if !self.session_is_open {
            return self.release(AfterRelease::Complete(outcome), context);
        }
        let entry = match &outcome {
            Ok(token) => StoredEntry { token: Some(token.clone()), ..StoredEntry::default() },
            Err(failed) => {
                let mut entry = mem::take(&mut self.stored);
                entry.token.take_if(|token| token.is_stale(*now));
                StoredEntry { failure: failed.shared(*now), ..entry }
            }
        };
        // A failure of one process's own network does not concern the others.
        if outcome.is_err() && entry.failure.is_none() {
            return self.release(AfterRelease::Complete(outcome), context);
        }
        context.state.response_received(context.now);
        // Before any caller has it: then others can use it even if this process ends at once.
        self.phase = Phase::Writing { entry: Box::new(entry), outcome };
        let Phase::Writing { entry, .. } = &self.phase else { unreachable!("just set") };
        Action::Write(entry)
    }

    fn sleep_until(&mut self, at: Instant) -> Action<'_> {
        self.phase = Phase::Idle;
        Action::SleepUntil(at)
    }

    fn release(&mut self, next: AfterRelease, context: &mut Context<'_>) -> Action<'_> {
        self.lease_extended_at = None;
        if !mem::take(&mut self.session_is_open) {
            return self.after_release(next, context);
        }
        self.phase = Phase::Releasing(next);
        Action::Release
    }

    fn after_release(&mut self, next: AfterRelease, context: &mut Context<'_>) -> Action<'_> {
        let Context { state, now, jitter } = context;
        match next {
            AfterRelease::Send => return self.send(context),
            AfterRelease::RetryAt(at) => return self.sleep_until(at),
            AfterRelease::Complete(Ok(token)) => state.request_succeeded(token, *now, *jitter),
            AfterRelease::Complete(Err(failed)) => state.fetch_failed(failed, *now, *jitter),
            AfterRelease::End => {}
        }
        Action::Done
    }
}

#[cfg(test)]
mod tests;
