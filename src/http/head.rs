//! The head of an HTTP response: status line and headers, up to the empty line.

use std::io::{self, BufRead, Read};

use ureq::http::header::{
    CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, HeaderName, RETRY_AFTER, TRANSFER_ENCODING,
};

/// More is not read of one head.
pub(super) const HEAD_BYTES_MAX: usize = 64 * 1024;

/// Those that ureq needs for the body, and those that give the response its meaning.
const USED_HEADERS: [HeaderName; 6] =
    [CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, DATE, RETRY_AFTER, TRANSFER_ENCODING];

/// Reads a head. A header that is folded over several lines becomes one line (RFC 9112, section 5.2). If the text is
/// not a head, is too long or breaks off, it is returned as far as it was read.
pub(super) fn read(reader: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    let begins_as_http = |bytes: &[u8]| bytes.iter().zip(b"HTTP/").all(|(got, expected)| got == expected);
    if !begins_as_http(reader.fill_buf()?) {
        return Ok(head);
    }
    let mut limited = reader.take(HEAD_BYTES_MAX as u64 + 1);
    for line_number in 0.. {
        let start = head.len();
        let read = limited.read_until(b'\n', &mut head)?;
        let line = &head[start..];
        if read == 0 || !begins_as_http(&head) || line == b"\r\n" || line == b"\n" {
            break;
        }
        let is_folded = line.starts_with(b" ") || line.starts_with(b"\t");
        if is_folded && line_number > 1 {
            let line_end = if head[..start].ends_with(b"\r\n") { start - 2 } else { start - 1 };
            head[line_end..start].fill(b' ');
        }
    }
    Ok(head)
}

/// Without the headers that this library does not use. ureq refuses a response with more than 128 headers, although its
/// status alone may say enough.
pub(super) fn without_unused_headers(head: Vec<u8>) -> Vec<u8> {
    if !is_whole(&head) {
        return head;
    }
    let lines = head.split_inclusive(|byte| *byte == b'\n').enumerate();
    lines.filter(|(number, line)| *number == 0 || !is_unused(line)).flat_map(|(_, line)| line).copied().collect()
}

/// A line that is not a header is for ureq to refuse.
fn is_unused(line: &[u8]) -> bool {
    let Some(colon) = line.iter().position(|byte| *byte == b':') else { return false };
    let name = &line[..colon];
    HeaderName::from_bytes(name).is_ok_and(|name| !USED_HEADERS.contains(&name))
}

/// The status of a head, if it has one.
pub(super) fn status(head: &[u8]) -> Option<u16> {
    let line = head.split(|byte| *byte == b'\n').next()?;
    let status = line.split(|byte| *byte == b' ').nth(1)?;
    let status = str::from_utf8(status).ok()?.trim();
    if status.len() == 3 { status.parse().ok() } else { None }
}

/// Whether it has its empty line.
pub(super) fn is_whole(head: &[u8]) -> bool {
    head.ends_with(b"\n\r\n") || head.ends_with(b"\n\n")
}

#[cfg(test)]
mod tests;
