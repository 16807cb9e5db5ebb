//! The current token: when it is refreshed, whether it is rejected, and which token may replace it.

use core::time::Duration;

use crate::jitter::Jitter;
use crate::policy;
use crate::time::Instant;
use crate::token::Token;

use super::Settings;

#[derive(Clone, Debug, Hash)]
pub(super) struct CurrentToken {
    pub(super) token: Token,
    pub(super) generation: u64,
    /// When this process got it: for the last time, if it was issued again.
    arrived_at: Instant,
    pub(super) refresh_at: Instant,
    /// An API answered 401 to it.
    pub(super) rejected: bool,
    /// It is rejected, and callers wait for its replacement.
    pub(super) withdrawn: bool,
}

impl CurrentToken {
    pub(super) fn new(token: Token, generation: u64, arrived_at: Instant, settings: &Settings, jitter: Jitter) -> Self {
        // With a store, all processes find it due at the same moment: one of them refreshes it, and the others do not
        // use it on after it was replaced.
        let shares_store = !settings.lease_wait_max.is_zero();
        let jitter = if shares_store { Jitter(token.value.digest() as u32) } else { jitter };
        let ahead = policy::refresh_ahead(token.ttl, settings.refresh_ahead, jitter);
        let refresh_at = token.stale_at().boottime - ahead;
        Self { token, generation, arrived_at, refresh_at, rejected: false, withdrawn: false }
    }

    pub(super) fn lived(&self, now: Instant) -> Duration {
        now.saturating_since(self.arrived_at)
    }

    /// Callers wait for a replacement only if it may be requested soon: an API that rejects every token must not make
    /// all callers wait each time.
    pub(super) fn reject(&mut self, spacing: Duration, may_fetch: bool, now: Instant) {
        self.rejected = true;
        self.refresh_no_later_than(self.arrived_at + spacing);
        self.withdrawn = may_fetch && self.refresh_at <= now + policy::REJECTION_WAIT_MAX;
    }

    /// The endpoint has issued it again although it is rejected. Those who have waited for the request wait for another
    /// one only if that was quick: so the spacing begins with the request.
    pub(super) fn reject_again(&mut self, spacing: Duration, was_withdrawn: bool, now: Instant) {
        self.rejected = true;
        self.refresh_no_later_than(self.token.sent_at.boottime + spacing);
        self.withdrawn = was_withdrawn && spacing <= policy::REISSUE_WAIT_MAX && now < self.refresh_at;
    }

    /// A rejection never delays the refresh: a short-lived token may expire before the spacing is over, and then its
    /// callers would have to wait.
    fn refresh_no_later_than(&mut self, at: Instant) {
        self.refresh_at = self.refresh_at.min(at);
    }

    /// Whether a token of another process is worth adopting instead.
    pub(super) fn is_worse_than(&self, other: &Token) -> bool {
        let margin = policy::adoption_margin(other.ttl);
        self.rejected || other.expires_at().boottime > self.token.expires_at().boottime + margin
    }
}
