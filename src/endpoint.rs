//! One exchange with `POST /v1/token`, and what its answer means. Nothing of an answer's own text gets into a message:
//! it may echo what was sent.

use std::fmt;
use std::io::{self, ErrorKind, Read};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, Visitor};
use serde_json::value::RawValue;
use ureq::http::{HeaderMap, HeaderValue, Response, Uri, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::time::Duration as Patience;
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Body, Proxy, ProxyProtocol};
use zeroize::Zeroizing;

use crate::clock;
use crate::config::{self, Config};
use crate::error::{Error, Status};
use crate::life::Failure;
use crate::policy;
use crate::roots::load_roots;
use crate::secret::Secret;
use crate::slot::TOKEN_CAPACITY;

/// The documented answer has about 100 bytes; what is longer by far is some other page.
const BODY_LIMIT_BYTES: usize = 64 * 1024;

/// It has no place before JSON (RFC 8259, section 8.1), but some servers send one, and it harms nobody.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

const USER_AGENT: &str = concat!("bankhub/", env!("CARGO_PKG_VERSION"));

/// Where tokens come from, and with which credentials.
pub(crate) struct Endpoint {
    url: Uri,
    /// For messages: the host, and the proxy on the way to it.
    whom: String,
    authorization: Secret,
    /// Made once, because ureq reads the environment to make one, and that is for `new` alone to do.
    http: ureq::config::Config,
}

/// A token as the endpoint spoke of it.
#[derive(Debug, PartialEq)]
pub(crate) struct Issued {
    pub(crate) value: Secret,
    pub(crate) ttl: Duration,
}

impl Endpoint {
    /// Checks the configuration; reads `ca_file`, the platform's roots and the environment, and no network.
    pub(crate) fn new(config: &Config) -> Result<Self, Error> {
        config.check()?;
        let url = config.token_url()?;
        let credentials = Zeroizing::new(format!("{}:{}", config.client_id, config.client_secret.expose()));
        let mut authorization = String::with_capacity("Basic ".len() + credentials.len().div_ceil(3) * 4);
        authorization.push_str("Basic ");
        STANDARD.encode_string(credentials.as_bytes(), &mut authorization);
        let proxy = choose_proxy(config, &url)?;
        let through = proxy.as_ref().map(|proxy| format!(", through the proxy {}:{},", proxy.host(), proxy.port()));
        let whom = format!("{}{}", url.host().unwrap_or_default(), through.unwrap_or_default());
        let http = http_config(config, proxy, RootCerts::Specific(load_roots(config.ca_file.as_deref())?));
        Ok(Self { url, whom, authorization: Secret::new(authorization), http })
    }

    /// Has ureq build what it builds when it is first used. Where a fork may fall into it, it is left half built, and
    /// every request of the child waits for the other half.
    pub(crate) fn warm_up(&self) {
        drop(self.post(NoLookup));
    }

    /// Sends one token request and waits for its answer. Blocks for the request timeout at most, but for a name lookup,
    /// which nothing can end.
    pub(crate) fn exchange(&self) -> Result<Issued, Failure> {
        let mut response = self.post(LookupHere).map_err(|error| broken(&self.whom, &error))?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = match read_body(response.body_mut()) {
            Ok(body) => body,
            Err(error) if success(status.into()) => {
                return Err(Failure { retry_after: retry_after(&headers), ..broken(&self.whom, &error) });
            }
            // A refusal is one also where its body breaks off.
            Err(_) => Zeroizing::default(),
        };
        read_answer(status, &body).map_err(|(status, http_status, what)| Failure {
            error: Error { http_status: Some(http_status), ..Error::new(status, format!("{} {what}", self.whom)) },
            retry_after: retry_after(&headers),
        })
    }

