//! Which room of `src/` may know which, and who may not know the library at all.

use std::collections::BTreeSet;

use crate::rust::{closing, code, is_word, places, words};
use crate::{Breach, File, below, complaints, keep};

/// Each room of `src/`, and the rooms that it may name. `lib.rs` is the house and may name them all.
const IMPORTS: &[(&str, &[&str])] = &[
    ("allocator", &[]),
    ("error", &[]),
    ("secret", &[]),
    ("fork", &[]),
    ("thread", &[]),
    ("policy", &[]),
    ("config", &["error", "secret"]),
    ("life", &["error", "policy", "secret"]),
    ("turn", &["policy"]),
    ("clock", &["life", "policy"]),
    ("slot", &["clock", "fork", "life", "policy", "secret"]),
    ("table", &["clock", "fork", "life", "secret", "slot"]),
    ("roots", &["error"]),
    ("endpoint", &["clock", "config", "error", "life", "policy", "roots", "secret", "slot"]),
    ("store", &["clock", "config", "error", "fork", "life", "policy", "roots", "secret", "thread", "turn"]),
    (
        "cache",
        &["clock", "config", "endpoint", "error", "fork", "life", "policy", "slot", "store", "sync", "thread", "turn"],
    ),
    ("handle", &["cache", "clock", "config", "endpoint", "error", "fork", "life", "slot", "store", "table"]),
    ("token_cache", &["config", "error", "life", "secret", "slot", "table"]),
    (BOUNDARY, &[]),
];

/// Knows what `lib.rs` exports, and none of the rooms.
const BOUNDARY: &str = "ffi";

#[test]
fn rooms_know_only_the_rooms_they_may_know() {
    keep(
        "a room of src/ names only the rooms that IMPORTS in tests/tidy/imports.rs allows it; ffi, what lib.rs exports",
        "move the code to where it belongs, or pass in what it needs; changing the table changes the architecture",
        below("src/").flat_map(|file| stray_imports(file, IMPORTS)),
    );
}

#[test]
fn every_room_has_a_line_in_the_table() {
    let rooms: BTreeSet<_> = below("src/").filter_map(room).collect();
    let lines: BTreeSet<_> = IMPORTS.iter().map(|(room, _)| *room).collect();
    assert_eq!(rooms, lines, "remedy: in tests/tidy/imports.rs, give each room of src/ its line, and none to others");
}

#[test]
fn the_mock_server_does_not_know_the_library() {
    keep(
        "the mock server never imports the library: a mistake that they shared would hide itself",
        "write what the mock server needs in the mock server",
        below("mock-server/").flat_map(mentions_of_the_library),
    );
}

fn mentions_of_the_library(file: &File) -> Vec<Breach> {
    if file.name() == "Cargo.toml" {
        return file.lines(|line| line.starts_with("bankhub ").then(|| "depends on bankhub".to_owned()));
    }
    if file.has_extension(&["rs"]) { file.at(places(&code(&file.text), &["bankhub"])) } else { Vec::new() }
}

/// `src/life.rs`, `src/life/mod.rs` and `src/life/tests.rs` are the room `life`.
fn room(file: &File) -> Option<&str> {
    let name = file.path.strip_prefix("src/")?.split('/').next()?;
    Some(name.trim_end_matches(".rs")).filter(|room| *room != "lib")
}

fn stray_imports(file: &File, table: &[(&str, &[&str])]) -> Vec<Breach> {
    let Some(room) = room(file) else { return Vec::new() };
    let allowed = table.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
    let may_know = |name: &str| match room {
        _ if name == room => true,
        BOUNDARY => name != "*" && table.iter().all(|(room, _)| *room != name),
        _ => allowed.contains(&name),
    };
    let code = code(&file.text);
    let named = names_from_the_root(&code, depth(file)).into_iter();
    file.at(named.filter(|(_, name)| !may_know(name)).map(|(at, name)| (at, format!("{room} names {name}"))))
}

/// How many `super::` lead from the file to the root.
fn depth(file: &File) -> usize {
    file.path.split('/').filter(|part| *part != "mod.rs").count() - 1
}

