//! The configuration as C sees it, and how it becomes a `Config`.

use std::ffi::c_char;
use std::time::Duration;

use super::argument::{required, sized, text};
use crate::{Config, Error};

/// For `bankhub_config.flags`: allows plain http to hosts other than loopback. The client secret then crosses the
/// network unencrypted.
pub const BANKHUB_ALLOW_HTTP: u32 = 1;

/// The settings of a handle. bankhub_token_new copies the strings: the caller may free them when it has returned.
///
/// Start from `{.size = sizeof(bankhub_config)}` and set what you need. Every optional field that is 0 has a default.
/// An empty string counts as NULL, but for `proxy`.
#[repr(C)]
pub struct bankhub_config {
    /// `sizeof(bankhub_config)`. It lets later versions add fields. A smaller size means an older caller: the missing
    /// fields have their defaults. A larger size is accepted if all bytes that this library does not know are 0.
    pub size: usize,
    /// Required. Not empty, no ':' and no control characters (RFC 7617).
    pub client_id: *const c_char,
    /// Required. Not empty, no control characters.
    pub client_secret: *const c_char,
    /// `https://host[:port][/path]`, without user info, query and fragment. Plain http is accepted for loopback only,
    /// unless `flags` has BANKHUB_ALLOW_HTTP. NULL: BANKHUB_SANDBOX_URL.
    pub base_url: *const c_char,
    /// A PEM file with certificates to trust in addition to the platform's roots. bankhub_token_new reads it. NULL:
    /// none.
    pub ca_file: *const c_char,
    /// An HTTP proxy, `http://[user:password@]host[:port]`. NULL: HTTPS_PROXY and NO_PROXY decide. "": no proxy.
    pub proxy: *const c_char,
    /// Where processes with the same id, secret and base URL share one token: `file:/DIR`,
    /// `redis://[[user]:password@]host[:port][,host[:port]…][/database]`, where several hosts are nodes of a Cluster,
    /// `redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/NAME[/database]`, each with `rediss` for TLS, or
    /// `redis+unix:/PATH`. DIR (Unix only) must be a directory that this user owns, mode 0700, and not a symbolic link;
    /// it is created if it does not exist. Write `%25` for a `%` in it (RFC 8089). A store that fails makes no call
    /// fail: `last_error` in bankhub_stats says what is wrong. NULL: the token is not shared.
    pub store: *const c_char,
    /// Milliseconds for the TCP connect and the TLS handshake. 0: 5,000.
    pub connect_timeout_ms: u32,
    /// Milliseconds for one token request, from its start to the last byte of the response. 0: 10,000.
    pub request_timeout_ms: u32,
    /// Milliseconds that BANKHUB_TIMEOUT_DEFAULT stands for. 0: 30,000.
    pub get_timeout_ms: u32,
    /// How many seconds before a token becomes stale a refresh is due. 0: a tenth of its ttl. The library uses at least
    /// 2 s and at most half of the time until the token becomes stale, and spreads the result by ±10 %.
    pub refresh_ahead_s: u32,
    /// BANKHUB_ALLOW_HTTP or 0. Unknown bits are rejected.
    pub flags: u32,
    /// Must be 0.
    pub reserved: u32,
}

/// # Safety
/// As of `bankhub_token_new`.
pub(super) unsafe fn read(config: *const bankhub_config) -> Result<Config, Error> {
    required("config", config)?;
    // SAFETY: the size comes first in every version, and that many bytes are readable; the strings are NUL-terminated.
    unsafe {
        let size = (*config).size;
        sized::<bankhub_config>("config.size", size)?;
        let beyond = std::slice::from_raw_parts(config.add(1).cast::<u8>(), size - size_of::<bankhub_config>());
        if beyond.iter().any(|byte| *byte != 0) {
            return Err(Error::invalid(
                "config.size",
                format!("is {size}: a field is set that this library does not know"),
            ));
        }
        let config = &*config;
        check_numbers(config)?;
        let required = |name, value| text(name, value)?.ok_or_else(|| Error::invalid(name, "is NULL"));
        let read =
            Config::new(required("client_id", config.client_id)?, required("client_secret", config.client_secret)?);
        let read = set_texts(read, config)?;
        Ok(set_numbers(read, config))
    }
}

fn check_numbers(config: &bankhub_config) -> Result<(), Error> {
    if config.flags & !BANKHUB_ALLOW_HTTP != 0 {
        return Err(Error::invalid("flags", format!("is {:#x}: only BANKHUB_ALLOW_HTTP is known", config.flags)));
    }
    match config.reserved {
        0 => Ok(()),
        _ => Err(Error::invalid("reserved", "is not 0; set the whole struct to 0 before its fields")),
    }
}

/// # Safety
/// The strings are NULL or NUL-terminated.
unsafe fn set_texts(mut read: Config, config: &bankhub_config) -> Result<Config, Error> {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(base_url) = text("base_url", config.base_url)? {
            read = read.base_url(base_url);
        }
        if let Some(ca_file) = text("ca_file", config.ca_file)? {
            read = read.ca_file(ca_file);
        }
        if let Some(proxy) = text("proxy", config.proxy)? {
            read = read.proxy(proxy);
        }
        if let Some(store) = text("store", config.store)? {
            read = read.store(store);
        }
    }
    Ok(read)
}

/// A C caller that sets no value leaves 0.
fn set_numbers(mut read: Config, config: &bankhub_config) -> Config {
    if config.connect_timeout_ms != 0 {
        read = read.connect_timeout(Duration::from_millis(config.connect_timeout_ms.into()));
    }
    if config.request_timeout_ms != 0 {
        read = read.request_timeout(Duration::from_millis(config.request_timeout_ms.into()));
    }
    if config.get_timeout_ms != 0 {
        read = read.get_timeout(Duration::from_millis(config.get_timeout_ms.into()));
    }
    if config.refresh_ahead_s != 0 {
        read = read.refresh_ahead(Duration::from_secs(config.refresh_ahead_s.into()));
    }
    read.allow_http(config.flags & BANKHUB_ALLOW_HTTP != 0)
}
