//! The view of readers without the lock, and which callers sleep on while the state changes.

use bankhub_core::Instant;

use super::{Checker, Standing};
use crate::cache::PublishedToken;

impl Checker {
    /// Publishing wakes no reader, but it takes a copy of the token and the cache lines of all readers: once is enough.
    pub(crate) fn published(&mut self, published: Option<PublishedToken>) {
        let before = self.last_published.replace(published);
        assert_ne!(before, Some(published), "the same is published twice");
        self.publications += 1;
    }

    /// The published token is the current one, if it may be served.
    pub(crate) fn lock_released(&self, published: Option<&PublishedToken>, generation: u64) {
        assert_eq!(generation, self.generation, "generations grow by one per new token and never otherwise");
        let token = self.token.filter(|token| token.standing != Standing::Withdrawn);
        assert_eq!(published.is_some(), token.is_some(), "what is published is the token that may be served");
        let (Some(published), Some(token)) = (published, token) else { return };
        assert_eq!(published.number, token.number, "what is published is the newest token");
        let as_published = (published.generation, published.sent_at, published.ttl);
        assert_eq!(as_published, (token.generation, token.sent_at, token.ttl), "published as it was issued");
        match (published.next_check_at, &self.fetch) {
            (None, Some(_)) => {}
            (Some(at), None) => {
                let window = self.next_fetch_at();
                assert!(window.contains(at), "a check at {at:?}, not {window:?}");
            }
            (at, _) => panic!("somebody must check, unless a fetch is in flight: {at:?}"),
        }
    }

    /// Callers who wait are not woken now: they poll again at this time, the latest of them.
    pub(crate) fn callers_sleep_on(&self, until: Instant) {
        self.caller_waits();
        let latest = self.polls_again_at().expect("a caller waits for something");
        assert!(until <= latest, "a caller sleeps until {until:?}, and must poll again at {latest:?}");
    }
}