/// What is named by a path from the root, be it `crate::` or as many `super::` as lead there, and where.
fn names_from_the_root(code: &str, depth: usize) -> Vec<(usize, &str)> {
    let mut names = Vec::new();
    let mut supers = 0;
    for (at, word) in words(code) {
        supers = if word == "super" { supers + 1 } else { 0 };
        let at_root = word == "crate" || supers > 0 && supers == depth + inline_modules_around(code, at);
        if let Some(path) = code[at + word.len()..].strip_prefix("::").filter(|_| at_root) {
            names.extend(first_names(path).into_iter().map(|name| (at, name)));
        }
    }
    names
}

/// Of `error::Error` it is `error`; of `{error::Error, secret}` both.
fn first_names(path: &str) -> Vec<&str> {
    if !path.starts_with('{') {
        let end = path.find(|c: char| !is_word(c) && c != '*').unwrap_or(path.len());
        return vec![&path[..end]];
    }
    let (mut names, mut start) = (Vec::new(), 1);
    while start < closing(path, 0) {
        start += path[start..].find(|c: char| !c.is_whitespace() && c != ',').unwrap_or(path.len() - start);
        let name = first_names(&path[start..])[0];
        names.extend(Some(name).filter(|name| !name.is_empty()));
        let end = path[start..].find(['{', ',', '}']).map_or(path.len(), |at| start + at);
        start = if path[end..].starts_with('{') { closing(path, end) + 1 } else { end + 1 };
    }
    names
}

fn inline_modules_around(code: &str, place: usize) -> usize {
    let modules = words(code).filter(|(at, word)| *word == "mod" && *at < place);
    let opening = modules.filter_map(|(at, _)| code[at..].find(['{', ';']).map(|open| at + open));
    opening.filter(|open| code[*open..].starts_with('{') && *open < place && place < closing(code, *open)).count()
}

#[test]
fn seen_to_fail() {
    let table: &[(&str, &[&str])] = &[("life", &["error"]), ("error", &[]), ("cache", &["life"]), (BOUNDARY, &[])];
    let stray = |path: &str, text: &str| complaints(stray_imports(&File::new(path, text), table));
    let in_life = |text: &str| stray("src/life.rs", text);
    assert_eq!(in_life("use crate::error::Error;\nuse super::error::Error;\nuse crate::life::A;"), [""; 0]);
    assert_eq!(in_life("// crate::cache\nconst A: &str = \"crate::cache\";"), [""; 0]);
    assert_eq!(in_life("\nuse crate::cache::Cache;"), ["2: life names cache"]);
    assert_eq!(in_life("use crate::{error::{A, B}, cache::*};"), ["1: life names cache"]);
    assert_eq!(in_life("use crate::{\n    cache,\n    error,\n};"), ["1: life names cache"]);
    assert_eq!(in_life("use super::cache;"), ["1: life names cache"]);
    assert_eq!(in_life("use crate::Exported;"), ["1: life names Exported"]);
    assert_eq!(in_life("mod t { use super::*; }\nmod u { use super::super::cache; }"), ["2: life names cache"]);
    assert_eq!(
        stray("src/life/t.rs", "use super::Life;\nfn f() { super::super::cache::f() }"),
        ["2: life names cache"]
    );
    assert_eq!(stray("src/error.rs", "fn f() -> crate::life::Life {}"), ["1: error names life"]);
    assert_eq!(stray("src/ffi/a.rs", "use crate::{Error, Handle};\nuse super::status::A;"), [""; 0]);
    assert_eq!(stray("src/ffi/a.rs", "use crate::error::A;\nuse crate::*;"), ["1: ffi names error", "2: ffi names *"]);
    assert_eq!(room(&File::new("src/lib.rs", "")), None);

    let mentions = |path: &str, text: &str| complaints(mentions_of_the_library(&File::new(path, text)));
    assert_eq!(mentions("mock-server/src/main.rs", "// bankhub\nuse bankhub_mock_server::A;"), [""; 0]);
    assert_eq!(mentions("mock-server/src/main.rs", "use bankhub::{Config};"), ["1: bankhub"]);
    assert_eq!(mentions("mock-server/Cargo.toml", "[dependencies]\nbankhub = 1"), ["2: depends on bankhub"]);
}
