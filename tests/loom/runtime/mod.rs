//! The real cache, and what stands in for the rest of `src/runtime`.

// By path, because it must wait with loom's locks: see build.rs.
#[allow(dead_code, reason = "no model asks for statistics")]
#[path = "../../../src/runtime/cache.rs"]
pub(crate) mod cache;
pub(crate) mod clock;
pub(crate) mod fetch_thread;
pub(crate) mod fork;
pub(crate) mod published_token;
