//! A published token: nothing is published once the place may belong to another cache.

use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use bankhub_core::{Published, Timestamp, Token};

use super::clock::Coarse;

#[derive(Default)]
pub(crate) struct PublishedToken {
    text: Mutex<Option<String>>,
    given_up: AtomicBool,
    publications: AtomicU32,
}

impl PublishedToken {
    pub(crate) fn publish(&self, published: Option<&Published<'_>>, _: u64, _: Coarse, _: Timestamp) {
        assert!(!self.given_up.load(SeqCst), "published in a place that may belong to another cache");
        *self.text.lock().unwrap() = published.map(|published| published.token.value.expose().to_owned());
        self.publications.fetch_add(1, SeqCst);
    }

    pub(crate) fn inherit(&self) -> (u64, Option<Token>) {
        (0, None)
    }

    /// The text that a reader would see.
    pub(crate) fn text(&self) -> Option<String> {
        self.text.lock().unwrap().clone()
    }

    /// The clocks stand still, but for a model that moves both.
    pub(crate) fn is_trusted_at(&self, _: Coarse) -> bool {
        true
    }

    /// How often something was published.
    pub(crate) fn publications(&self) -> u32 {
        self.publications.load(SeqCst)
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
    pub(crate) fn copy_from(&mut self, published: &Published<'_>) -> ReadToken {
        published.token.value.expose().as_bytes().clone_into(&mut self.text);
        let expires_at = published.token.expires_at().realtime;
        ReadToken { generation: published.generation, expires_at, needs_check: false }
    }
}

#[allow(dead_code, reason = "what a model asks for is the text")]
pub(crate) struct ReadToken {
    pub(crate) generation: u64,
    pub(crate) expires_at: Duration,
    pub(crate) needs_check: bool,
}
