//! Errors show their message, and secrets show nothing.

use alloc::borrow::ToOwned;

use super::*;
use crate::secret::Secret;

#[test]
fn shows_the_message_and_names_the_field() {
    let error = Error::invalid("client_id", "is empty").with_http_status(401);
    assert_eq!(alloc::format!("{error}"), "client_id is empty");
    assert_eq!((error.status(), error.http_status()), (Status::InvalidArgument, Some(401)));
    assert_eq!(error.message(), "client_id is empty");
}

#[test]
fn hides_secrets() {
    assert_eq!(alloc::format!("{:?}", Secret::new("5e79c1a0".to_owned())), "***");
    let (a, b) = (Secret::new("5e79c1a0".to_owned()), Secret::new("5e79c1a1".to_owned()));
    assert_ne!(a.digest(), b.digest());
    assert_eq!(a.digest(), a.clone().digest());
}
