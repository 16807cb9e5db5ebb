//! A token endpoint that answers as a model says, and that checks that it gets one request at a time.

use std::collections::VecDeque;
use std::panic::resume_unwind;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bankhub_core::{Error, Failure, Secret, Status, TokenResponse};
use loom::sync::Condvar;
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::SeqCst;

use crate::store::Heartbeat;

pub(crate) enum StubResponse {
    Token(&'static str),
    /// Nothing was answered.
    Failure(Status),
    /// The endpoint answered so.
    Refusal(Status),
    Panic,
    /// A token, but not before [`TokenEndpoint::release`].
    Held(&'static str),
}

#[derive(Clone)]
pub(crate) struct TokenEndpoint(Arc<Inner>);

struct Inner {
    responses: Mutex<VecDeque<StubResponse>>,
    /// Also lets other threads run during a request, as they may during a real one.
    in_flight: AtomicBool,
    violated: std::sync::atomic::AtomicBool,
    released: loom::sync::Mutex<bool>,
    release: Condvar,
}

impl TokenEndpoint {
    pub(crate) fn new(responses: impl IntoIterator<Item = StubResponse>) -> Self {
        let responses = Mutex::new(responses.into_iter().collect());
        let (in_flight, released) = (AtomicBool::new(false), loom::sync::Mutex::new(false));
        let violated = std::sync::atomic::AtomicBool::new(false);
        Self(Arc::new(Inner { responses, in_flight, violated, released, release: Condvar::new() }))
    }

    pub(crate) fn send(&self, _: Heartbeat) -> Result<TokenResponse, Failure> {
        // An assertion here would be a panic like that of a request, which the cache catches.
        let second = self.0.in_flight.swap(true, SeqCst);
        let response = self.0.responses.lock().unwrap().pop_front();
        self.0.violated.fetch_or(second || response.is_none(), SeqCst);
        let response = response.unwrap_or(StubResponse::Panic);
        if let StubResponse::Held(_) = response {
            let mut released = self.0.released.lock().unwrap();
            while !*released {
                released = self.0.release.wait(released).unwrap();
            }
        }
        self.0.in_flight.store(false, SeqCst);
        match response {
            StubResponse::Token(value) | StubResponse::Held(value) => {
                Ok(TokenResponse { value: Secret::new(value.to_owned()), ttl: Duration::from_secs(600) })
            }
            StubResponse::Failure(status) => Err(Error::new(status, "it failed").into()),
            StubResponse::Refusal(status) => Err(Error::new(status, "no").with_http_status(401).into()),
            StubResponse::Panic => resume_unwind(Box::new("without a message")),
        }
    }

    /// Whether each request was the only one in flight, and expected.
    pub(crate) fn got_one_request_at_a_time(&self) -> bool {
        !self.0.violated.load(SeqCst)
    }

    pub(crate) fn release(&self) {
        *self.0.released.lock().unwrap() = true;
        self.0.release.notify_all();
    }
}
