//! A process that is never forked.

use std::sync::OnceLock;

pub(crate) struct PerProcess<T>(OnceLock<T>);

impl<T> PerProcess<T> {
    pub(crate) fn new() -> Self {
        Self(OnceLock::new())
    }

    pub(crate) fn get_or_init(&self, build: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(build)
    }
}
