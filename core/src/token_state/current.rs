//! The current token: when it is refreshed, whether it is rejected, and which token may replace it.

use crate::jitter::Jitter;
use crate::policy;
use crate::time::Instant;
use crate::token::Token;

use super::Settings;

pub(super) struct CurrentToken {
    pub(super) token: Token,
    pub(super) generation: u64,
    pub(super) refresh_at: Instant,
    /// An API answered 401 to it.
    pub(super) rejected: bool,
    /// It is rejected, and callers wait for the replacement that is being fetched.
    pub(super) withdrawn: bool,
}

impl CurrentToken {
    pub(super) fn new(token: Token, generation: u64, settings: &Settings, jitter: Jitter) -> Self {
        let ahead = policy::refresh_ahead(token.ttl, settings.refresh_ahead, jitter);
        let refresh_at = token.stale_at().boottime - ahead;
        Self { token, generation, refresh_at, rejected: false, withdrawn: false }
    }

    /// `early_before`: early rejections right before this one. Callers wait for a replacement only if it may be fetched
    /// now, and only after the first: an API that rejects every token must not make all callers wait each time.
    pub(super) fn reject(&mut self, early_before: u32, may_fetch: bool, now: Instant) {
        self.rejected = true;
        self.withdrawn = early_before == 0 && may_fetch;
        match early_before {
            0 => self.refresh_at = now,
            early => self.space_refresh(early),
        }
    }

    /// Never later than it would be without the rejections: a short-lived token may expire before the spacing is over,
    /// and then its callers would have to wait.
    pub(super) fn space_refresh(&mut self, early_in_a_row: u32) {
        let spaced_at = self.token.sent_at.boottime + policy::rejection_spacing(early_in_a_row);
        self.refresh_at = self.refresh_at.min(spaced_at);
    }

    /// Whether a token of another process is worth adopting instead.
    pub(super) fn is_worse_than(&self, other: &Token) -> bool {
        let margin = policy::adoption_margin(other.ttl);
        self.rejected || other.expires_at().boottime > self.token.expires_at().boottime + margin
    }
}
