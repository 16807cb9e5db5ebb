//! The checks of fetches and their requests: when they may begin, how they end, and what that means for the token.

use std::time::Duration;

use bankhub_core::{Instant, Status, Timestamp};

use super::{Checker, CurrentBackoff, CurrentFetch, NewestToken, Standing};
use crate::clock::SECOND;
use crate::coverage::Column;
use crate::reference_policy::{self, Window};

impl Checker {
    pub(super) fn polled(&self, starts_fetch: bool, now: Instant) {
        let window = self.next_fetch_at();
        if self.fetch.is_some() || now < window.least {
            assert!(!starts_fetch, "a fetch before {window:?}");
        } else if now >= window.most {
            assert!(starts_fetch, "no fetch after {window:?}");
        }
    }

    pub(super) fn fetch_began(&mut self, now: Instant) {
        assert!(self.fetch.is_none(), "two fetches in flight");
        self.replaced_at = None;
        self.fetch = Some(CurrentFetch {
            began_at: now,
            requests: 0,
            request_sent_at: now,
            request_failed_at: now,
            last_failure: None,
            is_overdue: false,
        });
    }

    pub(super) fn request_began(&mut self, now: Timestamp) {
        assert!(!self.request_in_flight, "two requests in flight");
        self.advance(now);
        let now = now.boottime;
        let fetch = self.fetch.as_mut().expect("a request belongs to a fetch");
        if fetch.requests == 0 {
            fetch.began_at = now;
        } else {
            let latest = fetch.began_at + self.settings.request_timeout;
            assert!(now <= latest, "a request at {now:?}, after {latest:?}");
            let earliest = fetch.request_failed_at + reference_policy::retry_pause(fetch.requests).least;
            assert!(now >= earliest, "a request at {now:?}, before {earliest:?}");
        }
        fetch.requests += 1;
        assert!(fetch.requests <= reference_policy::REQUESTS_PER_FETCH, "request {} of a fetch", fetch.requests);
        // Where it should have been sent long before, callers wait from now on.
        (fetch.request_sent_at, fetch.is_overdue) = (now, false);
        self.request_in_flight = true;
        self.counts.requests += 1;
        self.requests.push_back(now);
        for times in [&mut self.requests, &mut self.issues] {
            while times.front().is_some_and(|time| *time + 60 * SECOND <= now) {
                times.pop_front();
            }
        }
        let most = reference_policy::REQUESTS_PER_MINUTE * (1 + self.issues.len());
        assert!(self.requests.len() <= most, "{} requests in a minute", self.requests.len());
    }

    pub(super) fn retry_too_late(&mut self, now: Timestamp) {
        self.advance(now);
        let now = now.boottime;
        let fetch = self.fetch.as_ref().expect("a request belongs to a fetch");
        let latest = fetch.began_at + self.settings.request_timeout;
        assert!(fetch.requests > 0 && now > latest, "no request is sent at {now:?}");
        let status = fetch.last_failure.expect("a retry follows a request that failed");
        self.end_fetch(status, None, now);
    }

    pub(super) fn token_issued(
        &mut self,
        number: u64,
        ttl: Duration,
        sent_at: Timestamp,
        withdrawn: bool,
        now: Timestamp,
    ) {
        assert!(std::mem::take(&mut self.request_in_flight), "a response belongs to a request");
        if reference_policy::is_stale(sent_at, ttl, now) {
            self.coverage.reach(self.row(), Column::StaleTokenIssued);
            self.count_failure(now);
            self.end_fetch(Status::Unavailable, None, now.boottime);
            return;
        }
        let row = self.row();
        self.counts.successes += 1;
        self.counts.consecutive_failures = 0;
        self.counts.last_success_at = now.realtime.as_secs() as i64;
        self.issues.push_back(now.boottime);
        self.fetch = None;
        self.backoff = None;
        let refresh_at = self.refresh_window(sent_at, ttl);
        let generation = self.generation;
        let (arrived_at, standing) = (now.boottime, Standing::Good);
        let mut token = NewestToken { number, generation, sent_at, arrived_at, ttl, refresh_at, standing };
        if self.token.is_some_and(|before| before.standing == Standing::Good) {
            self.rejection_spacing = Duration::ZERO;
        }
        if self.token.is_some_and(|before| before.number == number) {
            self.coverage.reach(row, Column::SameTokenIssued);
        } else {
            self.generation += 1;
            token.generation = self.generation;
        }
        if self.rejected.contains(&number) {
            let was_withdrawn = self.token.is_some_and(|before| before.standing == Standing::Withdrawn);
            self.reissued(was_withdrawn, &mut token, withdrawn, now.boottime);
        }
        self.token = Some(token);
    }

