//! The checks of what callers get: tokens, failures, waits and statistics.

use std::time::Duration;

use bankhub_core::{Instant, Stats, Status, Timestamp};

use super::{Checker, Standing};
use crate::reference_policy::{self, Window};

impl Checker {
    pub(super) fn served(&self, number: u64, generation: u64, now: Timestamp) {
        let token = self.token.expect("a token is served only if there is one");
        assert!(!reference_policy::is_stale(token.sent_at, token.ttl, now), "a stale token is served");
        assert_ne!(token.standing, Standing::Withdrawn, "a withdrawn token is served");
        assert_eq!((number, generation), (token.number, token.generation), "not the newest token is served");
    }

    pub(super) fn call_failed(&self, status: Status, retry_after: Option<Duration>, now: Instant) {
        assert!(!self.may_serve(), "a call fails in spite of a token");
        let backoff = self.backoff.as_ref().expect("a call fails without a failed fetch");
        assert_eq!(status, backoff.status, "a call fails with another failure than the last");
        let mut next_attempt_at = backoff.next_attempt_at;
        if self.fetch.as_ref().is_some_and(|fetch| fetch.is_overdue) {
            next_attempt_at = next_attempt_at.later_of(Window::exactly(now + reference_policy::OVERDUE_RETRY_AFTER));
        }
        let retry_at = now + retry_after.expect("a call fails though a fetch may begin");
        assert!(next_attempt_at.contains(retry_at), "the next fetch is at {retry_at:?}, not {next_attempt_at:?}");
    }

    pub(super) fn caller_waits(&self) {
        assert!(!self.may_serve(), "a caller waits in spite of a token");
        assert!(self.polls_again_at().is_some(), "a caller waits for nothing");
    }

    /// When a waiting caller polls again, at the latest: when the request in flight is overdue, or a rejected token may
    /// be replaced.
    pub(super) fn polls_again_at(&self) -> Option<Instant> {
        let withdrawn = self.token.filter(|token| token.standing == Standing::Withdrawn && self.fetch.is_none());
        self.overdue_at().or(withdrawn.map(|token| token.refresh_at.most)).or(self.replaced_at)
    }

    pub(super) fn last_failure(&self) -> Option<Status> {
        let of_this_fetch = self.fetch.as_ref().and_then(|fetch| fetch.last_failure);
        of_this_fetch.or(self.backoff.as_ref().map(|backoff| backoff.status))
    }

    pub(super) fn read_stats(&self, stats: &Stats, now: Timestamp) {
        let counts = |of: &Stats| (of.requests, of.successes, of.failures, of.consecutive_failures);
        assert_eq!(counts(stats), counts(&self.counts), "requests, successes, failures, failures in a row");
        let ended = stats.successes + stats.failures + u64::from(self.request_in_flight);
        assert_eq!(stats.requests, ended, "each request ends once");
        assert_eq!(stats.rejections, self.counts.rejections);
        assert_eq!(stats.ignored_rejections, self.counts.ignored_rejections);
        assert_eq!(stats.last_success_at, self.counts.last_success_at);
        assert_eq!(stats.last_failure_at, self.counts.last_failure_at);
        assert_eq!(stats.fetching, self.fetch.is_some());
        let unix_seconds = |at: Instant| {
            let realtime = now.realtime + at.since_origin();
            realtime.saturating_sub(now.boottime.since_origin()).as_secs() as i64
        };
        let contains =
            |window: Window<Instant>, at: i64| (unix_seconds(window.least)..=unix_seconds(window.most)).contains(&at);
        let token = self.token.filter(|_| self.may_serve());
        assert_eq!(stats.generation, token.map_or(0, |token| token.generation));
        let expires_at = token.map_or(0, |token| (token.sent_at.realtime + token.ttl).as_secs() as i64);
        assert_eq!(stats.expires_at, expires_at);
        assert!(token.map_or(stats.refresh_at == 0, |token| contains(token.refresh_at, stats.refresh_at)));
        let status = stats.last_error.as_ref().map(|error| error.status());
        let expected = self.backoff.as_ref().map(|backoff| backoff.status);
        assert_eq!(status, expected, "the last error is that of the last failed fetch");
        let next_attempt_at = self.next_attempt_at();
        if stats.next_attempt_at == 0 {
            assert!(now.boottime >= next_attempt_at.least, "no request may be sent yet");
        } else {
            assert!(contains(next_attempt_at, stats.next_attempt_at) && now.boottime < next_attempt_at.most);
        }
    }
}
