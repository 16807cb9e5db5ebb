//! What is published: nothing any more once the place may belong to another cache.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::life::{Grant, Moment, Offer};
use crate::runtime::clock::Coarse;

#[derive(Default)]
pub(crate) struct PublishedToken {
    text: Mutex<Option<String>>,
    given_up: AtomicBool,
}

impl PublishedToken {
    pub(crate) fn publish(&self, offer: Option<&Offer<'_>>, _: u64, _: Coarse, _: Moment) {
        assert!(!self.given_up.load(SeqCst), "published in a place that may belong to another cache");
        *self.text.lock().unwrap() = offer.map(|offer| offer.value.expose().to_owned());
    }

    pub(crate) fn inherit(&self) -> (u64, Option<Grant>) {
        (0, None)
    }

    /// What a reader would see.
    pub(crate) fn text(&self) -> Option<String> {
        self.text.lock().unwrap().clone()
    }

    /// The cache is closed.
    pub(crate) fn give_up(&self) {
        assert_eq!(self.text(), None, "a token after its cache was closed");
        self.given_up.store(true, SeqCst);
    }
}

/// Here it never is.
pub(crate) struct MaybeOwned(pub(crate) &'static PublishedToken);

impl Deref for MaybeOwned {
    type Target = PublishedToken;

    fn deref(&self) -> &PublishedToken {
        self.0
    }
}

/// Where the token of a call is copied to.
#[derive(Default)]
pub(crate) struct TokenCopy<'m> {
    pub(crate) text: Vec<u8>,
    memory: PhantomData<&'m ()>,
}

impl TokenCopy<'_> {
    pub(crate) fn fill(&mut self, text: &[u8]) {
        text.clone_into(&mut self.text);
    }
}

#[allow(dead_code, reason = "what a model asks for is the text")]
pub(crate) struct ReadToken {
    pub(crate) generation: u64,
    pub(crate) expires_at: Duration,
    pub(crate) needs_check: bool,
}
