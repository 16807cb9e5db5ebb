//! The fetch in flight: what [`Fetch`](crate::Fetch) reports to the state, and what follows from it.

use alloc::borrow::ToOwned;
use alloc::format;
use core::time::Duration;

use crate::backoff::{Backoff, FailedFetch};
use crate::error::{Error, Failure, Status};
use crate::jitter::Jitter;
use crate::policy;
use crate::stored_entry::StoredEntry;
use crate::time::{Instant, Timestamp, unix_seconds};
use crate::token::Token;

use super::current::CurrentToken;
use super::{Settings, TokenState};

/// The state's verdict on the token in the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The fetch has ended: the token or the failure is adopted, or no request may follow the read.
    FetchEnded,
    /// An API answered 401 to it here.
    Rejected,
    /// There is none that lasts longer than the current token.
    Useless,
}

/// The next step of a fetch after a request that failed.
#[derive(Debug)]
pub(crate) enum AfterFailure {
    RetryAt(Instant),
    /// The fetch is to end with this.
    End(FailedFetch),
}

/// The use that a fetch makes of the store. A failure is reported until the same step works again, here or in another
/// process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum StoreStep {
    /// Reading it, and waiting for others.
    Read,
    Lease,
    Write,
}

#[derive(Clone, Debug, Hash)]
pub(super) struct FetchInFlight {
    /// When its first request was sent, or else when it began.
    began_at: Instant,
    /// It reads the store, and no request follows.
    pub(super) reads_only: bool,
    requests: u32,
    /// Until when callers wait for another process's token; `None`: they do not.
    pub(super) confirm_until: Option<Instant>,
    /// When the request in flight, or the wait for the lease, becomes overdue.
    pub(super) overdue_at: Instant,
    /// The failure of the request before the one in flight.
    pub(super) last_failure: Option<Error>,
    /// It has exceeded its time: callers were told so, and none waits for it.
    pub(super) is_overdue: bool,
}

impl FetchInFlight {
    pub(super) fn new(now: Instant, reads_only: bool, confirms: bool, settings: &Settings) -> Self {
        Self {
            began_at: now,
            reads_only,
            requests: 0,
            confirm_until: confirms.then(|| now + policy::CONFIRM_WAIT_MAX),
            overdue_at: now + settings.lease_wait_max + settings.request_timeout + policy::OVERDUE_GRACE,
            last_failure: None,
            is_overdue: false,
        }
    }

    /// When it becomes overdue, if it is not overdue yet. Not inline: the compiler would read it before it knows
    /// whether there is a fetch, and memcheck takes that for a mistake.
    #[inline(never)]
    fn becomes_overdue_at(&self) -> Option<Instant> {
        (!self.is_overdue).then_some(self.overdue_at)
    }
}

impl TokenState {
    /// When the fetch in flight becomes overdue, if there is one that is not overdue yet.
    pub(super) fn overdue_at(&self) -> Option<Instant> {
        self.fetch.as_ref().and_then(FetchInFlight::becomes_overdue_at)
    }

    pub(super) fn is_overdue(&self) -> bool {
        self.fetch.as_ref().is_some_and(|fetch| fetch.is_overdue)
    }

    /// When the fetch in flight becomes overdue, or became so; `None`: none is in flight.
    pub(crate) fn fetch_overdue_at(&self) -> Option<Instant> {
        self.fetch.as_ref().map(|fetch| fetch.overdue_at)
    }

    /// The store was read, as it must be before a request.
    pub(crate) fn store_read(&mut self, entry: &StoredEntry, now: Timestamp, jitter: Jitter) -> Verdict {
        self.advance(now);
        if self.closed {
            return Verdict::FetchEnded;
        }
        let reads_only = self.end_read_only_fetch(now, jitter);
        let verdict = match &entry.token {
            Some(token) if self.rejections.contains(&token.value) => Verdict::Rejected,
            Some(token) if self.is_improved_by(token, now) => {
                // A backoff stays, even with a token of another process.
                let backoff = self.backoff.take().filter(|_| reads_only);
                self.replace_current(token.clone(), now.boottime, jitter);
                self.backoff = backoff.map(|backoff| Backoff { recovered: true, ..backoff });
                // Another process could write it.
                self.store_worked(StoreStep::Lease);
                self.store_worked(StoreStep::Write);
                return Verdict::FetchEnded;
            }
            _ => Verdict::Useless,
        };
        if let Some(shared) = entry.failure.as_ref().and_then(|failure| Backoff::adopted(failure, now)) {
            self.fetch = None;
            let own_ends_at = self.backoff.as_ref().map_or(Instant::default(), |own| own.next_attempt_at);
            if shared.next_attempt_at > own_ends_at {
                self.back_off(shared, now, jitter);
            }
            return Verdict::FetchEnded;
        }
        let remembered = entry.failure.as_ref().filter(|failure| failure.is_remembered(now));
        self.stored_failures = remembered.map_or(0, |failure| failure.failures);
        if reads_only { Verdict::FetchEnded } else { verdict }
    }

