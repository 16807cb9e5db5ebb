//! What stands in for `src/http`.

pub(crate) mod token_endpoint;
