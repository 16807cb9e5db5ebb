//! One fetch, as a machine without I/O: it takes what happened and the time, and returns the one thing to do next.
//!
//! ```text
//! ReadStore ─ AcquireLease ─ ReadStore ─ [Remove] ─ Send ─ Write ─ Release ─ Done
//!     └────── SleepUntil ◄────┘ another process holds the lease
//! ```
//!
//! Without a store only `Send` and `Done` are left. After a request that is worth a retry, `SleepUntil` and another
//! round follow. When an operation on the store fails, the fetch continues without the store.

use core::mem;

use crate::error::{Error, Failure, Status};
use crate::jitter::Jitter;
use crate::lease::{Decision, Lease, LeaseAcquirer};
use crate::policy;
use crate::time::{Instant, Timestamp};
use crate::token::{Token, TokenResponse};
use crate::token_state::{AfterRequest, TokenState, Verdict};

/// The next step of the driver of a [`Fetch`]. It answers with the event that is named here, or with
/// [`Event::StoreFailed`] where an operation on the store fails.
#[derive(Debug)]
pub enum Action<'f> {
    /// Opens a session of the store, unless one is open, and reads what it holds: [`Event::StoreRead`].
    ReadStore,
    /// Asks once for the lease: [`Event::LeaseObserved`].
    AcquireLease,
    /// Removes from the store what was read last, unless it has changed: [`Event::Removed`].
    Remove,
    /// Waits until then, or until the cache is closed: [`Event::Woke`].
    SleepUntil(Instant),
    /// Sends one token request: [`Event::Response`].
    Send,
    /// Writes the token to the store: [`Event::Written`].
    Write(&'f Token),
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
    /// The rejected token is no longer in the store.
    Removed,
    /// The token is in the store.
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

/// The content of a store.
#[derive(Clone, Debug, Hash)]
pub enum StoredEntry {
    /// No token, or one that nothing is known of.
    Empty,
    /// A token.
    Token(Token),
    /// Something that is not a token of this client, and why.
    Damaged(Error),
}

/// One fetch, from its first action until [`Action::Done`].
#[derive(Clone, Debug, Hash)]
pub struct Fetch {
    phase: Phase,
    acquirer: LeaseAcquirer,
    holds_lease: bool,
    session_is_open: bool,
}

#[derive(Clone, Debug, Hash)]
enum Phase {
    /// Before the first request, or before a retry.
    Idle,
    Reading,
    Acquiring,
    WaitingForLease,
    Removing,
    Sending {
        sent_at: Timestamp,
    },
    Writing(Token),
    Releasing(AfterRelease),
    Ended,
}

#[derive(Clone, Debug, Hash)]
enum AfterRelease {
    Send,
    Complete(Result<Token, Failure>),
    End,
}

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
        Self { phase: Phase::Idle, acquirer, holds_lease: false, session_is_open: false }
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
            (Phase::Removing, Event::Removed) => self.send(context),
            (Phase::Reading | Phase::Acquiring | Phase::Removing, Event::StoreFailed(error)) => {
                self.continue_without_store(error, context)
            }
            (Phase::Sending { sent_at }, Event::Response(response)) => self.receive(response, sent_at, context),
            (Phase::Writing(token), Event::Written) => self.release(AfterRelease::Complete(Ok(token)), context),
            (Phase::Writing(token), Event::StoreFailed(error)) => {
                context.state.store_failed(error);
                self.release(AfterRelease::Complete(Ok(token)), context)
            }
            (Phase::Releasing(next), Event::Released) => self.after_release(next, context),
            (phase, event) => unreachable!("{event:?} while {phase:?}"),
        }
    }

    /// Before each request: where processes share a store, another one may have a token, and only one may fetch.
    fn begin(&mut self, context: &mut Context<'_>) -> Action<'_> {
        let Some(overdue_at) = context.state.fetch_overdue_at() else { return Action::Done };
        if !context.state.shares_store() {
            return self.send(context);
        }
        let holder_timeout = policy::lease_holder_timeout(context.state.request_timeout());
        // Callers are told that the lease could not be acquired, before they are told that the fetch is overdue.
        self.acquirer = LeaseAcquirer::new(holder_timeout, overdue_at - policy::LEASE_POLL_MAX);
        self.holds_lease = false;
        self.read()
    }

    fn read(&mut self) -> Action<'_> {
        self.phase = Phase::Reading;
        self.session_is_open = true;
        Action::ReadStore
    }

    fn judge(&mut self, entry: StoredEntry, context: &mut Context<'_>) -> Action<'_> {
        let token = match entry {
            StoredEntry::Empty => None,
            StoredEntry::Token(token) => Some(token),
            StoredEntry::Damaged(error) => {
                context.state.store_failed(error);
                None
            }
        };
        match context.state.store_read(token, context.now, context.jitter) {
            Verdict::FetchEnded => self.release(AfterRelease::End, context),
            Verdict::Rejected if self.holds_lease => {
                self.phase = Phase::Removing;
                Action::Remove
            }
            Verdict::Useless if self.holds_lease => self.send(context),
            Verdict::Rejected | Verdict::Useless => {
                self.phase = Phase::Acquiring;
                Action::AcquireLease
            }
        }
    }

    fn observe(&mut self, lease: Lease, context: &mut Context<'_>) -> Action<'_> {
        match self.acquirer.observe(lease, context.now.boottime, context.jitter) {
            Decision::Acquired => {
                self.holds_lease = true;
                self.read()
            }
            Decision::PollAgain(pause) => {
                self.phase = Phase::WaitingForLease;
                Action::SleepUntil(context.now.boottime + pause)
            }
            Decision::Bypass => {
                let problem =
                    "another process has held the store's lease for too long; this process fetches without it";
                self.continue_without_store(Error::new(Status::Unavailable, problem), context)
            }
            Decision::Abandon => {
                let problem =
                    "other processes held the store's lease one after the other, and none of them stored a token";
                let error = Error::new(Status::Unavailable, problem);
                if context.state.abandon(error.clone().into(), context.now, context.jitter) {
                    self.release(AfterRelease::End, context)
                } else {
                    self.continue_without_store(error, context)
                }
            }
        }
    }

    fn continue_without_store(&mut self, error: Error, context: &mut Context<'_>) -> Action<'_> {
        context.state.store_failed(error);
        self.release(AfterRelease::Send, context)
    }

    fn send(&mut self, context: &mut Context<'_>) -> Action<'_> {
        if !context.state.begin_request(context.now, context.jitter) {
            return self.release(AfterRelease::End, context);
        }
        self.phase = Phase::Sending { sent_at: context.now };
        Action::Send
    }

    fn receive(
        &mut self,
        response: Result<TokenResponse, Failure>,
        sent_at: Timestamp,
        context: &mut Context<'_>,
    ) -> Action<'_> {
        let outcome = response.map(|TokenResponse { value, ttl }| Token { value, ttl, sent_at });
        if !self.session_is_open {
            return self.complete(outcome, context);
        }
        context.state.response_received(context.now);
        match outcome {
            // Before any caller has it: then others can use it even if this process ends at once.
            Ok(token) => {
                self.phase = Phase::Writing(token);
                let Phase::Writing(token) = &self.phase else { unreachable!("just set") };
                Action::Write(token)
            }
            Err(failure) => self.release(AfterRelease::Complete(Err(failure)), context),
        }
    }

    fn release(&mut self, next: AfterRelease, context: &mut Context<'_>) -> Action<'_> {
        if !mem::take(&mut self.session_is_open) {
            return self.after_release(next, context);
        }
        self.phase = Phase::Releasing(next);
        Action::Release
    }

    fn after_release(&mut self, next: AfterRelease, context: &mut Context<'_>) -> Action<'_> {
        match next {
            AfterRelease::Send => self.send(context),
            AfterRelease::Complete(outcome) => self.complete(outcome, context),
            AfterRelease::End => Action::Done,
        }
    }

    fn complete(&mut self, outcome: Result<Token, Failure>, context: &mut Context<'_>) -> Action<'_> {
        let Context { state, now, jitter } = context;
        let next = match outcome {
            Ok(token) => state.request_succeeded(token, *now, *jitter),
            Err(failure) => state.request_failed(failure, *now, *jitter),
        };
        match next {
            AfterRequest::RetryAt(at) => {
                self.phase = Phase::Idle;
                Action::SleepUntil(at)
            }
            AfterRequest::End => Action::Done,
        }
    }
}

#[cfg(test)]
mod tests;
