//! The two files of the library whose locks and threads are loom's here, and what they stand on.

// Included, and not a dependency: only compiled with `cfg(loom)` do they wait with loom's locks.
#[allow(dead_code, reason = "no model asks for statistics")]
#[path = "../../../src/runtime/cache.rs"]
pub(crate) mod cache;
#[path = "../../../src/runtime/fetch_thread.rs"]
mod fetch_thread;

pub(crate) mod clock;
pub(crate) mod fork;
pub(crate) mod published_token;
pub(crate) mod thread;
