//! One request to `POST /v1/token`. The meaning of its response is decided in response.rs.

use std::io::{self, ErrorKind, Read};
use std::net::IpAddr;
use std::time::Duration;

use bankhub_core::{Error, Failure, Instant, Secret, Status, TokenResponse, policy};
use rustls::pki_types::ServerName;
use serde::de::IgnoredAny;
use ureq::http::{HeaderValue, Response, Uri, header};
use ureq::{Agent, Body};
use zeroize::Zeroizing;

use super::exchange::{self, TooLarge};
use super::proxy::{self, HttpProxy};
use super::response::{self, BODY_LIMIT_BYTES, Problem};
use super::{bare_host, basic_authorization, port_of};
use crate::config::Config;
use crate::net::Stream;
use crate::net::connect::{connect_with, look_up};
use crate::net::heartbeat::Heartbeat;
use crate::net::roots::check_ca_file;
use crate::net::tls::{NO_CLIENT_CERTIFICATE, Tls, TlsProblem, server_name};
use crate::runtime::{clock, fork};

const USER_AGENT: &str = concat!("bankhub/", env!("CARGO_PKG_VERSION"));

/// Where tokens come from, and the credentials for it.
pub(crate) struct TokenEndpoint {
    url: Uri,
    /// The host, and the proxy on the way to it, for messages.
    target: String,
    authorization: Secret,
    proxy: Option<HttpProxy>,
    /// For https.
    tls: Option<(Tls, ServerName<'static>)>,
    connect_timeout: Duration,
    request_timeout: Duration,
    /// Made once, because ureq reads the environment to make one, and only `new` may do that.
    http: ureq::config::Config,
}

impl TokenEndpoint {
    /// Checks the configuration; reads `ca_file`, the platform's roots and the environment, but never the network.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        config.check()?;
        let url = config.token_url()?;
        let proxy = proxy::choose(config, &url)?;
        let through = proxy.as_ref().map(|proxy| format!(", through the proxy {}:{},", proxy.host, proxy.port));
        let host = url.host().unwrap_or_default();
        let target = format!("{host}{}", through.unwrap_or_default());
        let tls = match url.scheme_str() {
            Some("https") => {
                let name = server_name(bare_host(host));
                let name = name.ok_or_else(|| Error::invalid("base_url", "has a host name that TLS cannot verify"))?;
                Some((Tls::new(config)?, name))
            }
            _ => {
                check_ca_file(config)?;
                None
            }
        };
        let endpoint = Self {
            target,
            authorization: basic_authorization(&config.client_id, config.client_secret.expose()),
            proxy,
            tls,
            connect_timeout: config.connect_timeout,
            request_timeout: config.request_timeout,
            http: http_config(),
            url,
        };
        endpoint.warm_up();
        Ok(endpoint)
    }

    /// Makes ureq build its process-wide values now. If a fork interrupted that, they would stay half built in the
    /// child, and every request there would wait for the other half.
    fn warm_up(&self) {
        fork::without_forks(|| drop(self.post(None)));
    }