    /// The store could not be used, or not as it should be.
    pub(crate) fn store_failed(&mut self, step: StoreStep, failure: Error) {
        if let Some(fetch) = &mut self.fetch {
            fetch.confirm_until = None;
        }
        self.store_failure = Some((step, failure));
    }

    /// Whether the fetch in flight has time to wait for a store that has failed: its callers have a token that stays
    /// good for long enough, and no request was sent.
    pub(crate) fn can_wait_for_store(&self, now: Timestamp) -> bool {
        let good = self.current.as_ref().filter(|current| !current.rejected);
        let left =
            good.map_or(Duration::ZERO, |current| current.token.stale_at().boottime.saturating_since(now.boottime));
        let may_send = self.fetch.as_ref().is_some_and(|fetch| !fetch.reads_only && fetch.requests == 0);
        may_send && left > policy::STORE_WAIT_MIN_LEFT
    }

    /// The store could be used.
    pub(crate) fn store_worked(&mut self, step: StoreStep) {
        self.store_failure.take_if(|(failed, _)| *failed == step);
    }

    /// Several processes held the lease one after the other, and none stored a token. Whether the fetch ends with that:
    /// a process without a token, whose last fetch did not fail, sends a request without the lease instead.
    pub(crate) fn abandon(&mut self, failure: Failure, now: Timestamp, jitter: Jitter) -> bool {
        self.advance(now);
        let may_end = self.backoff.is_some() || self.published().is_some();
        if may_end {
            self.end_fetch(failure, now, jitter);
        }
        may_end
    }

    /// A request is about to be sent. Whether it may be: if the pause before it took too long, or none may follow a
    /// read of the store, the fetch has ended instead.
    pub(crate) fn begin_request(&mut self, now: Timestamp, jitter: Jitter) -> bool {
        self.advance(now);
        if self.end_read_only_fetch(now, jitter) {
            return false;
        }
        let request_timeout = self.settings.request_timeout;
        let Some(fetch) = &mut self.fetch else { return false };
        let too_late = now.boottime > fetch.began_at + request_timeout;
        if too_late && let Some(error) = fetch.last_failure.take() {
            self.end_fetch(error.into(), now, jitter);
            return false;
        }
        if fetch.requests == 0 {
            fetch.began_at = now.boottime;
        }
        fetch.requests += 1;
        // The lease may have come late: callers wait again, for the request now.
        fetch.overdue_at = now.boottime + request_timeout + policy::OVERDUE_GRACE;
        fetch.is_overdue = false;
        fetch.confirm_until = None;
        self.counts.requests += 1;
        true
    }

    /// The request in flight has ended. The store gets the token before any caller does, and has its own time for that.
    pub(crate) fn response_received(&mut self, now: Timestamp) {
        self.advance(now);
        if let Some(fetch) = &mut self.fetch {
            let stored_by = now.boottime + policy::STORE_WRITE_MAX + policy::OVERDUE_GRACE;
            fetch.overdue_at = fetch.overdue_at.max(stored_by);
        }
    }

    pub(crate) fn request_succeeded(&mut self, token: Token, now: Timestamp, jitter: Jitter) {
        self.advance(now);
        if self.closed {
            return;
        }
        if token.is_stale(now) {
            let message = format!(
                "the token arrived too late: it is valid for {:?}, and the response took longer; try again later",
                token.ttl
            );
            self.count_failure(now);
            return self.end_fetch(Error::new(Status::Unavailable, message).into(), now, jitter);
        }
        self.counts.successes += 1;
        self.counts.consecutive_failures = 0;
        self.counts.last_success_at = unix_seconds(now.realtime);
        self.replace_current(token, now.boottime, jitter);
    }

    /// The request in flight has failed. The fetch goes on: with a retry, or it ends with [`Self::fetch_failed`].
    pub(crate) fn request_failed(&mut self, failure: Failure, now: Timestamp, jitter: Jitter) -> AfterFailure {
        self.advance(now);
        self.count_failure(now);
        let Some(pause) = self.pause_before_retry(&failure, now, jitter) else {
            return AfterFailure::End(self.failed_fetch(failure, now, jitter));
        };
        let lease_wait_max = self.settings.lease_wait_max;
        if let Some(fetch) = &mut self.fetch {
            fetch.last_failure = Some(failure.error);
            fetch.overdue_at = fetch.overdue_at + lease_wait_max;
        }
        AfterFailure::RetryAt(now.boottime + pause)
    }

    /// Ends the fetch without a token.
    pub(crate) fn fetch_failed(&mut self, failed: FailedFetch, now: Timestamp, jitter: Jitter) {
        if self.fetch.take().is_some() {
            self.back_off(Backoff::new(failed, now.boottime), now, jitter);
        }
    }

