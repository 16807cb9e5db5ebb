//! What is published: nothing any more once the slot may be another's.

use std::marker::PhantomData;
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use crate::life::{Grant, Moment, Offer};
use crate::runtime::clock::Coarse;

#[derive(Default)]
pub(crate) struct Slot {
    text: Mutex<Option<String>>,
    given_up: AtomicBool,
}

impl Slot {
    pub(crate) fn publish(&self, offer: Option<&Offer<'_>>, _: u64, _: Coarse, _: Moment) {
        assert!(!self.given_up.load(SeqCst), "published in what may be another's slot");
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

/// Where the token of a call goes.
#[derive(Default)]
pub(crate) struct Buffer<'m> {
    pub(crate) text: Vec<u8>,
    memory: PhantomData<&'m ()>,
}

impl Buffer<'_> {
    pub(crate) fn fill(&mut self, text: &[u8]) {
        text.clone_into(&mut self.text);
    }
}

#[allow(dead_code, reason = "what a model asks for is the text")]
pub(crate) struct Reading {
    pub(crate) generation: u64,
    pub(crate) expires_at: Duration,
    pub(crate) attention: bool,
}
