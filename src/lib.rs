//! Keeps one valid SePay Bank Hub access token for a program.
//!
//! A [`TokenCache`] fetches the token with the client id and secret and returns it in nanoseconds. It refreshes the
//! token in the background before it expires, and replaces it when an API has answered 401. Its calls block and need no
//! async runtime. One cache serves all threads of a program.
//!
//! ```no_run
//! use bankhub::{Config, TokenCache};
//!
//! let cache = TokenCache::new(Config::new("client-id", "client-secret"))?;
//! let token = cache.get()?;
//! let header = format!("Bearer {}", token.value());
//! # Ok::<(), bankhub::Error>(())
//! ```
//!
//! Other languages use the same cache through the C ABI of `include/bankhub.h`.

#![deny(clippy::disallowed_methods)]

mod config;
#[doc(hidden)]
pub mod ffi;
mod http;
mod net;
mod runtime;
mod store;
mod token_cache;

#[cfg(fuzzing)]
#[doc(hidden)]
pub use http::fuzzing;

pub use bankhub_core::{Error, Stats, Status};
pub use config::{Config, PRODUCTION_URL, SANDBOX_URL};
pub use token_cache::{AccessToken, TokenCache};

pub(crate) use runtime::published_token::{ReadToken, TOKEN_CAPACITY, TokenCopy, TokenMemory};
