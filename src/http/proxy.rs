//! The HTTP proxy that token requests go through: the configured one, or the one that the environment names.

use std::io::{self, BufReader, Read};

use bankhub_core::{Error, Secret};
use ureq::http::Uri;
use zeroize::Zeroizing;

use super::head::{self, HEAD_BYTES_MAX};
use super::{basic_authorization, no_proxy, port_of};
use crate::config::{self, Config};
use crate::net::Stream;

const EXPECTED: &str = "expected http://[user:password@]host[:port]";

/// Most programs assume it for a proxy URL without a port.
const DEFAULT_PORT: u16 = 80;

pub(super) struct HttpProxy {
    pub(super) host: String,
    pub(super) port: u16,
    authorization: Option<Secret>,
}

/// The proxy for requests to this URL.
pub(super) fn choose(config: &Config, url: &Uri) -> Result<Option<HttpProxy>, Error> {
    match &config.proxy {
        Some(proxy) if proxy.expose().is_empty() => Ok(None),
        Some(proxy) => {
            let proxy = parse("proxy", proxy.expose())?;
            // The base URL's "loopback" would be the proxy's own.
            let in_clear = url.scheme_str() == Some("http") && !config::is_loopback(&proxy.host);
            if in_clear && !config.allow_http {
                return Err(Error::invalid(
                    "proxy",
                    "would get the secret unencrypted; use https, or allow http explicitly",
                ));
            }
            Ok(Some(proxy))
        }
        None if url.scheme_str() == Some("https") => from_environment(url),
        None => Ok(None),
    }
}

/// Upper case first; curl's order differs, and nobody sets both.
fn from_environment(url: &Uri) -> Result<Option<HttpProxy>, Error> {
    let first = |upper, lower| Ok::<_, Error>(config::variable(upper)?.or(config::variable(lower)?));
    let exceptions = first("NO_PROXY", "no_proxy")?.unwrap_or_default();
    // Before the proxy is read: for an excepted host it does not matter.
    if no_proxy::excepts(&exceptions, url.host().unwrap_or_default(), port_of(url)) {
        return Ok(None);
    }
    first("HTTPS_PROXY", "https_proxy")?.map(|proxy| parse("HTTPS_PROXY", &proxy)).transpose()
}

/// Errors never repeat the URL: it may hold a password.
fn parse(field: &str, url: &str) -> Result<HttpProxy, Error> {
    let wrong = |problem: &str| Error::invalid(field, format!("{problem}; {EXPECTED}"));
    let (scheme, address) = url.split_once("://").unwrap_or(("http", url));
    if !scheme.eq_ignore_ascii_case("http") {
        let is_scheme = scheme.len() <= 10 && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric());
        let named = if is_scheme { format!("the scheme {scheme}") } else { "its scheme".to_owned() };
        return Err(wrong(&format!("is not the URL of an HTTP proxy: {named} is not supported")));
    }
    let (authority, more) = address.split_at(address.find(['/', '?', '#']).unwrap_or(address.len()));
    if more.contains('@') || authority.matches('@').count() > 1 {
        return Err(wrong("has a user or password with '@', '#', '/' or '?': write them as %40, %23, %2F and %3F"));
    }
    if !matches!(more, "" | "/") {
        return Err(wrong("contains more than an address and credentials"));
    }
    let proxy = ureq::Proxy::new(&format!("http://{authority}")).map_err(|_| match authority.contains('@') {
        true => wrong("is not a proxy URL; if its user or password has special characters, percent-encode them"),
        false => wrong("is not a proxy URL"),
    })?;
    if proxy.host().is_empty() {
        return Err(wrong("has no host"));
    }
    if !config::has_usable_port(proxy.uri()) {
        return Err(wrong("has a port that is not a number from 1 to 65535"));
    }
    let authorization = proxy.username().map(|user| basic_authorization(user, proxy.password().unwrap_or_default()));
    let port = proxy.uri().port_u16().unwrap_or(DEFAULT_PORT);
    Ok(HttpProxy { host: proxy.host().to_owned(), port, authorization })
}

impl HttpProxy {
    /// Asks the proxy to connect to the target, `host:port` (RFC 9110, section 9.3.6). Every byte that follows on the
    /// stream is the target's.
    pub(super) fn open_tunnel(&self, stream: &mut dyn Stream, target: &str) -> io::Result<()> {
        let credentials = self.authorization.as_ref();
        let header = "\r\nProxy-Authorization: ";
        let value = credentials.map_or("", Secret::expose);
        let parts =
            ["CONNECT ", target, " HTTP/1.1\r\nHost: ", target, if value.is_empty() { "" } else { header }, value];
        // It never grows, so no copy of the credentials is left behind.
        let length = parts.iter().map(|part| part.len()).sum::<usize>() + "\r\n\r\n".len();
        let mut request = Zeroizing::new(String::with_capacity(length));
        request.extend(parts);
        request.push_str("\r\n\r\n");
        stream.write_all(request.as_bytes())?;
        stream.flush()?;
        let Some(status) = final_status(stream)? else {
            return Err(io::Error::other("the proxy did not respond with HTTP"));
        };
        let why = match status {
            200..=299 => return Ok(()),
            403 => "it does not allow this host or port",
            407 if credentials.is_some() => "it does not accept the user and password of the proxy URL",
            407 => "it requires a user and password; write them into the proxy URL, http://user:password@host:port",
            502..=504 => "it could not reach this host",
            _ => "see the log of the proxy",
        };
        Err(io::Error::other(format!("the proxy refused the connection with {status}: {why}")))
    }
}

/// Reads byte by byte, so that nothing is taken of what the target sends.
fn final_status(stream: &mut dyn Stream) -> io::Result<Option<u16>> {
    let mut reader = BufReader::with_capacity(1, stream.take(4 * HEAD_BYTES_MAX as u64));
    loop {
        let head = head::read(&mut reader)?;
        match head::status(&head) {
            Some(100..=199) => {}
            // What follows would not be the target's.
            Some(200..=299) if !head::is_whole(&head) => return Ok(None),
            status => return Ok(status),
        }
    }
}

#[cfg(test)]
mod tests;
