//! The state of one token cache: its token, the fetch in flight, the backoff and the rejections. The time is the input;
//! what a caller gets, and whether a fetch begins, is the output.

mod current;
mod in_flight;

use core::hash::{Hash, Hasher};
use core::time::Duration;

pub(crate) use in_flight::{AfterFailure, StoreStep, Verdict};

use crate::backoff::Backoff;
use crate::error::Error;
use crate::jitter::Jitter;
use crate::policy;
use crate::rejection::Rejections;
use crate::stats::Stats;
use crate::time::{Instant, Timestamp, unix_seconds};
use crate::token::Token;
use current::CurrentToken;
use in_flight::FetchInFlight;

/// The settings of a token cache.
#[derive(Clone, Copy, Debug, Hash)]
pub struct Settings {
    /// How long before it becomes stale a token is refreshed; `None`: a tenth of its ttl.
    pub refresh_ahead: Option<Duration>,
    /// How long one token request may take.
    pub request_timeout: Duration,
    /// How long a fetch may wait for the lease of the store: [`policy::lease_wait_max`]. Zero: there is no store.
    pub lease_wait_max: Duration,
}

/// The answer to a caller who asks now.
#[derive(Debug)]
pub enum Poll<'s> {
    /// This token.
    Serve(Published<'s>),
    /// This token, but another process may just have replaced it, or be about to: wait until this point in time, or
    /// until the fetch in flight has found that out, then poll again. At once for a caller who cannot wait.
    Confirm {
        /// The token.
        token: Published<'s>,
        /// When callers no longer wait for the store.
        until: Instant,
    },
    /// A fetch has just begun: start its thread, then poll again.
    StartFetch,
    /// Nothing yet: poll again when the fetch in flight has changed something, or else at this point in time.
    Wait {
        /// When the fetch in flight is overdue; without one, when a rejected token may be replaced.
        until: Instant,
    },
    /// This error.
    Fail(Error),
}

/// The effect of a report that an API answered 401.
#[derive(Debug, PartialEq, Eq)]
#[must_use]
pub enum Invalidation {
    /// Nothing: this is not the current token.
    Ignored,
    /// The current token is rejected. No fetch begins with this call.
    Recorded,
    /// The current token is rejected, and a fetch has just begun: start its thread.
    StartFetch,
}

/// A token that callers may have without a poll, for as long as it is not stale.
#[derive(Clone, Copy, Debug)]
pub struct Published<'s> {
    /// The token.
    pub token: &'s Token,
    /// Never 0; grows with every new token.
    pub generation: u64,
    /// From when on a fetch may be wanted, so that somebody must poll; `None`: a fetch is in flight.
    pub next_check_at: Option<Instant>,
    /// From when on callers must poll, because it is to be confirmed: see [`Poll::Confirm`].
    pub confirm_at: Option<Instant>,
}

/// The identity of what is published. While it stays the same, nothing has to be published again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Publication {
    newest_generation: u64,
    current: Option<Identity>,
}

/// The identity of a token that callers may have without a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Identity {
    generation: u64,
    // The same token may be issued again, with the same generation.
    sent_at: Timestamp,
    ttl: Duration,
    next_check_at: Option<Instant>,
    confirm_at: Option<Instant>,
}

/// The facts that waiting callers wait for a change of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Awaited {
    closed: bool,
    generation: Option<u64>,
    is_confirmed: bool,
    overdue_at: Option<Instant>,
}

impl Awaited {
    /// Whether callers who wait since `before` must poll again now. A deadline that moved further away can wait: they
    /// poll at the earlier one.
    pub fn wakes_since(&self, before: &Self) -> bool {
        let must_poll_earlier = match (before.overdue_at, self.overdue_at) {
            (Some(before), Some(now)) => now < before,
            (Some(_), None) => true,
            (None, _) => false,
        };
        let served = |it: &Self| (it.closed, it.generation, it.is_confirmed);
        served(self) != served(before) || must_poll_earlier
    }
}

/// The state of one token cache: what its callers get, and whether a fetch begins.
#[derive(Clone, Debug)]
pub struct TokenState {
    settings: Settings,
    closed: bool,
    /// The newest that there ever was.
    generation: u64,
    current: Option<CurrentToken>,
    fetch: Option<FetchInFlight>,
    backoff: Option<Backoff>,
    /// The failed fetches in a row that the store knew of when it was last read.
    stored_failures: u32,
    rejections: Rejections,
    /// When the store may be read although no request may follow.
    next_store_read_at: Instant,
    /// Why the store could not be used, or other processes did not get a token, and the step that has not worked since.
    store_failure: Option<(StoreStep, Error)>,
    counts: Stats,
}

impl TokenState {
    /// A state without a token. Its generations continue after `generation`.
    pub fn new(settings: Settings, generation: u64) -> Self {
        Self {
            settings,
            closed: false,
            generation,
            current: None,
            fetch: None,
            backoff: None,
            stored_failures: 0,
            rejections: Rejections::default(),
            next_store_read_at: Instant::default(),
            store_failure: None,
            counts: Stats::default(),
        }
    }