    /// Callers no longer wait for it. It remains the one fetch in flight until it ends.
    pub(super) fn fetch_is_overdue(&mut self, now: Timestamp) {
        let Some(fetch) = &mut self.fetch else { return };
        fetch.is_overdue = true;
        let message = if fetch.requests == 0 && !self.settings.lease_wait_max.is_zero() {
            "no token request was sent in time: the store, or another process that uses it, took too long".to_owned()
        } else {
            let timeout = self.settings.request_timeout;
            format!("the token request did not end within {timeout:?}; the name lookup may hang")
        };
        // A read of the store that hangs is not a failure of the endpoint: a backoff stays as it is.
        if !fetch.reads_only || self.backoff.is_none() {
            let failure = Error::new(Status::Unavailable, message).into();
            let failed = FailedFetch::after(self.failures_before(), failure, Jitter::MAX);
            self.back_off(Backoff::new(failed, now.boottime), now, Jitter::MAX);
        } else if let Some(current) = &mut self.current {
            current.withdrawn = false;
        }
    }

    /// Ends the fetch without a token, and without a request that failed.
    pub(super) fn end_fetch(&mut self, failure: Failure, now: Timestamp, jitter: Jitter) {
        if self.end_read_only_fetch(now, jitter) {
            self.store_failure = Some((StoreStep::Read, failure.error));
        } else {
            let failed = self.failed_fetch(failure, now, jitter);
            self.fetch_failed(failed, now, jitter);
        }
    }

    /// The failure of an overdue fetch was counted when it became overdue.
    fn failed_fetch(&self, failure: Failure, now: Timestamp, jitter: Jitter) -> FailedFetch {
        match &self.backoff {
            Some(Backoff { failures, next_attempt_at, .. }) if self.is_overdue() => {
                let asked = failure.retry_after.unwrap_or_default().min(policy::RETRY_AFTER_MAX);
                let pause = next_attempt_at.saturating_since(now.boottime).max(asked);
                FailedFetch { error: failure.error, failures: *failures, pause }
            }
            _ => FailedFetch::after(self.failures_before(), failure, jitter),
        }
    }

    /// Fetches that failed one after the other, here or in another process.
    fn failures_before(&self) -> u32 {
        self.backoff.as_ref().map_or(0, |backoff| backoff.failures).max(self.stored_failures)
    }

    /// Ends the fetch with a token.
    fn replace_current(&mut self, token: Token, now: Instant, jitter: Jitter) {
        self.fetch = None;
        self.backoff = None;
        self.stored_failures = 0;
        let before = self.current.take();
        if before.as_ref().is_some_and(|current| !current.rejected) {
            self.rejections.end_row();
        }
        // The endpoint may issue the current token again: it is not new, and neither is its generation.
        if before.as_ref().is_none_or(|current| current.token.value != token.value) {
            self.generation += 1;
        }
        let (sent_at, is_rejected) = (token.sent_at.boottime, self.rejections.contains(&token.value));
        let mut current = CurrentToken::new(token, self.generation, now, &self.settings, jitter);
        if is_rejected {
            self.next_store_read_at = sent_at + policy::store_poll_pause(jitter);
            let was_withdrawn = before.is_some_and(|before| before.withdrawn);
            current.reject_again(self.rejections.record_reissue(), was_withdrawn, now);
        }
        self.current = Some(current);
    }

    fn is_improved_by(&self, stored: &Token, now: Timestamp) -> bool {
        !stored.is_stale(now) && self.current.as_ref().is_none_or(|current| current.is_worse_than(stored))
    }

    /// Whether the fetch in flight was only to read the store. Then it has ended.
    fn end_read_only_fetch(&mut self, now: Timestamp, jitter: Jitter) -> bool {
        let ended = self.fetch.take_if(|fetch| fetch.reads_only).is_some();
        if ended {
            self.next_store_read_at = now.boottime + policy::store_poll_pause(jitter);
        }
        ended
    }

    pub(super) fn count_failure(&mut self, now: Timestamp) {
        self.counts.failures += 1;
        self.counts.consecutive_failures += 1;
        self.counts.last_failure_at = unix_seconds(now.realtime);
    }

    fn pause_before_retry(&self, failure: &Failure, now: Timestamp, jitter: Jitter) -> Option<Duration> {
        let fetch = self.fetch.as_ref().filter(|fetch| !fetch.is_overdue)?;
        if self.failures_before() > 0 || fetch.requests >= policy::REQUESTS_PER_FETCH {
            return None;
        }
        if failure.error.status() != Status::Unavailable || failure.retry_after.is_some() {
            return None;
        }
        let pause = policy::retry_pause(fetch.requests, jitter);
        let window = policy::retry_window(self.settings.request_timeout, self.shares_store());
        (now.boottime + pause <= fetch.began_at + window).then_some(pause)
    }
}
