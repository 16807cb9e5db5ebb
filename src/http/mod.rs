//! Everything that is said over HTTP: one token request, and what its response means.

mod exchange;
#[cfg(fuzzing)]
pub mod fuzzing;
mod head;
mod no_proxy;
mod proxy;
mod response;
pub(crate) mod token_endpoint;

use bankhub_core::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::Uri;
use zeroize::Zeroizing;

/// The value of a header with credentials (RFC 7617).
fn basic_authorization(user: &str, password: &str) -> Secret {
    let credentials = Zeroizing::new(format!("{user}:{password}"));
    let mut authorization = String::with_capacity("Basic ".len() + credentials.len().div_ceil(3) * 4);
    authorization.push_str("Basic ");
    STANDARD.encode_string(credentials.as_bytes(), &mut authorization);
    Secret::new(authorization)
}

fn port_of(url: &Uri) -> u16 {
    url.port_u16().unwrap_or(if url.scheme_str() == Some("http") { 80 } else { 443 })
}

/// Without the brackets of an IPv6 address.
fn bare_host(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}
