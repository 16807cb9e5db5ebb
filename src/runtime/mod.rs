//! Everything that acts: locks, threads, clocks, forks, and the token that readers copy without a lock.

#[cfg(feature = "wiping-allocator")]
mod allocator;
pub(crate) mod cache;
pub(crate) mod clock;
pub(crate) mod descriptor;
mod fetch_thread;
pub(crate) mod fork;
pub(crate) mod published_token;
pub(crate) mod thread;
