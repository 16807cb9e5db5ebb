//! An endpoint that answers as a model says, and makes sure that it is asked for one thing at a time.

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
    /// A token, but not before [`TokenEndpoint::go_on`].
    Later(&'static str),
}

pub(crate) struct TokenResponse {
    pub(crate) value: Secret,
    pub(crate) ttl: Duration,
}

#[derive(Clone)]
pub(crate) struct TokenEndpoint(Arc<Inner>);

struct Inner {
    answers: Mutex<VecDeque<StubResponse>>,
    /// Also where other threads may come in between, as they may during a real exchange.
    asked: AtomicBool,
    wrong: std::sync::atomic::AtomicBool,
    may_go_on: loom::sync::Mutex<bool>,
    go_on: Condvar,
}

impl TokenEndpoint {
    pub(crate) fn new(answers: impl IntoIterator<Item = StubResponse>) -> Self {
        let answers = Mutex::new(answers.into_iter().collect());
        let (asked, may_go_on) = (AtomicBool::new(false), loom::sync::Mutex::new(false));
        let wrong = std::sync::atomic::AtomicBool::new(false);
        Self(Arc::new(Inner { answers, asked, wrong, may_go_on, go_on: Condvar::new() }))
    }

    pub(crate) fn request_token(&self) -> Result<TokenResponse, Failure> {
        // What asserts here would be a panic like that of an exchange, which the cache catches.
        let at_once = self.0.asked.swap(true, SeqCst);
        let answer = self.0.answers.lock().unwrap().pop_front();
        self.0.wrong.fetch_or(at_once || answer.is_none(), SeqCst);
        let answer = answer.unwrap_or(StubResponse::Panic);
        if let StubResponse::Later(_) = answer {
            let mut may_go_on = self.0.may_go_on.lock().unwrap();
            while !*may_go_on {
                may_go_on = self.0.go_on.wait(may_go_on).unwrap();
            }
        }
        self.0.asked.store(false, SeqCst);
        match answer {
            StubResponse::Token(value) | StubResponse::Later(value) => {
                Ok(TokenResponse { value: Secret::new(value.to_owned()), ttl: Duration::from_secs(600) })
            }
            StubResponse::Failure(status) => Err(Failure { error: Error::new(status, "it failed"), retry_after: None }),
            StubResponse::Panic => resume_unwind(Box::new("without a message")),
        }
    }

    /// Whether every request was the only one, and had an answer.
    pub(crate) fn is_content(&self) -> bool {
        !self.0.wrong.load(SeqCst)
    }

    pub(crate) fn go_on(&self) {
        *self.0.may_go_on.lock().unwrap() = true;
        self.0.go_on.notify_all();
    }
}
