//! The settings and their checks. The only file that reads the environment.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use bankhub_core::{Error, Secret};
use ureq::http::Uri;

pub(crate) mod privileges;

/// Base URL of the Bank Hub's sandbox, the default.
pub const SANDBOX_URL: &str = "https://bankhub-api-sandbox.sepay.vn";
/// Base URL of the Bank Hub's production service.
pub const PRODUCTION_URL: &str = "https://bankhub-api.sepay.vn";

/// The longest timeout that the C ABI can express.
const TIMEOUT_MAX: Duration = Duration::from_millis(u32::MAX as u64);
const REFRESH_AHEAD_MAX: Duration = Duration::from_secs(u32::MAX as u64);

/// Servers limit the size of a header; a real id or secret has some dozen bytes.
const CREDENTIAL_BYTES_MAX: usize = 4096;

/// The settings of a token cache: the client id and secret, and whatever differs from the defaults.
///
/// [`TokenCache::new`](crate::TokenCache::new) checks them; its error names the field that is wrong.
#[derive(Clone, Debug)]
pub struct Config {
    pub(crate) client_id: String,
    pub(crate) client_secret: Secret,
    base_url: BaseUrl,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) proxy: Option<Secret>,
    pub(crate) store: Option<Secret>,
    pub(crate) connect_timeout: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) get_timeout: Duration,
    pub(crate) refresh_ahead: Option<Duration>,
    pub(crate) allow_http: bool,
}

/// Prints as `***` if it contains more than it may: that could be a password.
#[derive(Clone)]
struct BaseUrl(String);

impl fmt::Debug for BaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.contains(['@', '?', '#']) {
            true => f.write_str("***"),
            false => fmt::Debug::fmt(&self.0, f),
        }
    }
}

