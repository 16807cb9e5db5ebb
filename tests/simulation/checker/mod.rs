//! The rules that must hold after each event. The checker keeps an account of its own, from the design and not from the
//! code: where jitter decides, the account has a window, and the cache must stay inside.

mod calls;
mod fetches;
mod publication;

use std::collections::VecDeque;
use std::time::Duration;

use bankhub_core::{Instant, Settings, Stats, Status, Timestamp};

use crate::cache::PublishedToken;
use crate::clock::SECOND;
use crate::coverage::{Column, Coverage, FetchRow, Row, TokenRow};
use crate::endpoint::LOOKUP_HANGS_MAX;
use crate::reference_policy::{self, Window};
use crate::trace_event::TraceEvent;

pub(crate) struct Checker {
    settings: Settings,
    token: Option<NewestToken>,
    generation: u64,
    /// How far apart requests are because tokens were rejected in a row; zero: no row has begun.
    rejection_spacing: Duration,
    /// The last tokens that were rejected, the newest first.
    rejected: VecDeque<u64>,
    /// When callers poll again who have waited to replace a token that is stale by now.
    replaced_at: Option<Instant>,
    fetch: Option<CurrentFetch>,
    backoff: Option<CurrentBackoff>,
    request_in_flight: bool,
    /// In the last minute: when requests were sent, and when tokens were issued.
    requests: VecDeque<Instant>,
    issues: VecDeque<Instant>,
    counts: Stats,
    /// The last publication; `None`: nothing in this process.
    last_published: Option<Option<PublishedToken>>,
    /// How often something was published.
    pub(crate) publications: u64,
    pub(crate) coverage: Coverage,
}

#[derive(Clone, Copy)]
struct NewestToken {
    number: u64,
    generation: u64,
    sent_at: Timestamp,
    /// In a child, when it was requested.
    arrived_at: Instant,
    ttl: Duration,
    refresh_at: Window<Instant>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    /// Rejected, and not served until it is replaced.
    Withdrawn,
    /// Rejected, and served because there is no better one.
    Rejected,
}

struct CurrentFetch {
    /// When its first request was sent.
    began_at: Instant,
    requests: u32,
    request_sent_at: Instant,
    request_failed_at: Instant,
    /// How the request before this one failed.
    last_failure: Option<Status>,
    is_overdue: bool,
}

struct CurrentBackoff {
    status: Status,
    failures: u32,
    next_attempt_at: Window<Instant>,
}

impl Checker {
    pub(crate) fn new(settings: Settings) -> Self {
        Self {
            settings,
            token: None,
            generation: 0,
            rejection_spacing: Duration::ZERO,
            rejected: VecDeque::new(),
            replaced_at: None,
            fetch: None,
            backoff: None,
            request_in_flight: false,
            requests: VecDeque::new(),
            issues: VecDeque::new(),
            counts: Stats::default(),
            last_published: Some(None),
            publications: 0,
            coverage: Coverage::default(),
        }
    }

    /// Panics if the event breaks a guarantee.
    pub(crate) fn observe(&mut self, event: &TraceEvent, now: Timestamp) {
        if learns_time(event) {
            self.advance(now);
        }
        self.coverage.reach(self.row(), Column::of(event));
        match *event {
            TraceEvent::RefreshedIfDue { has_token } => {
                assert_eq!(has_token, self.may_serve(), "whether there is a token")
            }
            TraceEvent::Polled { starts_fetch } => self.polled(starts_fetch, now.boottime),
            TraceEvent::FetchBegan => self.fetch_began(now.boottime),
            TraceEvent::FetchDidNotStart => self.end_fetch(Status::Internal, None, now.boottime),
            TraceEvent::RequestBegan => self.request_began(now),
            TraceEvent::RetryTooLate => self.retry_too_late(now),
            TraceEvent::TokenIssued { number, ttl, sent_at, withdrawn } => {
                self.token_issued(number, ttl, sent_at, withdrawn, now)
            }
            TraceEvent::RequestFailed { status, retry_after, retry_pause } => {
                self.request_failed(status, retry_after, retry_pause, now)
            }
            TraceEvent::Invalidated { number, is_current, withdrawn } => {
                self.invalidated(number, is_current, withdrawn, now.boottime)
            }
            TraceEvent::ReadStats(ref stats) => self.read_stats(stats, now),
            TraceEvent::ReadPublished { number, generation, needs_check, .. } => {
                self.served(number, generation, now);
                let may_wait = self.fetch.is_some() || now.boottime < self.next_fetch_at().most;
                assert!(needs_check || may_wait, "a fetch may begin, and a reader of the token does not check for it");
            }
            TraceEvent::Served { number, generation, .. } => self.served(number, generation, now),
            TraceEvent::CallFailed { status, retry_after, .. } => self.call_failed(status, retry_after, now.boottime),
            TraceEvent::Waits { .. } => self.caller_waits(),
            TraceEvent::DeadlineExceeded { last_failure, .. } => {
                self.caller_waits();
                assert_eq!(last_failure, self.last_failure(), "the last failure");
            }
            TraceEvent::Closed => self.closed(),
            TraceEvent::Forked => self.forked(),
            TraceEvent::Slept(_) | TraceEvent::WallSetForward(_) | TraceEvent::WallSetBack(_) => {}
            TraceEvent::Mode(_) | TraceEvent::Revoked => {}
            TraceEvent::Called { .. } | TraceEvent::CallOfClosed { .. } => {}
        }
    }

