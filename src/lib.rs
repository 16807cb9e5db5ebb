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
//! # Features
//!
//! - `no-trace-log`, a default: the whole program has no TRACE record of the `log` crate, because those of the HTTP
//!   client hold secrets. Without it, keep `ureq` and `ureq_proto` below TRACE.
//! - `rustls-ring`, a default: TLS by ring. Without it, TLS is by the provider that the program has installed for
//!   rustls, or by the only one that its rustls has.
//! - `wiping-allocator`: the allocator of the program overwrites memory before it gives it back.
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
