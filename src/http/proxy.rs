//! Which HTTP proxy token requests go through: the configured one, or the one that the environment names.

use bankhub_core::Error;
use ureq::http::Uri;
use ureq::{Proxy, ProxyProtocol};

use crate::config::{self, Config};

pub(super) fn choose(config: &Config, url: &Uri) -> Result<Option<Proxy>, Error> {
    match &config.proxy {
        Some(proxy) if proxy.expose().is_empty() => Ok(None),
        Some(proxy) => {
            let proxy = parse("proxy", proxy.expose())?;
            // The base URL's "loopback" would be the proxy's own.
            let in_clear = url.scheme_str() == Some("http") && !config::is_loopback(proxy.host());
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

/// Upper case first, as in ureq; curl's order differs, and nobody sets both.
fn from_environment(url: &Uri) -> Result<Option<Proxy>, Error> {
    let first = |upper, lower| Ok::<_, Error>(config::variable(upper)?.or(config::variable(lower)?));
    let Some(proxy) = first("HTTPS_PROXY", "https_proxy")? else { return Ok(None) };
    let proxy = parse("HTTPS_PROXY", &proxy)?;
    let Some(exceptions) = first("NO_PROXY", "no_proxy")? else { return Ok(Some(proxy)) };
    // ureq accepts exceptions only through a builder. They are evaluated here, once: the endpoint has one host.
    let builder = Proxy::builder(ProxyProtocol::Http).host("proxy");
    let builder = exceptions.split(',').fold(builder, |builder, exception| builder.no_proxy(exception.trim()));
    let is_excepted = builder.build().is_ok_and(|proxy| proxy.is_no_proxy(url));
    Ok((!is_excepted).then_some(proxy))
}

/// Errors never repeat the URL: it may hold a password.
fn parse(field: &str, url: &str) -> Result<Proxy, Error> {
    let wrong = |problem| Error::invalid(field, format!("{problem}; expected http://[user:password@]host[:port]"));
    let proxy = Proxy::new(url).map_err(|_| wrong("is not a proxy URL"))?;
    let more = proxy.uri().path().len() > 1 || proxy.uri().query().is_some() || url.contains('#');
    if more || url.matches('@').count() > 1 {
        return Err(wrong("contains more than an address and credentials"));
    }
    match proxy.protocol() {
        ProxyProtocol::Http if proxy.host().is_empty() => Err(wrong("has no host")),
        ProxyProtocol::Http if !config::has_usable_port(proxy.uri()) => {
            Err(wrong("has a port that is not a number from 1 to 65535"))
        }
        ProxyProtocol::Http => Ok(proxy),
        _ => Err(wrong("is not the URL of an HTTP proxy")),
    }
}

#[cfg(test)]
mod tests;
