//! Which module of `src/` may name which, as far as crates do not say it, and what may not name the library at all.

use std::collections::BTreeSet;

use crate::rust::{closing, code, is_word, places, words};
use crate::{Breach, File, below, complaints, keep};

/// Modules of `src/`, and the others that each may name. A longer path stands for itself alone: `runtime/cache` has its
/// own line, the rest of `runtime` has the line `runtime`. Only `lib.rs` may name all.
const IMPORTS: &[(&str, &[&str])] = &[
    ("config", &[]),
    ("net", &["config", "runtime"]),
    ("http", &["config", "net", "runtime"]),
    ("store", &["config", "net", "runtime"]),
    ("runtime", &[]),
    ("runtime/cache", &["config", "http", "store", "sync"]),
    ("runtime/fetch_thread", &["store"]),
    ("token_cache", &["config", "http", "runtime", "store"]),
    ("ffi", &[EXPORTS]),
    ("ffi/handle", &[EXPORTS, "http", "runtime", "store"]),
    ("ffi/handle_table", &["runtime"]),
];

/// What `lib.rs` exports, and no module.
const EXPORTS: &str = "the exports of lib.rs";

#[test]
fn modules_name_only_what_they_may() {
    keep(
        "a module of src/ names only the modules that IMPORTS in tests/tidy/imports.rs allows",
        "move the code to where it belongs, or pass in what it needs; changing the table changes the architecture",
        below("src/").flat_map(|file| stray_imports(file, IMPORTS)),
    );
}

#[test]
fn every_module_has_a_line_in_the_table() {
    let modules: BTreeSet<_> = below("src/").filter_map(module).collect();
    let top: BTreeSet<_> = modules.iter().map(|module| top_level(module)).collect();
    let lines: BTreeSet<_> = IMPORTS.iter().map(|(line, _)| top_level(line)).collect();
    assert_eq!(top, lines, "remedy: in tests/tidy/imports.rs, give each module of src/ its line, and none to others");
    for (line, _) in IMPORTS {
        assert!(modules.iter().any(|module| is_within(module, line)), "{line} is gone; remedy: remove its line");
    }
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

/// `src/store.rs` and `src/store/mod.rs` are the module `store`, `src/store/file.rs` is `store/file`.
fn module(file: &File) -> Option<&str> {
    let path = file.path.strip_prefix("src/")?.strip_suffix(".rs")?;
    Some(path.strip_suffix("/mod").unwrap_or(path)).filter(|path| *path != "lib")
}

fn top_level(module: &str) -> &str {
    module.split('/').next().unwrap_or_default()
}

fn is_within(module: &str, line: &str) -> bool {
    module.strip_prefix(line).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn stray_imports(file: &File, table: &[(&str, &[&str])]) -> Vec<Breach> {
    let Some(module) = module(file) else { return Vec::new() };
    let lines = table.iter().filter(|(line, _)| is_within(module, line));
    let allowed = lines.max_by_key(|(line, _)| line.len()).map_or(&[][..], |(_, allowed)| allowed);
    let is_module = |name: &str| name == "*" || table.iter().any(|(line, _)| top_level(line) == name);
    let may_name = |name: &str| {
        let is_export = allowed.contains(&EXPORTS) && !is_module(name);
        name == top_level(module) || allowed.contains(&name) || is_export
    };
    let code = code(&file.text);
    let named = names_from_the_root(&code, depth(file)).into_iter();
    file.at(named.filter(|(_, name)| !may_name(name)).map(|(at, name)| (at, format!("{module} names {name}"))))
}

/// How many `super::` lead from the file to the root.
fn depth(file: &File) -> usize {
    file.path.split('/').filter(|part| *part != "mod.rs").count() - 1
}

/// The names in paths from the root (`crate::`, or as many `super::` as lead there), and where.
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
    let table: &[(&str, &[&str])] = &[
        ("life", &["error"]),
        ("error", &[]),
        ("cache", &["life"]),
        ("ffi", &[EXPORTS]),
        ("ffi/handle", &[EXPORTS, "cache"]),
    ];
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
        ["2: life/t names cache"]
    );
    assert_eq!(stray("src/error.rs", "fn f() -> crate::life::Life {}"), ["1: error names life"]);
    assert_eq!(stray("src/ffi/a.rs", "use crate::{Error, Stats};\nuse super::status::A;"), [""; 0]);
    assert_eq!(
        stray("src/ffi/a.rs", "use crate::error::A;\nuse crate::*;"),
        ["1: ffi/a names error", "2: ffi/a names *"]
    );
    assert_eq!(stray("src/ffi/a.rs", "use crate::cache::Cache;"), ["1: ffi/a names cache"]);
    assert_eq!(stray("src/ffi/handle.rs", "use crate::cache::Cache;\nuse crate::Error;"), [""; 0]);
    assert_eq!(module(&File::new("src/lib.rs", "")), None);

    let mentions = |path: &str, text: &str| complaints(mentions_of_the_library(&File::new(path, text)));
    assert_eq!(mentions("mock-server/src/main.rs", "// bankhub\nuse bankhub_mock_server::A;"), [""; 0]);
    assert_eq!(mentions("mock-server/src/main.rs", "use bankhub::{Config};"), ["1: bankhub"]);
    assert_eq!(mentions("mock-server/Cargo.toml", "[dependencies]\nbankhub = 1"), ["2: depends on bankhub"]);
}