    /// With an agent of its own: a token a day needs no pool, and a forked child inherits no connection.
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

/// Looks names up on the calling thread. ureq's own way to bound a lookup is a thread that outlives it.
#[derive(Debug)]
struct LookupHere;

impl Resolver for LookupHere {
    fn resolve(
        &self,
        uri: &Uri,
        config: &ureq::config::Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        DefaultResolver::default().resolve(uri, config, NextTimeout { after: Patience::NotHappening, ..timeout })
    }
}

/// Finds nothing, so that a request ends where it would need the network.
#[derive(Debug)]
struct NoLookup;

impl Resolver for NoLookup {
    fn resolve(&self, _: &Uri, _: &ureq::config::Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        Err(ureq::Error::HostNotFound)
    }
}

fn choose_proxy(config: &Config, url: &Uri) -> Result<Option<Proxy>, Error> {
    match &config.proxy {
        Some(proxy) if proxy.expose().is_empty() => Ok(None),
        Some(proxy) => {
            let proxy = parse_proxy("proxy", proxy.expose())?;
            // The base URL's "loopback" would be the proxy's own.
            let in_clear = url.scheme_str() == Some("http") && !config::is_loopback(proxy.host());
            if in_clear && !config.allow_http {
                return Err(Error::invalid(
                    "proxy",
                    "would carry the secret in clear; use https, or allow http explicitly",
                ));
            }
            Ok(Some(proxy))
        }
        None if url.scheme_str() == Some("https") => proxy_from_environment(url),
        None => Ok(None),
    }
}

/// Upper case first, as ureq has it; curl's order differs, and nobody sets both.
fn proxy_from_environment(url: &Uri) -> Result<Option<Proxy>, Error> {
    let first = |upper, lower| Ok::<_, Error>(config::variable(upper)?.or(config::variable(lower)?));
    let Some(proxy) = first("HTTPS_PROXY", "https_proxy")? else { return Ok(None) };
    let proxy = parse_proxy("HTTPS_PROXY", &proxy)?;
    let Some(exceptions) = first("NO_PROXY", "no_proxy")? else { return Ok(Some(proxy)) };
    // Only a builder takes exceptions, and only to ask them once: the endpoint has one host.
    let asked = exceptions.split(',').fold(Proxy::builder(ProxyProtocol::Http).host("proxy"), |builder, exception| {
        builder.no_proxy(exception.trim())
    });
    let excepted = asked.build().is_ok_and(|asked| asked.is_no_proxy(url));
    Ok((!excepted).then_some(proxy))
}

/// Errors never repeat the URL: it may hold a password.
fn parse_proxy(field: &str, url: &str) -> Result<Proxy, Error> {
    let wrong = |problem| Error::invalid(field, format!("{problem}; expected http://[user:password@]host[:port]"));
    let proxy = Proxy::new(url).map_err(|_| wrong("is not a proxy URL"))?;
    let more = proxy.uri().path().len() > 1 || proxy.uri().query().is_some() || url.contains('#');
    if more || url.matches('@').count() > 1 {
        return Err(wrong("holds more than a proxy's address and credentials"));
    }
    match proxy.protocol() {
        ProxyProtocol::Http if proxy.host().is_empty() => Err(wrong("has no host")),
        ProxyProtocol::Http if !config::has_usable_port(proxy.uri()) => Err(wrong("has a port that is not one")),
        ProxyProtocol::Http => Ok(proxy),
        _ => Err(wrong("is not the URL of an HTTP proxy")),
    }
}

/// Reads one byte more than allowed, to tell the limit from beyond it. The buffer never grows: no copy is left behind.
fn read_body(body: &mut Body) -> Result<Zeroizing<Vec<u8>>, ureq::Error> {
    let limit = BODY_LIMIT_BYTES + 1;
    let mut read = Zeroizing::new(Vec::with_capacity(limit));
    body.as_reader().take(limit as u64).read_to_end(&mut read)?;
    Ok(read)
}

/// What an answer means: a token, or a status, the HTTP status that it goes by, and what the host did.
fn read_answer(http_status: u16, body: &[u8]) -> Result<Issued, (Status, u16, String)> {
    let body = if body.len() > BODY_LIMIT_BYTES { &[] } else { body };
    let body = body.strip_prefix(BYTE_ORDER_MARK).unwrap_or(body);
    let answer = Answer::read(body);
    let code = answer.as_ref().and_then(|answer| answer.code.as_ref()).map_or(http_status.into(), |code| code.0);
    let contradicts = success(http_status.into()) && !success(code);
    let meant = match u16::try_from(code) {
        Ok(code @ 100..) if contradicts => code,
        _ => http_status,
    };
    let failed = |status, what: &str| Err((status, meant, format!("answered {meant}: {what}")));
    match meant {
        200..=299 if contradicts => return failed(Status::BadResponse, "a code in the body that is no HTTP status"),
        200..=299 => {}
        401 => return failed(Status::Unauthenticated, "the client id or secret is invalid or disabled"),
        403 if serde_json::from_slice::<IgnoredAny>(body).is_ok() => {
            return failed(Status::Unauthenticated, "the client id or secret is not allowed");
        }
        403 => return failed(Status::Unavailable, "a block page in front of the service"),
        429 => return failed(Status::RateLimited, "too many requests"),
        408 | 500..=599 => return failed(Status::Unavailable, "the service is not available now"),
        300..=399 => return failed(Status::BadResponse, "a redirect, which is never followed; check base_url"),
        _ => return failed(Status::BadResponse, "not a status that the token endpoint promises; check base_url"),
    }
    let Some(answer) = answer else {
        return failed(Status::BadResponse, "a body that is not the JSON object that the API promises; check base_url");
    };
    let (access_token, ttl) = match answer.data {
        Some(data) if answer.access_token.is_none() => (data.access_token, data.ttl),
        _ => (answer.access_token, answer.ttl),
    };
    let Some(value) = access_token.filter(|token| is_b64token(token.expose())) else {
        return failed(Status::BadResponse, "no access_token that a header could carry (RFC 6750)");
    };
    match ttl {
        Some(Whole(ttl)) if ttl > 0 => Ok(Issued { value, ttl: Duration::from_secs(ttl).min(policy::TTL_MAX) }),
        _ => failed(Status::BadResponse, "no ttl that is a positive number of seconds"),
    }
}

/// Derived code refuses a key that occurs twice.
#[derive(Deserialize)]
struct Answer {
    code: Option<Whole>,
    access_token: Option<Secret>,
    ttl: Option<Whole>,
    #[serde(default, deserialize_with = "data_if_it_fits")]
    data: Option<Data>,
}

/// Where an older shape of the answer has them.
#[derive(Deserialize)]
struct Data {
    access_token: Option<Secret>,
    ttl: Option<Whole>,
}

/// The documented shape has no `data`, so that it may be anything there.
fn data_if_it_fits<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Data>, D::Error> {
    let raw: &RawValue = Deserialize::deserialize(deserializer)?;
    Ok(serde_json::from_str(raw.get()).ok())
}

impl Answer {
    /// Derived code would also take an array for the object.
    fn read(body: &[u8]) -> Option<Self> {
        let object = body.trim_ascii_start().starts_with(b"{");
        object.then(|| serde_json::from_slice(body).ok()).flatten()
    }
}

/// A whole number, or one in a string.
struct Whole(u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;
        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                Ok(Whole(number))
            }

