//! A configuration as C sees it, and its reading into a `Config`.

use std::ffi::c_char;
use std::time::Duration;

use super::argument::{required, sized, text};
use crate::{Config, Error};

/// For `bankhub_config.flags`: plain http is allowed to hosts beyond loopback. The secret then crosses the network in
/// clear.
pub const BANKHUB_ALLOW_HTTP: u32 = 1;

/// What a handle is made from. Strings are copied by bankhub_token_new; the caller may free them after it.
///
/// Start from `{.size = sizeof(bankhub_config)}` and set what is needed: every field left 0 has a default.
#[repr(C)]
pub struct bankhub_config {
    /// `sizeof(bankhub_config)`: how fields are added without breaking callers. A smaller one is an older caller, whose
    /// missing fields are defaults; a larger one is accepted while the bytes that this library does not know are 0.
    pub size: usize,
    /// Required: not empty, without ':' and control characters (RFC 7617).
    pub client_id: *const c_char,
    /// Required: not empty, without control characters.
    pub client_secret: *const c_char,
    /// "https://host[:port][/path]", no user info, query or fragment; plain http only to loopback.
    /// NULL: BANKHUB_SANDBOX_URL.
    pub base_url: *const c_char,
    /// A PEM file whose certificates are trusted besides the platform's roots; read by bankhub_token_new. NULL: none.
    pub ca_file: *const c_char,
    /// "http://[user:password@]host[:port]" of an HTTP proxy. NULL: from HTTPS_PROXY and NO_PROXY. "": none.
    pub proxy: *const c_char,
    /// Where the token is shared with all who have the same id, secret and base URL: "file:/DIR" (Unix; a directory of
    /// this user's alone), "redis://[[user]:password@]host[:port][/database]" or "rediss://…", with TLS. A store that
    /// fails fails no call: last_error of the statistics tells. NULL: this process alone.
    pub store: *const c_char,
    /// Milliseconds for connect and TLS handshake. 0: 5,000.
    pub connect_timeout_ms: u32,
    /// Milliseconds for one token request, from start to last byte. 0: 10,000.
    pub request_timeout_ms: u32,
    /// Milliseconds that BANKHUB_TIMEOUT_DEFAULT means. 0: 30,000.
    pub get_timeout_ms: u32,
    /// Seconds before its end that a token is renewed. 0: a tenth of its ttl.
    pub refresh_ahead_s: u32,
    /// BANKHUB_ALLOW_HTTP or 0. Unknown bits are refused.
    pub flags: u32,
    /// 0. Anything else is refused.
    pub reserved: u32,
}

/// # Safety
/// As of `bankhub_token_new`.
pub(super) unsafe fn read(config: *const bankhub_config) -> Result<Config, Error> {
    required("config", config)?;
    // SAFETY: the size comes first in every version, and as many bytes are readable; the strings are closed by NUL.
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
/// The strings are NULL or closed by NUL.
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

/// 0 is what a C caller leaves unset.
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