    pub(super) fn request_failed(
        &mut self,
        status: Status,
        retry_after: Option<Duration>,
        retry_pause: Option<Duration>,
        now: Timestamp,
    ) {
        assert!(std::mem::take(&mut self.request_in_flight), "a response belongs to a request");
        self.count_failure(now);
        let now = now.boottime;
        let fetch = self.fetch.as_mut().expect("a request belongs to a fetch");
        fetch.request_failed_at = now;
        fetch.last_failure = Some(status);
        let is_retryable = status == Status::Unavailable && retry_after.is_none();
        let requests = if self.backoff.is_none() { reference_policy::REQUESTS_PER_FETCH } else { 1 };
        let may_retry = is_retryable && !fetch.is_overdue && fetch.requests < requests;
        let window = reference_policy::retry_pause(fetch.requests.min(reference_policy::REQUESTS_PER_FETCH));
        let latest = fetch.began_at + self.settings.request_timeout;
        match retry_pause {
            Some(pause) => {
                assert!(may_retry, "{status:?} is retried after request {}", fetch.requests);
                assert!(window.contains(pause), "a pause of {pause:?}, not {window:?}");
                assert!(now + pause <= latest, "a request begins at {:?}, after {latest:?}", now + pause);
            }
            None => {
                assert!(!may_retry || now + window.most > latest, "{status:?} is not retried");
                self.end_fetch(status, retry_after, now);
            }
        }
    }

    pub(super) fn invalidated(&mut self, number: u64, is_current: bool, withdrawn: bool, now: Instant) {
        let is_overdue = self.fetch.as_ref().is_some_and(|fetch| fetch.is_overdue);
        let may_fetch_at = self.next_attempt_at();
        let Some(mut token) = self.token.filter(|token| token.number == number) else {
            assert!(!is_current, "a token that was replaced is not the current one");
            self.counts.ignored_rejections += 1;
            return;
        };
        assert!(is_current, "the current token was rejected");
        self.counts.rejections += 1;
        if token.standing != Standing::Good {
            return;
        }
        self.rejected.push_front(number);
        self.rejected.truncate(reference_policy::REJECTED_REMEMBERED);
        let lived = now.saturating_since(token.arrived_at);
        if lived >= reference_policy::REJECTION_ROW_END {
            self.rejection_spacing = Duration::ZERO;
        }
        token.refresh_at = self.spaced(&token, token.arrived_at);
        let soon = now + reference_policy::REJECTION_WAIT_MAX;
        if is_overdue || now < may_fetch_at.least || soon < token.refresh_at.least {
            assert!(!withdrawn, "the newest token is served though rejected, while no fetch may replace it soon");
        } else if now >= may_fetch_at.most && soon >= token.refresh_at.most {
            assert!(withdrawn, "a rejection withdraws a token that may be replaced soon");
        }
        token.standing = if withdrawn { Standing::Withdrawn } else { Standing::Rejected };
        self.token = Some(token);
        if self.rejection_spacing.is_zero() || reference_policy::is_early_rejection(lived, token.ttl) {
            self.rejection_spacing = reference_policy::next_rejection_spacing(self.rejection_spacing, lived);
        }
    }

    /// A rejected token was issued again.
    fn reissued(&mut self, was_withdrawn: bool, token: &mut NewestToken, withdrawn: bool, now: Instant) {
        token.refresh_at = self.spaced(token, token.sent_at.boottime);
        let may_wait = was_withdrawn
            && self.rejection_spacing <= reference_policy::REISSUE_WAIT_MAX
            && now < token.refresh_at.most;
        let must_wait = may_wait && now < token.refresh_at.least;
        assert!(!withdrawn || may_wait, "callers wait on for a token that was issued again");
        assert!(withdrawn || !must_wait, "callers get a rejected token again that may be replaced soon");
        token.standing = if withdrawn { Standing::Withdrawn } else { Standing::Rejected };
        self.rejection_spacing = reference_policy::next_rejection_spacing(self.rejection_spacing, Duration::ZERO);
    }

    /// When a rejected token is refreshed; its spacing begins at `start`.
    fn spaced(&self, token: &NewestToken, start: Instant) -> Window<Instant> {
        token.refresh_at.earlier_of(Window::exactly(start + self.rejection_spacing))
    }

    fn count_failure(&mut self, now: Timestamp) {
        self.counts.failures += 1;
        self.counts.consecutive_failures += 1;
        self.counts.last_failure_at = now.realtime.as_secs() as i64;
    }

    /// The failure of a fetch that was overdue was counted when it became overdue.
    pub(super) fn end_fetch(&mut self, status: Status, retry_after: Option<Duration>, now: Instant) {
        let fetch = self.fetch.take().expect("only a fetch in flight ends");
        if !fetch.is_overdue {
            self.back_off(status, retry_after, now);
        } else if let Some(backoff) = &mut self.backoff {
            backoff.status = status;
            let asked = retry_after.unwrap_or_default().min(reference_policy::RETRY_AFTER_MAX);
            backoff.next_attempt_at = backoff.next_attempt_at.later_of(Window::exactly(now + asked));
        }
    }

    pub(super) fn back_off(&mut self, status: Status, retry_after: Option<Duration>, now: Instant) {
        let failures = self.backoff.as_ref().map_or(0, |backoff| backoff.failures) + 1;
        let next_attempt_at = reference_policy::backoff(status, failures, retry_after).after(now);
        self.backoff = Some(CurrentBackoff { status, failures, next_attempt_at });
        if let Some(token) = self.token.as_mut().filter(|token| token.standing == Standing::Withdrawn) {
            token.standing = Standing::Rejected;
        }
    }
}
