//! The URL of a store on Redis: which servers, how to log in, and whether with TLS. No message repeats it: it may hold
//! a password.

use std::fmt;
use std::path::PathBuf;

use bankhub_core::{Error, Secret};

use crate::store::invalid;

const PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26379;

/// One less than the room for a path in the address of a Unix socket, on Linux and on other systems.
const SOCKET_PATH_BYTES_MAX: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

const NOT_SERVERS: &str =
    "is not a Redis URL; expected redis://[[user]:password@]host[:port][,host[:port]…][/database], or rediss://…";
const NOT_SENTINELS: &str = "is not a Redis URL; expected \
                             redis+sentinel://[[user]:password@]host[:port][,host[:port]…]/NAME[/database], or \
                             rediss+sentinel://…";
const NOT_A_SOCKET: &str = "is not a Redis URL; expected redis+unix:/PATH[?user=…&pass=…&db=…]";
const UNENCODED: &str = "has a user or password with '@', '#', '/' or '?'; write them as %40, %23, %2F and %3F";
const LOGINS: &str = "has a login before several hosts; write one before the first host, and '@' in a password as %40";

pub(super) struct StoreUrl {
    pub(super) topology: Topology,
    pub(super) login: Login,
    pub(super) is_tls: bool,
}

#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) enum Topology {
    /// One server, or some nodes of a Cluster.
    Servers(Vec<Address>),
    /// They know which server is the master of this name.
    Sentinels { sentinels: Vec<Address>, master: String, login: Login },
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    /// A host name, or an IP address without brackets.
    Tcp(String, u16),
    Socket(PathBuf),
}

#[derive(Clone, Default)]
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(super) struct Login {
    pub(super) user: Option<Secret>,
    pub(super) password: Option<Secret>,
    pub(super) database: u32,
}

/// The names and values of the query.
type Parameters<'u> = Vec<(&'u str, &'u str)>;

impl StoreUrl {
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        if url.contains(|c: char| c.is_ascii_control() || c == ' ') {
            return Err(invalid("contains a space or a control character; percent-encode it"));
        }
        let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
        let scheme = scheme.to_ascii_lowercase();
        let is_tls = scheme.starts_with("rediss");
        if rest.contains('#') {
            return Err(invalid("contains '#'; write %23 in a password"));
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (topology, login) = match scheme.as_str() {
            "redis+unix" => socket(rest, parameters(query, &["user", "pass", "db"])?)?,
            "redis+sentinel" | "rediss+sentinel" => {
                sentinels(rest, parameters(query, &["sentinel_username", "sentinel_password"])?)?
            }
            _ if url.contains('?') => {
                return Err(invalid("contains '?', but has no parameters; write %3F in a password"));
            }
            _ => servers(rest)?,
        };
        Ok(Self { topology, login, is_tls })
    }
}

impl Login {
    fn parse(user_info: Option<&str>) -> Result<Self, Error> {
        let Some(user_info) = user_info else { return Ok(Self::default()) };
        let (user, password) = user_info.split_once(':').unwrap_or((user_info, ""));
        Self::new(Some(user), Some(password))
    }

    fn new(user: Option<&str>, password: Option<&str>) -> Result<Self, Error> {
        let decoded = |text: Option<&str>| text.filter(|text| !text.is_empty()).map(decode).transpose();
        let login = Self { user: decoded(user)?, password: decoded(password)?, database: 0 };
        match login.user.is_some() && login.password.is_none() {
            true => Err(invalid("has a user without a password; write user:password@, or :password@")),
            false => Ok(login),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Socket(path) => write!(f, "{}", path.display()),
        }
    }
}

fn servers(rest: &str) -> Result<(Topology, Login), Error> {
    let (authority, path) = authority_and_path(rest).ok_or_else(|| invalid(NOT_SERVERS))?;
    let (mut login, hosts) = login_and_hosts(authority, path, PORT, NOT_SERVERS)?;
    login.database = database(path.trim_matches('/'))?;
    if hosts.len() > 1 && login.database != 0 {
        return Err(invalid(
            "names several hosts and a database: they are nodes of a Cluster, which has only database 0",
        ));
    }
    Ok((Topology::Servers(hosts), login))
}

fn sentinels(rest: &str, parameters: Parameters<'_>) -> Result<(Topology, Login), Error> {
    let (authority, path) = authority_and_path(rest).ok_or_else(|| invalid(NOT_SENTINELS))?;
    let (mut login, sentinels) = login_and_hosts(authority, path, SENTINEL_PORT, NOT_SENTINELS)?;
    let path = path.strip_prefix('/').unwrap_or(path).trim_end_matches('/');
    let (name, number) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() {
        return Err(invalid("names no master; write the name that the Sentinels know it by after the hosts: …/NAME"));
    }
    login.database = database(number)?;
    let own = Login::new(value(&parameters, "sentinel_username"), value(&parameters, "sentinel_password"))?;
    let own = if own.password.is_some() { own } else { Login { database: 0, ..login.clone() } };
    let master = decode(name)?.expose().to_owned();
    Ok((Topology::Sentinels { sentinels, master, login: own }, login))
}