    /// Sends one token request and waits for its response. Blocks for at most the request timeout; only a name lookup
    /// can take longer, because nothing can interrupt it.
    pub(crate) fn send(&self, heartbeat: Heartbeat) -> Result<TokenResponse, Failure> {
        let deadline = clock::now().boottime + self.request_timeout;
        let unavailable = |problem| Error::new(Status::Unavailable, format!("{} {problem}", self.target));
        let stream = self.open_stream(deadline, heartbeat).map_err(unavailable)?;
        let wants_certificate = stream.wants_certificate();
        let mut response = self.post(Some(stream)).map_err(|error| self.no_response(error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let retry_after = || response::retry_after(&headers);
        let body = match read_body(response.body_mut()) {
            Ok(body) => body,
            Err(error) if response::is_success(status.into()) => {
                return Err(Failure { retry_after: retry_after(), ..self.no_response(error.into()) });
            }
            // The status of a refusal is enough, also if its body breaks off.
            Err(_) => Zeroizing::default(),
        };
        response::read(status, &headers, &body).map_err(|Problem { status, http_status, mut message }| {
            // nginx says so in a page only.
            let is_page = serde_json::from_slice::<IgnoredAny>(&body).is_err();
            if http_status == 400 && wants_certificate && is_page {
                message = format!("answered 400: {NO_CLIENT_CERTIFICATE}");
            }
            let error = Error::new(status, format!("{} {message}", self.target)).with_http_status(http_status);
            Failure { error, retry_after: retry_after() }
        })
    }

    /// Connects, through the proxy if there is one. An error is text that follows the target.
    fn open_stream(&self, deadline: Instant, mut heartbeat: Heartbeat) -> Result<Box<dyn Stream>, String> {
        let (host, port) = match &self.proxy {
            Some(proxy) => (proxy.host.as_str(), proxy.port),
            None => (self.url.host().unwrap_or_default(), port_of(&self.url)),
        };
        let host = bare_host(host);
        let is_name = host.parse::<IpAddr>().is_err();
        if is_name {
            heartbeat.beat(policy::lookup_lease_duration(self.request_timeout));
        }
        let addresses = look_up(host, port).map_err(|error| format!("could not be found: {error}"))?;
        if is_name {
            heartbeat.beat(policy::LEASE_DURATION);
        }
        if addresses.is_empty() {
            return Err("could not be found: its name has no address".to_owned());
        }
        let connect_deadline = deadline.min(clock::now().boottime + self.connect_timeout);
        let mut stream =
            connect_with(&addresses, connect_deadline, heartbeat).map_err(|error| unreachable("connect", &error))?;
        if let Some(proxy) = &self.proxy {
            let target = format!("{}:{}", self.url.host().unwrap_or_default(), port_of(&self.url));
            proxy.open_tunnel(&mut stream, &target).map_err(|error| unreachable("proxy", &error))?;
        }
        let mut stream: Box<dyn Stream> = match &self.tls {
            None => Box::new(stream),
            Some((tls, name)) => {
                Box::new(tls.handshake(name, stream).map_err(|error| unreachable("TLS handshake", &error))?)
            }
        };
        stream.set_deadline(deadline);
        Ok(stream)
    }

    /// Uses an agent of its own: one token a day needs no pool, and a forked child inherits no connection.
    fn post(&self, stream: Option<Box<dyn Stream>>) -> Result<Response<Body>, ureq::Error> {
        let mut basic = HeaderValue::from_str(self.authorization.expose()).expect("base64 is ASCII");
        basic.set_sensitive(true);
        exchange::agent(self.http.clone(), stream).post(&self.url).header(header::AUTHORIZATION, basic).send_empty()
    }

    /// The failure of a request that no whole response came to.
    fn no_response(&self, error: ureq::Error) -> Failure {
        let (status, what) = match error {
            ureq::Error::Io(error) if error.get_ref().is_some_and(|within| within.is::<TooLarge>()) => {
                (Status::BadResponse, format!("sent a bad response: {error}"))
            }
            ureq::Error::Io(error) => (Status::Unavailable, unreachable("response", &error)),
            ureq::Error::LargeResponseHeader(..) => {
                (Status::BadResponse, "sent a bad response: response headers are too large".to_owned())
            }
            ureq::Error::Protocol(_) => {
                (Status::BadResponse, "sent a bad response: it is not HTTP, or has too many headers".to_owned())
            }
            _ => (Status::BadResponse, "sent a bad response: it cannot be read".to_owned()),
        };
        Error::new(status, format!("{} {what}", self.target)).into()
    }
}

/// Without timeouts: the stream has a deadline.
fn http_config() -> ureq::config::Config {
    Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .proxy(None)
        .user_agent(USER_AGENT)
        // Without it, frameworks answer a wrong secret with a redirect to a login page.
        .accept("application/json")
        // Without it, a server may choose any coding (RFC 9110, section 12.5.3).
        .accept_encoding("identity")
        .build()
}

/// Reads one byte more than the limit, to tell a body at the limit from a larger one. The buffer never grows, so no
/// copy is left behind.
fn read_body(body: &mut Body) -> io::Result<Zeroizing<Vec<u8>>> {
    let limit = BODY_LIMIT_BYTES + 1;
    let mut read = Zeroizing::new(Vec::with_capacity(limit));
    body.as_reader().take(limit as u64).read_to_end(&mut read)?;
    Ok(read)
}

/// The stage is the part of the request that failed.
fn unreachable(stage: &str, error: &io::Error) -> String {
    if error.get_ref().is_some_and(|within| within.is::<TlsProblem>()) {
        return error.to_string();
    }
    match error.kind() {
        ErrorKind::TimedOut => format!("did not respond in time (stage: {stage})"),
        ErrorKind::UnexpectedEof => format!("closed the connection before it was complete (stage: {stage})"),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            format!("reset the connection before it was complete (stage: {stage})")
        }
        _ => format!("could not be reached: {error}"),
    }
}
