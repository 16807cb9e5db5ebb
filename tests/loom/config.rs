//! The part of a configuration that a cache uses.

use std::time::Duration;

pub(crate) struct Config {
    pub(crate) get_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) refresh_ahead: Option<Duration>,
}
