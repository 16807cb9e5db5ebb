//! HTTP, as far as a cache knows it.

pub(crate) mod token_endpoint;