            /// Also what a number beyond 64 bits arrives as, which is then as large as can be.
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
                (number >= u64::MAX as f64).then_some(Whole(u64::MAX)).ok_or_else(|| E::custom("not a whole number"))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Whole, E> {
                whole(text).map(Whole).ok_or_else(|| E::custom("not a whole number"))
            }
        }
        deserializer.deserialize_any(WholeVisitor)
    }
}

/// Digits and nothing else; beyond 64 bits, the largest number there is.
fn whole(text: &str) -> Option<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u64::MAX))
}

fn success(status: u64) -> bool {
    (200..=299).contains(&status)
}

/// The text that a Bearer header may carry: `b64token` of RFC 6750, section 2.1.
fn is_b64token(token: &str) -> bool {
    let body = token.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    !body.is_empty() && token.len() < TOKEN_CAPACITY && body.bytes().all(allowed)
}

/// Seconds or an HTTP date: RFC 9110, section 10.2.3. A date that has passed asks for no wait, and so does a text that
/// is neither; but any ends the fetch.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().unwrap_or_default().trim();
    let date = || {
        let date = httpdate::parse_http_date(text).ok()?.duration_since(UNIX_EPOCH).ok()?;
        Some(date.saturating_sub(clock::now().wall))
    };
    Some(whole(text).map(Duration::from_secs).or_else(date).unwrap_or_default())
}