impl Config {
    /// A configuration for the Bank Hub's sandbox, with every default.
    ///
    /// Neither may be empty or contain a control character, nor the id ':' (RFC 7617).
    pub fn new(client_id: impl Into<String>, client_secret: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            client_secret: Secret::new(client_secret.into()),
            base_url: BaseUrl(SANDBOX_URL.to_owned()),
            ca_file: None,
            proxy: None,
            store: None,
            connect_timeout: Duration::from_secs(5),
            request_timeout: Duration::from_secs(10),
            get_timeout: Duration::from_secs(30),
            refresh_ahead: None,
            allow_http: false,
        }
    }

    /// From `BANKHUB_CLIENT_ID` and `BANKHUB_CLIENT_SECRET`, and, where they are set and not empty, `BANKHUB_BASE_URL`,
    /// `BANKHUB_CA_FILE` and `BANKHUB_STORE`.
    ///
    /// # Errors
    /// `InvalidArgument` if one of the first two is not set, or one is not UTF-8; and always in a program with more
    /// rights than its caller (setuid, setgid, file capabilities), which must not obey the caller's environment.
    pub fn from_env() -> Result<Self, Error> {
        let problem = match privileges::are_elevated() {
            true => "is not read from the environment in a setuid program; set the field in the configuration",
            false => "is not set in the environment",
        };
        let required = |name| variable(name)?.ok_or_else(|| Error::invalid(name, problem));
        let optional = |name| Ok::<_, Error>(variable(name)?.unwrap_or_default());
        Ok(Self::new(required("BANKHUB_CLIENT_ID")?, required("BANKHUB_CLIENT_SECRET")?)
            .base_url(optional("BANKHUB_BASE_URL")?)
            .ca_file(optional("BANKHUB_CA_FILE")?)
            .store(optional("BANKHUB_STORE")?))
    }

    /// `https://host[:port][/path]`, without user info, query and fragment; plain http only to loopback.
    /// Default, also with an empty text: [`SANDBOX_URL`].
    pub fn base_url(mut self, url: impl Into<String>) -> Self {
        let url = Some(url.into()).filter(|url| !url.is_empty());
        self.base_url = BaseUrl(url.unwrap_or_else(|| SANDBOX_URL.to_owned()));
        self
    }

    /// A PEM file whose certificates are trusted in addition to the platform's roots. Read by
    /// [`TokenCache::new`](crate::TokenCache::new), and again, at most once a minute, when no trusted authority signed
    /// the certificate of the server. Empty: none.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.ca_file = Some(path.into()).filter(|path| !path.as_os_str().is_empty());
        self
    }

    /// `http://[user:password@]host[:port]` of an HTTP proxy; empty: none. Default: from `HTTPS_PROXY` and `NO_PROXY`.
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(Secret::new(url.into()));
        self
    }

    /// Shares the token with other processes that have the same id, secret and base URL: through `file:/DIR`, a
    /// directory on this machine that only this user may use, created if it does not exist, with `%25` for a `%` in it
    /// (RFC 8089); through `redis://[[user]:password@]host[:port][,host[:port]…][/database]`, where several hosts are
    /// nodes of a Cluster; through `redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/NAME[/database]`; or
    /// through `redis+unix:/PATH`. With TLS: `rediss://…`, `rediss+sentinel://…`. Default, also with an empty text: no
    /// sharing.
    pub fn store(mut self, store: impl Into<String>) -> Self {
        self.store = Some(Secret::new(store.into())).filter(|store| !store.expose().is_empty());
        self
    }

    /// For connect and TLS handshake. Default: 5 s.
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// For one token request, from its start to the last byte of the response. Default: 10 s.
    pub fn request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// The longest wait of [`TokenCache::get`](crate::TokenCache::get). Default: 30 s.
    pub fn get_timeout(mut self, timeout: Duration) -> Self {
        self.get_timeout = timeout;
        self
    }

    /// How long before a token becomes stale it is refreshed. Default: a tenth of its ttl.
    pub fn refresh_ahead(mut self, ahead: Duration) -> Self {
        self.refresh_ahead = Some(ahead);
        self
    }

    /// Allows plain http to hosts other than loopback. The secret then crosses the network unencrypted.
    pub fn allow_http(mut self, allow: bool) -> Self {
        self.allow_http = allow;
        self
    }

    /// Checks everything that takes no file and no network.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_credential("client_id", &self.client_id)?;
        if self.client_id.contains(':') {
            return Err(Error::invalid("client_id", "contains ':', which HTTP Basic cannot carry (RFC 7617)"));
        }
        check_credential("client_secret", self.client_secret.expose())?;
        check_length("connect_timeout", self.connect_timeout, TIMEOUT_MAX)?;
        check_length("request_timeout", self.request_timeout, TIMEOUT_MAX)?;
        check_length("get_timeout", self.get_timeout, TIMEOUT_MAX)?;
        check_length("refresh_ahead", self.refresh_ahead.unwrap_or(REFRESH_AHEAD_MAX), REFRESH_AHEAD_MAX)
    }

    /// The URL of the token endpoint. Errors never repeat the URL: it may hold a password.
    pub(crate) fn token_url(&self) -> Result<Uri, Error> {
        let wrong = |problem| Error::invalid("base_url", problem);
        let BaseUrl(base_url) = &self.base_url;
        if base_url.contains('#') {
            return Err(wrong("has a fragment ('#'); expected https://host[:port][/path]"));
        }
        let url: Uri = base_url.parse().map_err(|_| wrong("is not a URL; expected https://host[:port][/path]"))?;
        let scheme = url.scheme_str().ok_or_else(|| wrong("has no scheme; expected https://host[:port][/path]"))?;
        let authority = url.authority().filter(|authority| !authority.host().is_empty());
        let authority = authority.ok_or_else(|| wrong("has no host; expected https://host[:port][/path]"))?;
        if authority.as_str().contains('@') {
            return Err(wrong("contains user info ('@'); set client_id and client_secret instead"));
        }
        if !has_usable_port(&url) {
            return Err(wrong("has a port that is not a number from 1 to 65535"));
        }
        if url.query().is_some() {
            return Err(wrong("has a query ('?'); expected https://host[:port][/path]"));
        }
        match scheme {
            "https" => {}
            "http" if self.allow_http || is_loopback(authority.host()) => {}
            "http" => {
                return Err(wrong("is plain http to a host other than loopback; use https, or allow http explicitly"));
            }
            _ => return Err(wrong("has a scheme other than https and http")),
        }
        let path = url.path().trim_end_matches('/');
        format!("{scheme}://{authority}{path}/v1/token").parse().map_err(|_| wrong("is too long"))
    }
}

/// Whether the port, if there is one, is a number from 1 to 65535: `Uri` also accepts an empty one and larger numbers.
pub(crate) fn has_usable_port(url: &Uri) -> bool {
    let given = url.authority().is_some_and(|authority| {
        let host_and_port = authority.as_str().rsplit('@').next().unwrap_or_default();
        host_and_port != authority.host()
    });
    !given || url.port_u16().is_some_and(|port| port != 0)
}

/// An environment variable. An empty one counts as not set, and so does every one in a program with more rights than
/// its caller, such as a setuid program: the caller must not choose where the secret goes.
pub(crate) fn variable(name: &'static str) -> Result<Option<String>, Error> {
    if privileges::are_elevated() {
        return Ok(None);
    }
    #[expect(clippy::disallowed_methods, reason = "this is the file that reads the environment")]
    let value = std::env::var_os(name).filter(|value| !value.is_empty());
    value
        .map(|value| value.into_string().map_err(|_| Error::invalid(name, "in the environment is not UTF-8")))
        .transpose()
}

fn check_credential(field: &str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::invalid(field, "is empty"));
    }
    if text.len() > CREDENTIAL_BYTES_MAX {
        return Err(Error::invalid(field, format!("is longer than {CREDENTIAL_BYTES_MAX} bytes")));
    }
    match text.chars().any(char::is_control) {
        true => Err(Error::invalid(field, "contains a control character, such as a line break; remove it")),
        false => Ok(()),
    }
}

fn check_length(field: &str, time: Duration, most: Duration) -> Result<(), Error> {
    match time.is_zero() || time > most {
        true => Err(Error::invalid(field, format!("is {time:?}; expected more than 0 and at most {most:?}"))),
        false => Ok(()),
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests;
