//! An endpoint that responds as a model says, and notices two requests at once.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loom::sync::Condvar;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::SeqCst;

use crate::error::{Error, Status};
use crate::life::Failure;
use crate::secret::Secret;

pub(crate) enum StubResponse {
    Token(&'static str),
    Failure(Status),
    Panic,
    /// A token, but not before [`TokenEndpoint::release`].
    Later(&'static str),
}

pub(crate) struct TokenResponse {
    pub(crate) value: Secret,
    pub(crate) ttl: Duration,
}

#[derive(Clone)]
pub(crate) struct TokenEndpoint(Arc<Inner>);

struct Inner {
    responses: Mutex<VecDeque<StubResponse>>,
    /// An atomic of loom, so that other threads may run in between, as during a real request.
    asked: AtomicBool,
    wrong: std::sync::atomic::AtomicBool,
    is_released: loom::sync::Mutex<bool>,
    released: Condvar,
}

impl TokenEndpoint {
    pub(crate) fn new(responses: impl IntoIterator<Item = StubResponse>) -> Self {
        let responses = Mutex::new(responses.into_iter().collect());
        let (asked, is_released) = (AtomicBool::new(false), loom::sync::Mutex::new(false));
        let wrong = std::sync::atomic::AtomicBool::new(false);
        Self(Arc::new(Inner { responses, asked, wrong, is_released, released: Condvar::new() }))
    }

    pub(crate) fn request_token(&self) -> Result<TokenResponse, Failure> {
        // A failed assertion here would be a panic of the request, which the cache catches.
        let at_once = self.0.asked.swap(true, SeqCst);
        let response = self.0.responses.lock().unwrap().pop_front();
        self.0.wrong.fetch_or(at_once || response.is_none(), SeqCst);
        let response = response.unwrap_or(StubResponse::Panic);
        if let StubResponse::Later(_) = response {
            let mut is_released = self.0.is_released.lock().unwrap();
            while !*is_released {
                is_released = self.0.released.wait(is_released).unwrap();
            }
        }
        self.0.asked.store(false, SeqCst);
        match response {
            StubResponse::Token(value) | StubResponse::Later(value) => {
                Ok(TokenResponse { value: Secret::new(value.to_owned()), ttl: Duration::from_secs(600) })
            }
            StubResponse::Failure(status) => Err(Failure { error: Error::new(status, "it failed"), retry_after: None }),
            StubResponse::Panic => resume_unwind(Box::new("without a message")),
        }
    }

    /// Whether every request was the only one in flight, and one that the model expects.
    pub(crate) fn was_asked_correctly(&self) -> bool {
        !self.0.wrong.load(SeqCst)
    }

    pub(crate) fn release(&self) {
        *self.0.is_released.lock().unwrap() = true;
        self.0.released.notify_all();
    }
}