fn socket(rest: &str, parameters: Parameters<'_>) -> Result<(Topology, Login), Error> {
    if !cfg!(unix) {
        return Err(invalid("is a Unix socket, which this system does not have"));
    }
    let (authority, path) = authority_and_path(rest).unwrap_or(("", rest));
    let (user_info, host) = authority.rsplit_once('@').map_or((None, authority), |(info, host)| (Some(info), host));
    if !host.is_empty() || !path.starts_with('/') || path.ends_with('/') {
        return Err(invalid(NOT_A_SOCKET));
    }
    let path = decode(path)?.expose().to_owned();
    if path.len() > SOCKET_PATH_BYTES_MAX || path.contains('\0') {
        return Err(invalid(&format!(
            "has a path that no Unix socket can have; at most {SOCKET_PATH_BYTES_MAX} bytes"
        )));
    }
    let mut login = match user_info {
        Some(_) => Login::parse(user_info)?,
        None => Login::new(value(&parameters, "user"), value(&parameters, "pass"))?,
    };
    login.database = database(value(&parameters, "db").unwrap_or_default())?;
    Ok((Topology::Servers(vec![Address::Socket(path.into())]), login))
}

/// The parts of `//authority/path`. The path begins with its '/'.
fn authority_and_path(rest: &str) -> Option<(&str, &str)> {
    let rest = rest.strip_prefix("//")?;
    Some(rest.split_at(rest.find('/').unwrap_or(rest.len())))
}

fn login_and_hosts(authority: &str, path: &str, port: u16, expected: &str) -> Result<(Login, Vec<Address>), Error> {
    if path.contains('@') {
        return Err(invalid(UNENCODED));
    }
    let (user_info, hosts) = authority.rsplit_once('@').map_or((None, authority), |(info, hosts)| (Some(info), hosts));
    if user_info.is_some_and(|login| login.contains('@') && login.contains(',')) {
        return Err(invalid(LOGINS));
    }
    let hosts = hosts.split(',').map(|host| address(host, port, expected)).collect::<Result<_, _>>()?;
    Ok((Login::parse(user_info)?, hosts))
}

fn address(text: &str, default_port: u16, expected: &str) -> Result<Address, Error> {
    let (host, port) = match text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        Some((host, rest)) if host.contains(':') => (host, rest.strip_prefix(':').or(rest.is_empty().then_some(""))),
        Some(_) => (text, None),
        None => text.split_once(':').map_or((text, Some("")), |(host, port)| (host, Some(port))),
    };
    let port = port.ok_or_else(|| invalid(expected))?;
    if host.is_empty() {
        return Err(invalid(expected));
    }
    if !is_host(host) {
        return Err(invalid("has a host that is neither a host name nor an IP address"));
    }
    let is_omitted = !text.ends_with(':') && port.is_empty();
    match if is_omitted { Some(default_port) } else { port_number(port) } {
        Some(port) => Ok(Address::Tcp(host.to_owned(), port)),
        None => Err(invalid("has a port that is not a number from 1 to 65535; an IPv6 address needs brackets")),
    }
}

/// Also of an address that a server names.
pub(super) fn is_host(text: &str) -> bool {
    if text.contains(':') {
        return text.parse::<std::net::Ipv6Addr>().is_ok_and(|address| !address.is_unspecified());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !text.is_empty() && text.len() <= 255 && text.bytes().all(is_name) && text != "0.0.0.0"
}

pub(super) fn port_number(text: &str) -> Option<u16> {
    text.parse().ok().filter(|port| *port != 0 && text.bytes().all(|byte| byte.is_ascii_digit()))
}

fn database(text: &str) -> Result<u32, Error> {
    match text {
        "" => Ok(0),
        digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            digits.parse().map_err(|_| invalid("has a database that is too large"))
        }
        _ => Err(invalid("has a database that is not a number")),
    }
}

fn parameters<'u>(query: &'u str, known: &[&str]) -> Result<Parameters<'u>, Error> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    let pairs: Vec<_> = pairs.map(|pair| pair.split_once('=').unwrap_or((pair, ""))).collect();
    match pairs.iter().all(|(name, _)| known.contains(name)) {
        true => Ok(pairs),
        false => Err(invalid(&format!(
            "has a parameter that is not supported; supported are {}; write '?' as %3F in a password",
            known.join(", ")
        ))),
    }
}

fn value<'u>(parameters: &Parameters<'u>, name: &str) -> Option<&'u str> {
    parameters.iter().find(|(found, _)| *found == name).map(|(_, value)| *value)
}

/// A '%' without two hexadecimal digits after it stands for itself, as in other clients.
fn decode(text: &str) -> Result<Secret, Error> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let digits =
            bytes.get(at + 1..at + 3).filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        decoded.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    let decoded = String::from_utf8(decoded).map_err(|_| invalid("has percent-encoded bytes that are not UTF-8"))?;
    Ok(Secret::new(decoded))
}

#[cfg(test)]
mod tests;
