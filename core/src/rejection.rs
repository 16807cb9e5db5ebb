//! Which tokens an API has rejected with 401, and how many of them soon after they were issued.

use alloc::collections::VecDeque;

use crate::policy;
use crate::secret::Secret;
use crate::time::Instant;
use crate::token::Token;

/// More than one process can reject while one of them is still in the store.
pub(crate) const REMEMBERED: usize = 16;

#[derive(Default)]
pub(crate) struct Rejections {
    /// Tokens in a row, the newest last, that were rejected soon after they were issued.
    pub(crate) early_in_a_row: u32,
    /// Digests of the last rejected tokens, so that none is adopted from the store again.
    digests: VecDeque<u64>,
}

impl Rejections {
    /// Records a rejection. Returns how many early ones came right before it.
    pub(crate) fn record(&mut self, token: &Token, now: Instant) -> u32 {
        self.digests.push_front(token.value.digest());
        self.digests.truncate(REMEMBERED);
        let early = policy::is_early_rejection(token.age(now), token.ttl);
        if !early {
            self.early_in_a_row = 0;
        }
        let before = self.early_in_a_row;
        self.early_in_a_row += u32::from(early);
        before
    }

    pub(crate) fn contains(&self, value: &Secret) -> bool {
        self.digests.contains(&value.digest())
    }
}