/// An exchange that brought no answer.
fn broken(whom: &str, error: &ureq::Error) -> Failure {
    let (status, what) = match error {
        ureq::Error::HostNotFound => (Status::Unavailable, "could not be found: the name has no address".to_owned()),
        ureq::Error::Timeout(stage) => (Status::Unavailable, format!("did not answer in time (stage: {stage})")),
        ureq::Error::Io(error) => (Status::Unavailable, disconnected(error)),
        ureq::Error::Rustls(error) => (Status::Unavailable, failed_tls(error)),
        ureq::Error::Tls(problem) => (Status::Unavailable, format!("failed the TLS handshake: {problem}")),
        ureq::Error::ConnectionFailed => (Status::Unavailable, "could not be reached".to_owned()),
        ureq::Error::ConnectProxyFailed(_) => {
            (Status::Unavailable, "could not be reached: the proxy refused".to_owned())
        }
        ureq::Error::LargeResponseHeader(..) => {
            (Status::BadResponse, "answered with a head that is too long".to_owned())
        }
        ureq::Error::Protocol(_) => {
            (Status::BadResponse, "answered with a head that is not HTTP, or has too many headers".to_owned())
        }
        _ => (Status::BadResponse, "answered with something that cannot be understood".to_owned()),
    };
    Failure { error: Error::new(status, format!("{whom} {what}")), retry_after: None }
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
        ErrorKind::UnexpectedEof => "closed the connection before its answer was whole".to_owned(),
        ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted | ErrorKind::BrokenPipe => {
            "reset the connection before its answer was whole".to_owned()
        }
        _ => format!("could not be reached: {error}"),
    }
}

/// What `fuzz` feeds with bytes that nobody meant.
#[cfg(fuzzing)]
pub mod fuzzing {
    use super::*;

    /// Reads an answer: three digits of status, and a body.
    pub fn answer(input: &[u8]) {
        let Some((status, body)) = input.split_first_chunk::<3>() else { return };
        let http_status = str::from_utf8(status).ok().and_then(|status| status.parse().ok()).unwrap_or(201);
        match read_answer(http_status, body) {
            Ok(Issued { value, ttl }) => {
                assert!(is_b64token(value.expose()) && !ttl.is_zero() && ttl <= policy::TTL_MAX)
            }
            Err((_, meant, what)) => assert!(what.starts_with(&format!("answered {meant}: ")) && what.len() < 200),
        }
    }

