//! Which tokens an API has rejected with 401, and how far apart the requests are after several rejections in a row.

use alloc::collections::VecDeque;
use core::time::Duration;

use crate::policy;
use crate::secret::Secret;
use crate::token::Token;

/// More than one process can reject while one of them is still in the store.
pub(crate) const REMEMBERED: usize = 16;

#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct Rejections {
    /// How long the current token is kept at least if it is rejected. Zero: no row of rejections has begun.
    spacing: Duration,
    /// Digests of the last rejected tokens, so that none is adopted from the store again.
    digests: VecDeque<u64>,
}

impl Rejections {
    /// Records the rejection of a token that was the current one for `lived`. Returns the spacing
    /// between its arrival and the request for the next one.
    pub(crate) fn record(&mut self, token: &Token, lived: Duration) -> Duration {
        self.digests.push_front(token.value.digest());
        self.digests.truncate(REMEMBERED);
        if policy::ends_rejection_row(lived) {
            self.end_row();
        }
        let spacing = self.spacing;
        if spacing.is_zero() || policy::is_early_rejection(lived, token.ttl) {
            self.spacing = policy::next_rejection_spacing(spacing, lived);
        }
        spacing
    }

    /// The endpoint has issued the rejected token again. Returns the spacing between its request and the next one.
    pub(crate) fn record_reissue(&mut self) -> Duration {
        let spacing = self.spacing;
        self.spacing = policy::next_rejection_spacing(spacing, Duration::ZERO);
        spacing
    }

    /// A token has lived on without a rejection.
    pub(crate) fn end_row(&mut self) {
        self.spacing = Duration::ZERO;
    }

    pub(crate) fn contains(&self, value: &Secret) -> bool {
        self.digests.contains(&value.digest())
    }
}
