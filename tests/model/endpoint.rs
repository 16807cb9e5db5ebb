//! The token endpoint, and the API that accepts its tokens.

use std::time::Duration;

use bankhub_core::{Error, Failure, Secret, Status, TokenResponse};

use crate::fleet::{REQUEST_TIMEOUT, SECOND, TTL};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    /// Whether each new token ends the one before it.
    pub(crate) ends_old: bool,
    pub(crate) newest: u8,
    pub(crate) oldest_accepted: u8,
}

/// How a token request ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Token,
    /// A token, after the others have asked for the lease more than once.
    SlowToken,
    /// 401.
    Refused,
    /// 503.
    Overloaded,
    /// Nobody listens.
    Unreachable,
    /// The endpoint has issued a token, and the response does not arrive.
    TimedOut,
    /// The name lookup hangs, for longer than the request may take.
    LookupHangs,
}

pub(crate) const FAILURES: [Outcome; 5] =
    [Outcome::Refused, Outcome::Overloaded, Outcome::Unreachable, Outcome::TimedOut, Outcome::LookupHangs];

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Response {
    Token(u8),
    Failure(Outcome),
}

impl Endpoint {
    /// The response, and after how long it arrives.
    pub(crate) fn respond(&mut self, outcome: Outcome) -> (Response, Duration) {
        let failure = Response::Failure(outcome);
        match outcome {
            Outcome::Token => (self.issue(), Duration::ZERO),
            Outcome::SlowToken => (self.issue(), SECOND / 20),
            Outcome::Refused | Outcome::Overloaded | Outcome::Unreachable => (failure, Duration::ZERO),
            Outcome::TimedOut => {
                self.issue();
                (failure, REQUEST_TIMEOUT)
            }
            Outcome::LookupHangs => (failure, 6 * SECOND),
        }
    }

    fn issue(&mut self) -> Response {
        self.newest += 1;
        if self.ends_old {
            self.oldest_accepted = self.newest;
        }
        Response::Token(self.newest)
    }

    pub(crate) fn accepts(&self, number: u8) -> bool {
        number >= self.oldest_accepted
    }

    pub(crate) fn revoke_all(&mut self) {
        self.oldest_accepted = self.newest + 1;
    }
}

impl Response {
    pub(crate) fn to_result(self) -> Result<TokenResponse, Failure> {
        match self {
            Self::Token(number) => Ok(TokenResponse { value: token_value(number), ttl: TTL }),
            Self::Failure(outcome) => Err(failure(outcome).into()),
        }
    }
}

fn failure(outcome: Outcome) -> Error {
    match outcome {
        Outcome::Refused => Error::new(Status::Unauthenticated, "refused").with_http_status(401),
        Outcome::Overloaded => Error::new(Status::Unavailable, "overloaded").with_http_status(503),
        _ => Error::new(Status::Unavailable, "no response"),
    }
}

pub(crate) fn token_value(number: u8) -> Secret {
    Secret::new(format!("t{number}"))
}

pub(crate) fn token_number(value: &Secret) -> u8 {
    value.expose()[1..].parse().expect("it is one of this endpoint")
}