    /// Adopts the current token of a parent process.
    pub fn inherit(&mut self, token: Token, jitter: Jitter) {
        let arrived_at = token.sent_at.boottime; // nothing better is known
        self.current = Some(CurrentToken::new(token, self.generation, arrived_at, &self.settings, jitter));
    }

    /// The answer to a caller who asks now.
    pub fn poll(&mut self, now: Timestamp) -> Poll<'_> {
        if self.closed {
            return Poll::Fail(Error::closed());
        }
        self.advance(now);
        if self.begin_fetch_if_wanted(now) {
            return Poll::StartFetch;
        }
        if let Some(token) = self.published() {
            return match self.confirm_until() {
                Some(until) => Poll::Confirm { token, until },
                None => Poll::Serve(token),
            };
        }
        match (&self.fetch, &self.backoff) {
            (Some(fetch), Some(backoff)) if fetch.reads_only && backoff.forbids_request(now.boottime) => {
                Poll::Fail(self.error_of(backoff, now))
            }
            (Some(fetch), _) if !fetch.is_overdue => Poll::Wait { until: fetch.overdue_at },
            (_, Some(backoff)) => Poll::Fail(self.error_of(backoff, now)),
            (_, None) => Poll::Wait { until: self.next_check_at() },
        }
    }

    /// Begins a fetch if there is a token and it is due. Whether one has begun: then start its thread.
    #[must_use]
    pub fn refresh_if_due(&mut self, now: Timestamp) -> bool {
        self.advance(now);
        self.published().is_some() && self.begin_fetch_if_wanted(now)
    }

    /// Somebody reports that an API answered 401 to this token.
    pub fn invalidate(&mut self, rejected: &str, now: Timestamp) -> Invalidation {
        self.advance(now);
        let now_boottime = now.boottime;
        let may_fetch = !self.is_overdue() && !self.backoff.as_ref().is_some_and(|it| it.forbids_request(now_boottime));
        let Some(current) = self.current.as_mut().filter(|current| current.token.value.expose() == rejected) else {
            self.counts.ignored_rejections += 1;
            return Invalidation::Ignored;
        };
        self.counts.rejections += 1;
        if !current.rejected {
            let spacing = self.rejections.record(&current.token, current.lived(now_boottime));
            current.reject(spacing, may_fetch, now_boottime);
            self.next_store_read_at = now_boottime;
        }
        if self.begin_fetch_if_wanted(now) { Invalidation::StartFetch } else { Invalidation::Recorded }
    }

    /// The thread of the fetch that has just begun could not be started.
    pub fn fetch_did_not_start(&mut self, error: Error, now: Timestamp, jitter: Jitter) {
        self.end_fetch(error.into(), now, jitter);
    }

    /// The thread of the fetch panicked.
    pub fn fetch_panicked(&mut self, error: Error, now: Timestamp, jitter: Jitter) {
        self.advance(now);
        self.count_failure(now);
        // Without a retry, whatever the error: the thread that would send it has ended.
        self.end_fetch(error.into(), now, jitter);
    }

    /// Ends the cache: every later poll fails, and the token is wiped. A fetch in flight ends without effect here. The
    /// other processes still learn from it what the endpoint answers, and how often that has failed.
    pub fn close(&mut self) {
        let stored_failures = self.stored_failures;
        *self = Self { closed: true, stored_failures, ..Self::new(self.settings, self.generation) };
    }

    /// Whether [`close`](Self::close) was called.
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// The token that callers may have without a poll.
    pub fn published(&self) -> Option<Published<'_>> {
        let current = self.current.as_ref().filter(|current| !current.withdrawn)?;
        let next_check_at = if self.fetch.is_some() { None } else { Some(self.next_check_at()) };
        let confirm_at = match &self.fetch {
            Some(fetch) => fetch.confirm_until.map(|_| Instant::default()),
            None => self.confirms(current).then(|| self.next_request_at()),
        };
        Some(Published { token: &current.token, generation: current.generation, next_check_at, confirm_at })
    }

    /// Whether callers wait for a moment before they get this token when it is due: where the endpoint ends the old
    /// token with each new one, the token of another process may have ended it.
    fn confirms(&self, current: &CurrentToken) -> bool {
        let cannot_read = matches!(self.store_failure, Some((StoreStep::Read, _)));
        self.shares_store() && !cannot_read && !current.rejected
    }

    fn confirm_until(&self) -> Option<Instant> {
        self.fetch.as_ref().and_then(|fetch| fetch.confirm_until)
    }

    /// What [`published`](Self::published) returns, by identity.
    pub fn publication(&self) -> Publication {
        let identity = |published: Published<'_>| {
            let Published { token: Token { sent_at, ttl, .. }, generation, next_check_at, confirm_at } = published;
            Identity { generation, sent_at: *sent_at, ttl: *ttl, next_check_at, confirm_at }
        };
        Publication { newest_generation: self.generation, current: self.published().map(identity) }
    }

    /// The facts that waiting callers wait for a change of.
    pub fn awaited(&self) -> Awaited {
        let generation = self.published().map(|published| published.generation);
        let is_confirmed = self.confirm_until().is_none();
        Awaited { closed: self.closed, generation, is_confirmed, overdue_at: self.overdue_at() }
    }

    /// The last request that failed since the last one that succeeded.
    pub fn last_failure(&self) -> Option<&Error> {
        let of_this_fetch = self.fetch.as_ref().and_then(|fetch| fetch.last_failure.as_ref());
        of_this_fetch.or(self.backoff.as_ref().map(|backoff| &backoff.error))
    }

    /// The newest generation that there ever was.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The statistics, without the waiting callers, of which it knows nothing.
    pub fn stats(&mut self, now: Timestamp) -> Stats {
        self.advance(now);
        let at = |instant: Instant| unix_seconds(now.realtime_at(instant));
        let mut stats = self.counts.clone();
        stats.fetching = self.fetch.is_some();
        if let Some(current) = self.current.as_ref().filter(|current| !current.withdrawn) {
            stats.generation = current.generation;
            stats.expires_at = unix_seconds(current.token.expires_at().realtime);
            stats.refresh_at = at(current.refresh_at);
        }
        stats.last_error = self.store_failure.as_ref().map(|(_, error)| error.clone());
        if let Some(backoff) = &self.backoff {
            stats.last_error = Some(self.error_of(backoff, now));
            if backoff.forbids_request(now.boottime) {
                stats.next_attempt_at = at(backoff.next_attempt_at);
            }
        }
        stats
    }

    pub(crate) fn shares_store(&self) -> bool {
        !self.settings.lease_wait_max.is_zero()
    }

    pub(crate) fn request_timeout(&self) -> Duration {
        self.settings.request_timeout
    }

    fn error_of(&self, backoff: &Backoff, now: Timestamp) -> Error {
        let mut left = backoff.next_attempt_at.saturating_since(now.boottime);
        if self.is_overdue() {
            left = left.max(policy::OVERDUE_RETRY_AFTER);
        }
        backoff.error.clone().with_retry_after(left)
    }

    /// Does what time alone does: a stale token is dropped, and callers no longer wait for an overdue fetch.
    fn advance(&mut self, now: Timestamp) {
        if let Some(current) = self.current.take_if(|current| current.token.is_stale(now))
            && !current.rejected
        {
            self.rejections.end_row();
        }
        // Callers who are told that a fetch is overdue are told so until it ends.
        if !self.is_overdue() {
            self.backoff.take_if(|backoff| backoff.recovered && !backoff.forbids_request(now.boottime));
        }
        if self.overdue_at().is_some_and(|overdue_at| now.boottime >= overdue_at) {
            self.fetch_is_overdue(now);
        }
        if let Some(fetch) = &mut self.fetch {
            fetch.confirm_until.take_if(|until| now.boottime >= *until);
        }
    }

    fn begin_fetch_if_wanted(&mut self, now: Timestamp) -> bool {
        let wanted = !self.closed && self.fetch.is_none() && now.boottime >= self.next_check_at();
        if wanted {
            let reads_only = now.boottime < self.next_request_at();
            let confirms = !reads_only && self.current.as_ref().is_some_and(|current| self.confirms(current));
            self.fetch = Some(FetchInFlight::new(now.boottime, reads_only, confirms, &self.settings));
        }
        wanted
    }

    /// When a fetch is wanted if somebody asks, even if it can only read the store: another process may have the token
    /// that this one needs and may not request. No poll begins a fetch before.
    pub fn next_check_at(&self) -> Instant {
        if !self.shares_store() {
            return self.next_request_at();
        }
        let good = self.current.as_ref().filter(|current| !current.rejected);
        let refresh_at = good.map_or(Instant::default(), |current| current.refresh_at);
        self.next_request_at().min(self.next_store_read_at.max(refresh_at))
    }

    /// When a request may be sent if somebody asks.
    fn next_request_at(&self) -> Instant {
        let refresh_at = self.current.as_ref().map_or(Instant::default(), |current| current.refresh_at);
        let allowed_at = self.backoff.as_ref().map_or(Instant::default(), |backoff| backoff.next_attempt_at);
        refresh_at.max(allowed_at)
    }

    fn back_off(&mut self, backoff: Backoff, now: Timestamp, jitter: Jitter) {
        self.next_store_read_at = now.boottime + policy::store_poll_pause(jitter);
        self.backoff = Some(backoff);
        if let Some(current) = &mut self.current {
            current.withdrawn = false;
        }
    }
}

/// Without the statistics, which decide nothing: so a model checker sees that two states go on alike.
impl Hash for TokenState {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        let Self { settings, closed, generation, current, fetch, backoff, stored_failures, rejections, .. } = self;
        let Self { next_store_read_at, store_failure, counts: _, .. } = self;
        (settings, closed, generation, current, fetch, backoff, stored_failures, rejections).hash(hasher);
        (next_store_read_at, store_failure).hash(hasher);
    }
}

#[cfg(test)]
mod tests;
