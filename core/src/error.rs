//! The kinds of failure, and what the caller can do about each.

use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

/// The kinds of failure. Each asks something else of the caller. The numbers are those of the C ABI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// An argument is wrong; the message names it. The same call fails again.
    InvalidArgument = 1,
    /// The client id or secret is refused or disabled: 401, or a 403 whose body is JSON.
    Unauthenticated,
    /// Too many requests: 429.
    RateLimited,
    /// Try again later: name lookup, connect, TLS, timeout, reset, 408, 421, 425, 5xx, or a 403 that is not
    /// JSON (a block page).
    Unavailable,
    /// A response that the API does not document.
    BadResponse,
    /// The caller's own timeout passed first; the message names the last failure.
    DeadlineExceeded,
    /// The cache was closed.
    Closed,
    /// A caught panic, or a thread that could not start.
    Internal,
}

/// A failed call: its kind, and one sentence for an operator that never contains a secret.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Error {
    status: Status,
    http_status: Option<u16>,
    retry_after: Option<Duration>,
    message: String,
}

impl Error {
    /// The kind of failure.
    pub fn status(&self) -> Status {
        self.status
    }

    /// The HTTP status of the response that caused the failure, if there was one.
    pub fn http_status(&self) -> Option<u16> {
        self.http_status
    }

    /// How long until the next token request may be sent. While a request has exceeded its timeout: how long until
    /// another call may find a token. `None`: no known wait; [`status`](Self::status) tells whether a retry can help.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// One sentence that says what failed, why, and what to do. It never contains a secret.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// For the crates of `bankhub`, as every constructor here.
    #[doc(hidden)]
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self { status, http_status: None, retry_after: None, message: message.into() }
    }

    /// Names the field first, so that a reader of a log knows which setting to change.
    #[doc(hidden)]
    #[cold]
    pub fn invalid(field: &str, problem: impl fmt::Display) -> Self {
        Self::new(Status::InvalidArgument, format!("{field} {problem}"))
    }

    #[doc(hidden)]
    pub fn closed() -> Self {
        Self::new(Status::Closed, "the token cache was closed, or the handle is not valid; make a new one")
    }

    #[doc(hidden)]
    pub fn with_http_status(self, http_status: u16) -> Self {
        Self { http_status: Some(http_status), ..self }
    }

    pub(crate) fn with_retry_after(self, retry_after: Duration) -> Self {
        Self { retry_after: (!retry_after.is_zero()).then_some(retry_after), ..self }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl core::error::Error for Error {}

/// A token request that failed.
#[derive(Clone, Debug, Hash)]
pub struct Failure {
    /// The error that a caller gets.
    pub error: Error,
    /// The Retry-After of the response, if it had one.
    pub retry_after: Option<Duration>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self { error, retry_after: None }
    }
}

#[cfg(test)]
mod tests;
