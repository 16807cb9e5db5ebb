//! As much of Rust's grammar as the rules need: what is code, where a bracket closes, which functions there are.

use std::ops::Range;

/// The text with everything in comments, strings and character literals blanked out, every byte at its old place.
pub(crate) fn code(text: &str) -> String {
    let mut code = Vec::with_capacity(text.len());
    while let Some(first) = text[code.len()..].chars().next() {
        let rest = &text[code.len()..];
        let blank = comment_bytes(rest).or_else(|| literal_bytes(rest, code.last().copied())).unwrap_or(0);
        for byte in rest.bytes().take(blank) {
            code.push(if byte == b'\n' { b'\n' } else { b' ' });
        }
        if blank == 0 {
            code.extend(rest.bytes().take(first.len_utf8()));
        }
    }
    String::from_utf8(code).expect("only whole characters were replaced")
}

fn comment_bytes(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    rest.starts_with("/*").then(|| {
        let (mut at, mut depth) = (2, 1);
        while depth > 0 && at < rest.len() {
            let step = rest.as_bytes()[at..].get(..2).unwrap_or_default();
            depth = depth + usize::from(step == b"/*") - usize::from(step == b"*/");
            at += if step == b"/*" || step == b"*/" { 2 } else { 1 };
        }
        at
    })
}

fn literal_bytes(rest: &str, before: Option<u8>) -> Option<usize> {
    if rest.starts_with('"') {
        return Some(quoted_bytes(rest, '"'));
    }
    if let Some(inside) = rest.strip_prefix('\'') {
        let mut characters = inside.chars();
        let (first, second) = (characters.next()?, characters.next()?);
        return (first == '\\' || second == '\'').then(|| quoted_bytes(rest, '\'')); // otherwise it is a lifetime
    }
    let starts_a_word = before.is_none_or(|before| !is_word(before.into()));
    let raw = rest.strip_prefix('r').or_else(|| rest.strip_prefix("br")).or_else(|| rest.strip_prefix("cr"))?;
    let hashes = raw.len() - raw.trim_start_matches('#').len();
    let body = raw[hashes..].strip_prefix('"').filter(|_| starts_a_word)?;
    let end = format!("\"{}", "#".repeat(hashes));
    let length = body.find(&end).map_or(body.len(), |at| at + end.len());
    Some(rest.len() - body.len() + length)
}

fn quoted_bytes(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        if c == quote && !escaped {
            return at + 1;
        }
        escaped = c == '\\' && !escaped;
    }
    rest.len()
}

pub(crate) fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Each identifier, keyword or number, and where it stands.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        at += code[at..].find(is_word)?;
        let start = at;
        at += code[at..].find(|c| !is_word(c)).unwrap_or(code.len() - at);
        Some((start, &code[start..at]))
    })
}

/// Where any of these words stand.
pub(crate) fn places(code: &str, wanted: &[&str]) -> Vec<(usize, String)> {
    words(code).filter(|(_, word)| wanted.contains(word)).map(|(at, word)| (at, word.to_owned())).collect()
}

/// Where the bracket that opens at this place closes; the end of the code if it never does.
pub(crate) fn closing(code: &str, open: usize) -> usize {
    let mut depth = 0;
    for (at, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
    }
    code.len()
}

/// A function that has a body.
pub(crate) struct Function<'a> {
    /// Where its `fn` stands.
    pub(crate) at: usize,
    pub(crate) name: &'a str,
    /// From the opening brace to the closing one.
    pub(crate) body: Range<usize>,
}

pub(crate) fn functions(code: &str) -> impl Iterator<Item = Function<'_>> {
    let names = words(code).skip(1);
    words(code).zip(names).filter(|((_, word), _)| *word == "fn").filter_map(|((at, _), (after, name))| {
        let is_declared = code[at + 2..after].trim().is_empty(); // `fn(` is a type
        let open = body_start(code, after + name.len()).filter(|_| is_declared)?;
        Some(Function { at, name, body: open..closing(code, open) })
    })
}

/// The first brace outside all brackets, unless the declaration ends before it.
fn body_start(code: &str, from: usize) -> Option<usize> {
    let mut at = from;
    loop {
        at += code[at..].find(['(', '[', '{', ';'])?;
        match code.as_bytes()[at] {
            b'{' => return Some(at),
            b';' => return None,
            _ => at = closing(code, at),
        }
    }
}

#[test]
fn code_is_what_is_left_without_comments_and_literals() {
    let samples = [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("a \" // b", 'c', '\'', '"')"#, "f(           ,    ,     ,    )"),
        (r##"r#"a " b"# c"##, "           c"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("\"…\" é", "      é"),
        ("var\"x\"", "var   "),
    ];
    for (text, expected) in samples {
        assert_eq!(code(text), expected, "{text}");
    }
}

#[test]
fn functions_are_found_with_their_bodies() {
    let code = "fn a<F: Fn(u8) -> [u8; 2]>(f: F) -> [u8; 2] { { } } trait T { fn b(); } fn c(x: fn(u8)) {}";
    let found: Vec<_> = functions(code).map(|function| (function.name, &code[function.body])).collect();
    assert_eq!(found, [("a", "{ { } "), ("c", "{")]);
}