    fn may_serve(&self) -> bool {
        self.token.is_some_and(|token| token.standing != Standing::Withdrawn)
    }

    /// From when on the newest token may be refreshed.
    pub(crate) fn refresh_at(&self) -> Option<Instant> {
        self.token.map(|token| token.refresh_at.least)
    }

    /// When a caller who calls again as soon as it may has a token, if nothing fails from now on.
    pub(crate) fn recovered_by(&self, now: Instant) -> Instant {
        let margin = self.settings.request_timeout + 10 * SECOND;
        let hangs = LOOKUP_HANGS_MAX + reference_policy::RETRY_AFTER_MAX;
        let ends_at = now + if self.fetch.is_some() { hangs } else { Duration::ZERO };
        self.next_fetch_at().most.max(ends_at) + margin
    }

    fn row(&self) -> Row {
        let token = match self.token.map(|token| token.standing) {
            None => TokenRow::None,
            Some(Standing::Good) => TokenRow::Good,
            Some(Standing::Withdrawn) => TokenRow::Withdrawn,
            Some(Standing::Rejected) => TokenRow::Rejected,
        };
        let fetch = match (&self.fetch, &self.backoff) {
            (Some(CurrentFetch { is_overdue: true, .. }), _) => FetchRow::Overdue,
            (Some(_), _) => FetchRow::InFlight,
            (None, Some(_)) => FetchRow::Backoff,
            (None, None) => FetchRow::Idle,
        };
        Row { token, fetch }
    }

    fn next_fetch_at(&self) -> Window<Instant> {
        let refresh_at = self.token.map_or(Window::OPEN, |token| token.refresh_at);
        refresh_at.later_of(self.next_attempt_at())
    }

    fn next_attempt_at(&self) -> Window<Instant> {
        self.backoff.as_ref().map_or(Window::OPEN, |backoff| backoff.next_attempt_at)
    }

    /// The effects of time alone, whenever the state learns the time.
    fn advance(&mut self, now: Timestamp) {
        if let Some(token) = self.token.filter(|token| reference_policy::is_stale(token.sent_at, token.ttl, now)) {
            self.coverage.reach(self.row(), Column::Expired);
            if token.standing == Standing::Good {
                self.rejection_spacing = Duration::ZERO;
            }
            self.replaced_at = self.polls_again_at();
            self.token = None;
        }
        if self.overdue_at().is_some_and(|overdue_at| now.boottime >= overdue_at) {
            self.coverage.reach(self.row(), Column::Overdue);
            self.back_off(Status::Unavailable, None, now.boottime);
            self.fetch.as_mut().expect("it is overdue").is_overdue = true;
        }
    }

    /// When the fetch in flight becomes overdue, if it is not overdue yet.
    fn overdue_at(&self) -> Option<Instant> {
        let fetch = self.fetch.as_ref().filter(|fetch| !fetch.is_overdue)?;
        Some(reference_policy::overdue_at(fetch.request_sent_at, self.settings.request_timeout))
    }

    /// A new state: nothing is left of the old one but the count of generations.
    fn closed(&mut self) {
        let coverage = std::mem::take(&mut self.coverage);
        let Self { settings, generation, last_published, publications, .. } = *self;
        *self = Self { generation, last_published, publications, coverage, ..Self::new(settings) };
    }

    /// A child inherits its parent's token if that may be served, and nothing else.
    fn forked(&mut self) {
        let inherited = self.token.filter(|_| self.may_serve());
        self.closed();
        self.last_published = None;
        self.token = inherited.map(|token| NewestToken {
            standing: Standing::Good,
            arrived_at: token.sent_at.boottime,
            refresh_at: self.refresh_window(token.sent_at, token.ttl),
            generation: self.generation,
            ..token
        });
    }

    fn refresh_window(&self, sent_at: Timestamp, ttl: Duration) -> Window<Instant> {
        reference_policy::refresh_at(sent_at.boottime, ttl, self.settings.refresh_ahead)
    }
}

/// Whether the state learns the time. Readers of what was published do not involve the state, and requests learn it by
/// themselves, after they are counted.
fn learns_time(event: &TraceEvent) -> bool {
    match event {
        TraceEvent::Polled { .. } | TraceEvent::RefreshedIfDue { .. } | TraceEvent::Invalidated { .. } => true,
        TraceEvent::TokenIssued { .. } | TraceEvent::RequestFailed { .. } | TraceEvent::ReadStats(_) => true,
        TraceEvent::Served { .. } | TraceEvent::CallFailed { .. } | TraceEvent::Waits { .. } => true,
        TraceEvent::DeadlineExceeded { .. } => true,
        TraceEvent::Slept(_) | TraceEvent::WallSetForward(_) | TraceEvent::WallSetBack(_) => false,
        TraceEvent::Mode(_) | TraceEvent::Revoked | TraceEvent::Closed | TraceEvent::Forked => false,
        TraceEvent::FetchBegan | TraceEvent::FetchDidNotStart => false,
        TraceEvent::RequestBegan | TraceEvent::RetryTooLate => false,
        TraceEvent::Called { .. } | TraceEvent::ReadPublished { .. } | TraceEvent::CallOfClosed { .. } => false,
    }
}
