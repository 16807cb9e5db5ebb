//! One request to `POST /v1/token`. The meaning of its response is decided in response.rs.

use std::io::{self, ErrorKind, Read};
use std::sync::Arc;

use bankhub_core::{Error, Failure, Secret, Status, TokenResponse};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{HeaderValue, Response, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as Timeout;
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Proxy};
use zeroize::Zeroizing;

use super::response::{self, BODY_LIMIT_BYTES, Problem};
use super::{proxy, roots};
use crate::config::Config;
use crate::runtime::fork;

const USER_AGENT: &str = concat!("bankhub/", env!("CARGO_PKG_VERSION"));

/// Where tokens come from, and the credentials for it.
pub(crate) struct TokenEndpoint {
    url: Uri,
    /// The host, and the proxy on the way to it, for messages.
    target: String,
    authorization: Secret,
    /// Made once, because ureq reads the environment to make one, and only `new` may do that.
    http: ureq::config::Config,
}

impl TokenEndpoint {
    /// Checks the configuration; reads `ca_file`, the platform's roots and the environment, but never the network.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        config.check()?;
        let url = config.token_url()?;
        let credentials = Zeroizing::new(format!("{}:{}", config.client_id, config.client_secret.expose()));
        let mut authorization = String::with_capacity("Basic ".len() + credentials.len().div_ceil(3) * 4);
        authorization.push_str("Basic ");
        STANDARD.encode_string(credentials.as_bytes(), &mut authorization);
        let proxy = proxy::choose(config, &url)?;
        let through = proxy.as_ref().map(|proxy| format!(", through the proxy {}:{},", proxy.host(), proxy.port()));
        let target = format!("{}{}", url.host().unwrap_or_default(), through.unwrap_or_default());
        let roots = RootCerts::Specific(roots::load_roots(config.ca_file.as_deref())?);
        let http = http_config(config, proxy, roots);
        let endpoint = Self { url, target, authorization: Secret::new(authorization), http };
        endpoint.warm_up();
        Ok(endpoint)
    }

    /// Makes ureq build its process-wide values now. If a fork interrupted that, they would stay half built in the
    /// child, and every request there would wait for the other half.
    fn warm_up(&self) {
        fork::without_forks(|| drop(self.post(NoLookup)));
    }

    /// Sends one token request and waits for its response. Blocks for at most the request timeout; only a name lookup
    /// can take longer, because nothing can interrupt it.
    pub(crate) fn send(&self) -> Result<TokenResponse, Failure> {
        let mut response = self.post(LookupHere).map_err(|error| no_response(&self.target, &error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let retry_after = || response::retry_after(&headers);
        let body = match read_body(response.body_mut()) {
            Ok(body) => body,
            Err(error) if response::is_success(status.into()) => {
                return Err(Failure { retry_after: retry_after(), ..no_response(&self.target, &error) });
            }
            // The status of a refusal is enough, also if its body breaks off.
            Err(_) => Zeroizing::default(),
        };
        response::read(status, &body).map_err(|Problem { status, http_status, message }| Failure {
            error: Error::new(status, format!("{} {message}", self.target)).with_http_status(http_status),
            retry_after: retry_after(),
        })
    }

    /// Uses an agent of its own: one token a day needs no pool, and a forked child inherits no connection.
    fn post(&self, lookup: impl Resolver) -> Result<Response<Body>, ureq::Error> {
        let mut basic = HeaderValue::from_str(self.authorization.expose()).expect("base64 is ASCII");
        basic.set_sensitive(true);
        let agent = Agent::with_parts(self.http.clone(), DefaultConnector::new(), lookup);
        agent.post(&self.url).header(header::AUTHORIZATION, basic).send_empty()
    }
}

fn http_config(config: &Config, proxy: Option<Proxy>, roots: RootCerts) -> ureq::config::Config {
    let tls = TlsConfig::builder()
        .root_certs(roots)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .build();
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(proxy)
        .timeout_connect(Some(config.connect_timeout))
        .timeout_global(Some(config.request_timeout))
        .tls_config(tls)
        .user_agent(USER_AGENT)
        .build()
}

/// Looks names up on the calling thread. ureq's own way to limit a lookup is a thread that outlives it.
#[derive(Debug)]
struct LookupHere;

impl Resolver for LookupHere {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        DefaultResolver::default().resolve(uri, config, NextTimeout { after: Timeout::NotHappening, ..timeout })
    }
}

/// Finds no address, so that a request ends before it would use the network.
#[derive(Debug)]
struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Err(ureq::Error::HostNotFound)
    }
}

/// Reads one byte more than the limit, to tell a body at the limit from a larger one. The buffer never grows, so no
/// copy is left behind.
fn read_body(body: &mut Body) -> Result<Zeroizing<Vec<u8>>, ureq::Error> {
    let limit = BODY_LIMIT_BYTES + 1;
    let mut read = Zeroizing::new(Vec::with_capacity(limit));
    body.as_reader().take(limit as u64).read_to_end(&mut read)?;
    Ok(read)
}

/// The failure of a request that no whole response came to.
fn no_response(target: &str, error: &ureq::Error) -> Failure {
    let (status, what) = match error {
        ureq::Error::HostNotFound => (Status::Unavailable, "could not be found: its name has no address".to_owned()),
        ureq::Error::Timeout(stage) => (Status::Unavailable, format!("did not respond in time (stage: {stage})")),
        ureq::Error::Io(error) => (Status::Unavailable, disconnected(error)),
        ureq::Error::Rustls(error) => (Status::Unavailable, failed_tls(error)),
        ureq::Error::Tls(problem) => (Status::Unavailable, format!("failed the TLS handshake: {problem}")),
        ureq::Error::ConnectionFailed => (Status::Unavailable, "could not be reached".to_owned()),
        ureq::Error::ConnectProxyFailed(_) => {
            (Status::Unavailable, "could not be reached: the proxy refused the connection".to_owned())
        }
        ureq::Error::LargeResponseHeader(..) => {
            (Status::BadResponse, "sent a bad response: response headers are too large".to_owned())
        }
        ureq::Error::Protocol(_) => {
            (Status::BadResponse, "sent a bad response: it is not HTTP, or has too many headers".to_owned())
        }
        _ => (Status::BadResponse, "sent a bad response: it cannot be read".to_owned()),
    };
    Error::new(status, format!("{target} {what}")).into()
}

fn failed_tls(error: &rustls::Error) -> String {
    format!("failed the TLS handshake: {error}")
}

fn disconnected(error: &io::Error) -> String {
    let tls = error.get_ref().and_then(|within| within.downcast_ref::<rustls::Error>());
    if let Some(tls) = tls {
        return failed_tls(tls);
    }
    match error.kind() {
        ErrorKind::UnexpectedEof => "closed the connection before the response was complete".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "reset the connection before the response was complete".to_owned()
        }
        _ => format!("could not be reached: {error}"),
    }
}
