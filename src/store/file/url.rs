//! The directory that a `file:` URL names (RFC 8089). Reads no file.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use bankhub_core::Error;

use crate::store::invalid;

/// Takes what follows `file:`. The path is returned without `.`, repeated slashes, and a slash at its end, with which
/// the system would follow a link.
pub(super) fn directory(after_scheme: &str) -> Result<PathBuf, Error> {
    if after_scheme.contains(['?', '#']) {
        return Err(invalid("contains '?' or '#', which end the path of a URL; write %3F and %23"));
    }
    let path = without_host(after_scheme)?;
    if !path.starts_with('/') {
        return Err(invalid("must name a directory by its full path: file:/DIR; '~' and variables are not expanded"));
    }
    if path.starts_with("//") {
        return Err(invalid("has a path that begins with '//', which may name a host; write file:/DIR"));
    }
    let mut directory = PathBuf::from("/");
    for segment in path.split('/') {
        match &decoded(segment)?[..] {
            b"" | b"." => {}
            b".." => return Err(invalid("contains '..'; write the path without it")),
            name => directory.push(OsString::from_vec(name.to_vec())),
        }
    }
    match directory.parent() {
        Some(_) => Ok(directory),
        None => Err(invalid("names the root of all directories; name one that only this user uses: file:/DIR")),
    }
}

fn without_host(after_scheme: &str) -> Result<&str, Error> {
    let Some(rest) = after_scheme.strip_prefix("//") else { return Ok(after_scheme) };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match host.is_empty() || host.eq_ignore_ascii_case("localhost") {
        true => Ok(path),
        false => Err(invalid("has a host after file://, but its directory is on this machine; write file:///DIR")),
    }
}

fn decoded(segment: &str) -> Result<Vec<u8>, Error> {
    let mut pieces = segment.split('%');
    let mut name = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let escape = piece.get(..2).filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
        let byte = escape.and_then(|digits| u8::from_str_radix(digits, 16).ok());
        name.push(byte.ok_or_else(|| invalid("contains a '%' that begins no escape; write %25 for it"))?);
        name.extend_from_slice(&piece.as_bytes()[2..]);
    }
    if name.iter().any(u8::is_ascii_control) {
        return Err(invalid("contains a control character, such as NUL or a line break; remove it"));
    }
    match name.contains(&b'/') {
        true => Err(invalid("contains %2F, but no name of a directory can contain '/'; write '/' between two names")),
        false => Ok(name),
    }
}

#[cfg(test)]
mod tests;