    /// Reads a Retry-After, if the bytes are the value of a header.
    pub fn retry_after(value: &[u8]) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(value) {
            headers.insert(header::RETRY_AFTER, value);
            assert!(super::retry_after(&headers).is_some());
        }
    }

    /// One who asks a server for a token, again and again.
    pub struct Exchange(Endpoint);

    impl Exchange {
        /// The server of this URL.
        pub fn with(base_url: &str) -> Self {
            let config = Config::new("id", "secret").base_url(base_url).request_timeout(Duration::from_secs(2));
            Self(Endpoint::new(&config).expect("the settings are right"))
        }

        /// One request.
        pub fn run(&self) {
            if let Err(Failure { error, .. }) = self.0.exchange() {
                assert!(error.message.starts_with("127.0.0.1 ") && error.message.len() < 300, "{}", error.message);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(http_status: u16, body: &str, expected: Result<(&str, u64), (Status, u16)>) {
        let actual = read_answer(http_status, body.as_bytes()).map_err(|(status, meant, _)| (status, meant));
        let expected =
            expected.map(|(value, ttl)| Issued { value: Secret::new(value.to_owned()), ttl: Duration::from_secs(ttl) });
        assert_eq!(actual, expected, "{http_status} {body:.100}");
    }

    #[test]
    fn an_answer_with_a_usable_token_and_ttl_is_a_token() {
        let longest = "x".repeat(TOKEN_CAPACITY - 1);
        for (http_status, body, expected) in [
            (201, r#"{"code":201,"access_token":"5e79","ttl":60000}"#, ("5e79", 60_000)),
            (200, r#"{"ttl":"7","access_token":"aZ09-._~+\/==","more":[1,{}]}"#, ("aZ09-._~+/==", 7)),
            (201, r#"{"code":"200","access_token":"t","ttl":1}"#, ("t", 1)),
            (201, r#"{"code":null,"access_token":"t","ttl":99999999999}"#, ("t", 315_360_000)),
            (201, r#"{"access_token":"t","ttl":99999999999999999999}"#, ("t", 315_360_000)),
            (201, r#"{"access_token":"t","ttl":"99999999999999999999"}"#, ("t", 315_360_000)),
            (200, r#"{"code":200,"data":{"access_token":"t","ttl":7,"more":null}}"#, ("t", 7)),
            (201, r#"{"access_token":"t","ttl":7,"data":{"access_token":"u","ttl":8}}"#, ("t", 7)),
            (201, r#"{"access_token":"t","ttl":7,"data":null}"#, ("t", 7)),
            (201, r#"{"access_token":"t","ttl":7,"data":[]}"#, ("t", 7)),
            (201, r#"{"data":"x","access_token":"t","ttl":7}"#, ("t", 7)),
            (201, r#"{"access_token":"t","ttl":7,"data":{"ttl":-1,"access_token":{}}}"#, ("t", 7)),
            (201, "\u{feff}{\"access_token\":\"t\",\"ttl\":7}", ("t", 7)),
            (299, &format!(r#"{{"access_token":"{longest}","ttl":1}}"#), (&longest, 1)),
        ] {
            check(http_status, body, Ok(expected));
        }
    }

    #[test]
    fn a_2xx_without_them_is_a_bad_response() {
        let too_long = format!(r#"{{"access_token":"{}","ttl":1}}"#, "x".repeat(TOKEN_CAPACITY));
        let too_large = format!(r#"{{"access_token":"t","ttl":1}}{}"#, " ".repeat(BODY_LIMIT_BYTES));
        for body in [
            "",
            "null",
            "[]",
            r#"[201,"t",1]"#,
            "<html></html>",
            r#"{"access_token":"t","ttl":1"#,
            r#"{"access_token":"t","ttl":1}x"#,
            r#"{"access_token":"t"}"#,
            r#"{"ttl":1}"#,
            r#"{"access_token":null,"ttl":1}"#,
            r#"{"access_token":7,"ttl":1}"#,
            r#"{"access_token":"","ttl":1}"#,
            r#"{"access_token":"==","ttl":1}"#,
            r#"{"access_token":"a b","ttl":1}"#,
            r#"{"access_token":"a\r\nb","ttl":1}"#,
            r#"{"access_token":"a=b","ttl":1}"#,
            r#"{"access_token":"é","ttl":1}"#,
            r#"{"access_token":"t","ttl":0}"#,
            r#"{"access_token":"t","ttl":-1}"#,
            r#"{"access_token":"t","ttl":1.5}"#,
            r#"{"access_token":"t","ttl":"1h"}"#,
            r#"{"access_token":"t","ttl":"+1"}"#,
            r#"{"access_token":"t","ttl":60.0}"#,
            r#"{"access_token":"t","ttl":-1e30}"#,
            r#"{"code":0,"access_token":"t","ttl":1}"#,
            r#"{"code":70000,"access_token":"t","ttl":1}"#,
            r#"{"access_token":"t","ttl":true}"#,
            r#"{"access_token":"t","access_token":"u","ttl":1}"#,
            r#"{"access_token":"t","ttl":1,"ttl":1}"#,
            r#"{"access_token":"t","data":{"ttl":1}}"#,
            r#"{"ttl":1,"data":{"access_token":"t"}}"#,
            r#"{"data":{"access_token":"t","access_token":"u","ttl":1}}"#,
            r#"{"data":{"data":{"access_token":"t","ttl":1}}}"#,
            r#"{"data":[]}"#,
            "\u{feff}\u{feff}{\"access_token\":\"t\",\"ttl\":7}",
            &too_long,
            &too_large,
        ] {
            check(201, body, Err((Status::BadResponse, 201)));
        }
    }

    #[test]
    fn other_statuses_mean_what_the_design_says() {
        for (http_status, body, status) in [
            (401, r#"{"code":401,"message":"Unauthenticated"}"#, Status::Unauthenticated),
            (401, "<html>", Status::Unauthenticated),
            (403, r#"{"code":403}"#, Status::Unauthenticated),
            (403, r#"{"code":"forbidden","access_token":[]}"#, Status::Unauthenticated),
            (403, "<html>", Status::Unavailable),
            (429, "", Status::RateLimited),
            (408, "", Status::Unavailable),
            (500, "", Status::Unavailable),
            (503, "<html>", Status::Unavailable),
            (302, "", Status::BadResponse),
            (400, r#"{"code":400,"errors":null}"#, Status::BadResponse),
            (404, r#"{"code":404}"#, Status::BadResponse),
            (405, "", Status::BadResponse),
            (500, r#"{"code":201,"access_token":"t","ttl":1}"#, Status::Unavailable),
        ] {
            check(http_status, body, Err((status, http_status)));
        }
    }

    #[test]
    fn a_code_outside_2xx_counts_as_the_http_status() {
        for (body, status, meant) in [
            (r#"{"code":401,"access_token":"t","ttl":1}"#, Status::Unauthenticated, 401),
            (r#"{"code":403}"#, Status::Unauthenticated, 403),
            (r#"{"code":"429"}"#, Status::RateLimited, 429),
            (r#"{"code":503}"#, Status::Unavailable, 503),
            (r#"{"code":503,"data":[]}"#, Status::Unavailable, 503),
            (r#"{"code":429,"data":"slow down"}"#, Status::RateLimited, 429),
            (r#"{"code":404}"#, Status::BadResponse, 404),
        ] {
            check(200, body, Err((status, meant)));
        }
    }

    #[test]
    fn a_proxy_is_an_address_with_credentials_and_no_more() {
        for url in ["http://proxy.test:3128", "http://user:p4ss@proxy.test", "http://proxy.test/"] {
            assert!(parse_proxy("proxy", url).is_ok(), "{url}");
        }
        for url in [
            "http://u:p4ss@h:1/path",
            "http://u:p4ss@h:1/?x",
            "http://h:1#p4ss",
            "http://p4ss@b@c:1",
            "http://h:0",
            "http://h:65536",
            "http://",
            "https://u:p4ss@h",
            "socks5://u:p4ss@h",
            "not a url",
        ] {
            let error = parse_proxy("proxy", url).expect_err(url);
            assert!(error.message.starts_with("proxy ") && !error.message.contains("p4ss"), "{url}: {error}");
        }
    }

    #[test]
    fn no_proxy_elsewhere_carries_the_secret_in_clear() {
        let new = |config: Config| Endpoint::new(&config).err().map(|error| error.message);
        let config = |proxy| Config::new("id", "secret").base_url("http://127.0.0.1:1").proxy(proxy);
        assert!(new(config("http://proxy.test:1")).is_some_and(|message| message.starts_with("proxy would carry")));
        assert_eq!(new(config("http://proxy.test:1").allow_http(true)), None);
        assert_eq!(new(config("http://127.0.0.1:2")), None);
        assert_eq!(new(config("http://proxy.test:1").base_url("https://hub.test")), None);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, HeaderValue::from_str(text).expect("a header"));
            retry_after(&headers)
        };
        assert_eq!(read("120"), Some(Duration::from_secs(120)));
        assert_eq!(read("99999999999999999999999"), Some(Duration::from_secs(u64::MAX)));
        assert_eq!(read("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert!(read("Fri, 31 Dec 2100 23:59:59 GMT").is_some_and(|wait| wait > Duration::from_secs(3600)));
        for text in ["", "soon", "-1", "+1", "1.5"] {
            assert_eq!(read(text), Some(Duration::ZERO), "{text}");
        }
    }
}
