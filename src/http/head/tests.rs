//! The part of a response before its body.

use super::*;

fn read_all(bytes: &[u8]) -> String {
    String::from_utf8(read(&mut &*bytes).unwrap()).unwrap()
}

#[test]
fn ends_at_the_empty_line() {
    for head in ["HTTP/1.1 201 Created\r\na: b\r\n\r\n", "HTTP/1.1 201\na: b\n\n"] {
        assert_eq!(read_all(format!("{head}{{}}").as_bytes()), head);
    }
}

#[test]
fn unfolds_a_header() {
    let folded = b"HTTP/1.1 201 Created\r\na: b\r\n  c\r\n\td\r\ne: f\r\n\r\n";
    assert_eq!(read_all(folded), "HTTP/1.1 201 Created\r\na: b    c  \td\r\ne: f\r\n\r\n");
    assert_eq!(read_all(b"HTTP/1.1 201\na: b\n c\n\n"), "HTTP/1.1 201\na: b  c\n\n");
}

#[test]
fn folds_nothing_into_the_status_line() {
    let head = "HTTP/1.1 201 Created\r\n a: b\r\n\r\n";
    assert_eq!(read_all(head.as_bytes()), head);
}

#[test]
fn returns_what_is_no_head() {
    assert_eq!(read_all(b"220 mail.test ESMTP"), "");
    assert_eq!(read_all(b"HTTP/1.1 201"), "HTTP/1.1 201");
    let endless = [b"HTTP/1.1 201\r\n".as_slice(), &[b'a'; 2 * HEAD_BYTES_MAX]].concat();
    assert_eq!(read_all(&endless).len(), HEAD_BYTES_MAX + 1);
}

#[test]
fn has_a_status() {
    for (head, expected) in [
        ("HTTP/1.1 201 Created\r\n\r\n", Some(201)),
        ("HTTP/1.0 407\r\n\r\n", Some(407)),
        ("HTTP/1.1 20", None),
        ("HTTP/1.1", None),
        ("", None),
    ] {
        assert_eq!(status(head.as_bytes()), expected, "{head:?}");
    }
}

#[test]
fn drops_headers_that_are_not_used() {
    let dropped = |head: &str| String::from_utf8(without_unused_headers(head.into())).unwrap();
    let head = "HTTP/1.1 401 No: never\r\nX-A: b\r\nRETRY-after: 5\r\nSet-Cookie: a\r\nContent-Length: 2\r\n\r\n";
    assert_eq!(dropped(head), "HTTP/1.1 401 No: never\r\nRETRY-after: 5\r\nContent-Length: 2\r\n\r\n");
    for kept in ["HTTP/1.1 200\r\nX-A : b\r\n\r\n", "HTTP/1.1 200\r\nno header\r\n\r\n", "HTTP/1.1 200\r\nX-A: b\r\n"] {
        assert_eq!(dropped(kept), kept);
    }
}
