//! Everything that is said over HTTP: one token request, and what its response means.

#[cfg(fuzzing)]
pub mod fuzzing;
mod proxy;
mod response;
pub(crate) mod roots;
pub(crate) mod token_endpoint;
