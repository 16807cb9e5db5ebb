//! What can go wrong, and what the caller can do about it.

use std::fmt;
use std::time::Duration;

/// The kinds of failure. Each asks something else of the caller. The numbers are those of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// An argument is wrong; the message names it. The same call fails again.
    InvalidArgument = 1,
    /// The client id or secret is refused or disabled: 401, or a 403 whose body is JSON.
    Unauthenticated,
    /// Too many requests: 429.
    RateLimited,
    /// Try later: name lookup, connect, TLS, timeout, reset, 408, 5xx, or a 403 that is not JSON (a block page).
    Unavailable,
    /// An answer that the API does not promise.
    BadResponse,
    /// The caller's own timeout passed first; the message names the last failure.
    Deadline,
    /// The cache was closed.
    Closed,
    /// A caught panic, or a thread that could not start.
    Internal,
}

/// A failed call: its kind, and one sentence for an operator that never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    pub(crate) status: Status,
    pub(crate) http_status: Option<u16>,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) message: String,
}

impl Error {
    /// What kind of failure it is.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The HTTP status of the answer behind the failure, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }

    /// How long until the next token request may go out, or, while one has outlasted its timeout, until it makes sense
    /// to look again; `None`: now, or never.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// One sentence that says what happened; never holds a secret.
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, http_status: None, retry_after: None, message: message.into() }
    }

    /// Names the field first, so that a reader of a log knows which setting to change.
    #[cold]
    pub(crate) fn invalid(field: &str, problem: impl fmt::Display) -> Self {
        Self::new(Status::InvalidArgument, format!("{field} {problem}"))
    }

    pub(crate) fn closed() -> Self {
        Self::new(Status::Closed, "the token cache was closed, or the handle never was one")
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
