//! What a cache asks of its configuration.

use std::time::Duration;

pub(crate) struct Config {
    pub(crate) get_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) refresh_ahead: Option<Duration>,
}
