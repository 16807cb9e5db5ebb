//! Which hosts NO_PROXY excepts from the proxy. No standard says it; this accepts what curl, Go and Python's requests
//! accept.

use std::net::IpAddr;

use super::bare_host;

/// Entries are separated by commas or white space, such as the line break at the end of a file. An entry is
/// - `*`, for every host;
/// - a domain, with or without a dot before it, for it and all hosts below it; after `*.`, for these alone;
/// - an IP address, or a range of them such as `10.0.0.0/8`.
///
/// A domain or address may have a port, and is then for that port only.
pub(super) fn excepts(exceptions: &str, host: &str, port: u16) -> bool {
    let host = bare_host(host).trim_end_matches('.').to_ascii_lowercase();
    exceptions
        .split(|sign: char| sign == ',' || sign.is_ascii_whitespace())
        .filter(|entry| !entry.is_empty())
        .any(|entry| covers(entry, &host, port))
}

fn covers(entry: &str, host: &str, port: u16) -> bool {
    if entry == "*" {
        return true;
    }
    let (entry, only_port) = split_port(entry);
    if only_port.is_some_and(|only| only != port) {
        return false;
    }
    match host.parse::<IpAddr>() {
        Ok(address) => covers_address(entry, address),
        Err(_) => covers_name(entry, host),
    }
}

/// An IPv6 address without brackets has no port.
fn split_port(entry: &str) -> (&str, Option<u16>) {
    match entry.rsplit_once(':') {
        Some((name, "")) if !name.contains(':') => (name, None),
        Some((name, port)) if name.ends_with(']') || !name.contains(':') => match port.parse() {
            Ok(port) => (bare_host(name), Some(port)),
            Err(_) => (entry, None),
        },
        _ => (bare_host(entry), None),
    }
}

fn covers_address(entry: &str, address: IpAddr) -> bool {
    let Some((first, length)) = entry.split_once('/') else { return entry.parse() == Ok(address) };
    let (Ok(first), Ok(length)) = (bare_host(first).parse::<IpAddr>(), length.parse::<u32>()) else { return false };
    match (first, address) {
        (IpAddr::V4(first), IpAddr::V4(address)) if length <= 32 => {
            (first.to_bits() ^ address.to_bits()).checked_shr(32 - length).unwrap_or(0) == 0
        }
        (IpAddr::V6(first), IpAddr::V6(address)) if length <= 128 => {
            (first.to_bits() ^ address.to_bits()).checked_shr(128 - length).unwrap_or(0) == 0
        }
        _ => false,
    }
}

fn covers_name(entry: &str, host: &str) -> bool {
    let entry = entry.trim_end_matches('.').to_ascii_lowercase();
    let (domain, covers_itself) = match entry.strip_prefix("*.") {
        Some(domain) => (domain, false),
        None => (entry.strip_prefix('.').unwrap_or(&entry), true),
    };
    match host.strip_suffix(domain) {
        Some("") => covers_itself && !domain.is_empty(),
        Some(below) => below.ends_with('.') && !domain.is_empty(),
        None => false,
    }
}

#[cfg(test)]
mod tests;
