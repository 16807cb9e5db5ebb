//! What a Markdown file names exists.
//!
//! What counts: the target of a link within the tree; and in backticks, or in a block marked `sh`, a word with a slash
//! that could be a path, a file name alone if its extension is one that our sources have, and what follows `make`,
//! `--test` and `--example`. NOT_OURS lists what looks like that and is none of it.

use crate::{Breach, File, complaints, keep, root, tree};

/// Starts of words that name build outputs, media types, or packages of others.
const NOT_OURS: &[&str] = &["target/", "build/", ".venv/", "application/", "text/", "net/"];

const EXTENSIONS: &[&str] = &["rs", "c", "h", "cpp", "hpp", "py", "go", "cs", "md", "toml"];

#[test]
fn what_markdown_names_exists() {
    let exists = |name: &Name| match name {
        Name::Path(path) => root().join(path).exists(),
        Name::File(name) => tree().iter().any(|file| file.name() == name),
        Name::Target(target) => {
            let makefile = tree().iter().find(|file| file.path == "Makefile").expect("the tree has a Makefile");
            makefile.text.lines().any(|line| line.starts_with(&format!("{target}:")))
        }
    };
    keep(
        "every path, file, make target, test and example that a Markdown file names exists",
        "correct the name; if it is none of ours, add how it starts to NOT_OURS in tests/tidy/markdown.rs",
        tree().iter().flat_map(|file| unknown_names(file, exists)),
    );
}

#[derive(Debug)]
enum Name {
    /// Relative to the root.
    Path(String),
    /// Of a file anywhere in the tree.
    File(String),
    /// Of the Makefile.
    Target(String),
}

fn unknown_names(file: &File, exists: impl Fn(&Name) -> bool) -> Vec<Breach> {
    if !file.has_extension(&["md"]) {
        return Vec::new();
    }
    let folder = file.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let exists_here = |name: &Name| match name {
        Name::Path(path) => exists(name) || exists(&Name::Path(format!("{folder}/{path}"))),
        Name::File(_) | Name::Target(_) => exists(name),
    };
    let mut block = None;
    file.lines(|line| {
        let fence = line.trim_start().strip_prefix("```");
        let mut names = match (fence, block) {
            (Some(language), _) => {
                block = if block.is_none() { Some(language == "sh") } else { None };
                Vec::new()
            }
            (None, None) => line.split('`').skip(1).step_by(2).flat_map(names).chain(links(line)).collect(),
            (None, Some(true)) => names(line.split(" #").next().unwrap_or_default()),
            (None, Some(false)) => Vec::new(),
        };
        names.retain(|name| !exists_here(name));
        names.into_iter().map(|name| format!("{name:?} does not exist"))
    })
}

/// What a piece of code names.
fn names(code: &str) -> Vec<Name> {
    let words: Vec<_> = code.split_whitespace().collect();
    let mut names = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| words[index]);
        names.extend(match before {
            Some("make") if word.chars().all(|c| c.is_ascii_lowercase()) => Some(Name::Target(word.to_string())),
            Some("--test") => Some(Name::Path(format!("tests/{word}.rs"))),
            Some("--example") => Some(Name::Path(format!("examples/{word}.rs"))),
            _ if is_path(word) => Some(Name::Path(word.to_string())),
            _ if words.len() == 1 && is_file(word) => Some(Name::File(word.to_string())),
            _ => None,
        });
    }
    names
}

fn is_path(word: &str) -> bool {
    let first = word.split('/').next().unwrap_or_default();
    let is_host = first.trim_start_matches('.').contains('.');
    let fits = word.chars().all(|c| c.is_ascii_alphanumeric() || "._-+/".contains(c));
    let starts_well = !word.starts_with(['/', '-']) && !NOT_OURS.iter().any(|start| word.starts_with(start));
    word.contains('/') && fits && starts_well && !is_host
}

fn is_file(word: &str) -> bool {
    word.split_once('.').is_some_and(|(stem, extension)| {
        !stem.is_empty() && stem.chars().all(|c| c.is_alphanumeric() || c == '_') && EXTENSIONS.contains(&extension)
    })
}

fn links(line: &str) -> impl Iterator<Item = Name> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    targets.filter(|target| !target.is_empty() && !target.contains(':')).map(|target| Name::Path(target.to_owned()))
}

#[test]
fn seen_to_fail() {
    let exists = |name: &Name| match name {
        Name::Path(path) => ["src/life.rs", "tests/tidy.rs", "docs/more.md"].contains(&path.as_str()),
        Name::File(name) => name == "life.rs",
        Name::Target(target) => target == "test",
    };
    let unknown = |text: &str| complaints(unknown_names(&File::new("docs/x.md", text), exists)).len();
    for text in [
        "`src/life.rs` and `life.rs`, [more](more.md#part), [web](https://example.com/a), [here](#part)",
        "`make test`, `cargo test --test tidy`, `GET /v1/token`, `application/json`, `example.com/a`, `a.b`, gone/a.rs",
        "```sh\nmake test # or gone/comment\ncc x.c -Igone/flag\n```",
        "```c\n#include <gone/other.h>\n```\nunpaired ` gone",
    ] {
        assert_eq!(unknown(text), 0, "{text}");
    }
    for text in [
        "`src/gone.rs`",
        "`gone.rs`",
        "[more](gone.md)",
        "`make gone`",
        "`cargo test --test gone`",
        "`cargo run --example gone`",
        "```sh\nmake gone\n```",
        "```sh\npython3 scripts/gone\n```",
        "```c\n```\n`src/gone.rs`",
        "`.ci/gone`",
    ] {
        assert_eq!(unknown(text), 1, "{text}");
    }
}
