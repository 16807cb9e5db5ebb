//! Everything that a Markdown file names exists.
//!
//! These count: the target of a link within the tree, and the section that it names; and in backticks, or in a block
//! marked `sh`, a word with a slash that could be a path, a file name alone if its extension is one that our
//! sources have, a test as `file::test`, and what follows `make`, `--test` and `--example`. NOT_OURS lists what looks
//! like that and is none of it.

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
        Name::Test(path, test) => text_of(path).is_some_and(|text| has_test(text, test)),
        Name::Section(path, section) => text_of(path).is_some_and(|text| sections(text).contains(section)),
    };
    keep(
        "every path, file, section, make target, test and example that a Markdown file names exists",
        "correct the name; if it is none of ours, add how it starts to NOT_OURS in tests/tidy/markdown.rs",
        tree().iter().flat_map(|file| unknown_names(file, exists)),
    );
}

#[derive(Debug)]
enum Name {
    /// Relative to the root.
    Path(String),
    /// The name of a file anywhere in the tree.
    File(String),
    /// A target of the Makefile.
    Target(String),
    /// In the file of this path.
    Test(String, String),
    /// In the file of this path.
    Section(String, String),
}

fn text_of(path: &str) -> Option<&'static str> {
    tree().iter().find(|file| file.path == path).map(|file| file.text.as_str())
}

/// As Rust, Python, Go and C# declare one.
fn has_test(text: &str, test: &str) -> bool {
    ["fn ", "def ", "func ", "void "].iter().any(|declares| text.contains(&format!("{declares}{test}(")))
}

/// The anchor of each heading of a Markdown file, as GitHub makes it.
fn sections(text: &str) -> Vec<String> {
    let mut fenced = false;
    let mut sections: Vec<String> = Vec::new();
    for line in text.lines() {
        fenced ^= line.starts_with("```");
        let Some(heading) = line.strip_prefix('#').filter(|_| !fenced) else { continue };
        let heading = heading.trim_start_matches('#').trim().to_lowercase().replace(' ', "-");
        let kept = |c: &char| c.is_alphanumeric() || "-_".contains(*c);
        let section: String = heading.chars().filter(kept).collect();
        let before = sections.iter().filter(|earlier| **earlier == section).count();
        sections.push(if before == 0 { section } else { format!("{section}-{before}") });
    }
    sections
}

fn unknown_names(file: &File, exists: impl Fn(&Name) -> bool) -> Vec<Breach> {
    if !file.has_extension(&["md"]) {
        return Vec::new();
    }
    let exists_here = |name: &Name| match name {
        Name::Path(path) => exists(name) || exists(&Name::Path(beside(&file.path, path))),
        Name::Section(path, section) if path.is_empty() => {
            exists(&Name::Section(file.path.clone(), section.clone())) || sections(&file.text).contains(section)
        }
        Name::Section(path, section) => exists(&Name::Section(beside(&file.path, path), section.clone())),
        Name::File(_) | Name::Target(_) | Name::Test(..) => exists(name),
    };
    let mut block = None;
    file.lines(|line| {
        let fence = line.trim_start().strip_prefix("```");
        let mut names = match (fence, block) {
            (Some(language), _) => {
                block = if block.is_none() { Some(language == "sh") } else { None };
                Vec::new()
            }
            (None, None) => {
                let code = line.split('`').skip(1).step_by(2);
                code.flat_map(names).chain(links(line).into_iter().flat_map(linked)).collect()
            }
            (None, Some(true)) => names(line.split(" #").next().unwrap_or_default()),
            (None, Some(false)) => Vec::new(),
        };
        names.retain(|name| !exists_here(name));
        names.into_iter().map(|name| format!("{name:?} does not exist"))
    })
}

/// The path that a link in the file leads to, from the root.
fn beside(file: &str, link: &str) -> String {
    let mut folders: Vec<_> = file.split('/').collect();
    folders.pop();
    for part in link.split('/') {
        match part {
            ".." => drop(folders.pop()),
            part => folders.push(part),
        }
    }
    folders.join("/")
}

/// The names in a piece of code.
fn names(code: &str) -> Vec<Name> {
    let words: Vec<_> = code.split_whitespace().collect();
    let mut names = Vec::new();
    for (index, word) in words.iter().enumerate() {
        let before = index.checked_sub(1).map(|index| words[index]);
        names.extend(match before {
            Some("make") if word.chars().all(|c| c.is_ascii_lowercase()) => Some(Name::Target(word.to_string())),
            Some("--test") if word.contains('…') || root().join(format!("tests/{word}/main.rs")).exists() => None,
            Some("--test") => Some(Name::Path(format!("tests/{word}.rs"))),
            Some("--example") => Some(Name::Path(format!("examples/{word}.rs"))),
            _ if let Some((path, test)) = word.trim_matches('"').split_once("::")
                && is_path(path)
                && path.contains('.') =>
            {
                Some(Name::Test(path.to_string(), test.to_string()))
            }
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

fn links(line: &str) -> Vec<&str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.is_empty() && !target.contains(':')).collect()
}

fn linked(target: &str) -> Vec<Name> {
    let (path, section) = target.split_once('#').map_or((target, None), |(path, section)| (path, Some(section)));
    let path_named = Some(path).filter(|path| !path.is_empty()).map(|path| Name::Path(path.to_owned()));
    path_named.into_iter().chain(section.map(|section| Name::Section(path.to_owned(), section.to_owned()))).collect()
}

#[test]
fn seen_to_fail() {
    let exists = |name: &Name| match name {
        Name::Path(path) => ["src/life.rs", "tests/tidy.rs", "docs/more.md"].contains(&path.as_str()),
        Name::File(name) => name == "life.rs",
        Name::Target(target) => target == "test",
        Name::Test(path, test) => (path.as_str(), test.as_str()) == ("tests/tidy.rs", "keeps_it"),
        Name::Section(path, section) => (path.as_str(), section.as_str()) == ("docs/more.md", "part"),
    };
    let unknown = |text: &str| complaints(unknown_names(&File::new("docs/x.md", text), exists)).len();
    for text in [
        "`src/life.rs` and `life.rs`, [more](more.md#part), [web](https://example.com/a#b), [top](../src/life.rs)",
        "# A: *part*, `b`\n[here](#a-part-b) `tests/tidy.rs::keeps_it` `std::fs` `….rs::NAME`",
        "# Ngôn ngữ\n[a](#ngôn-ngữ)",
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
        "`tests/tidy.rs::gone`",
        "```sh\npytest \"tests/tidy.rs::gone\"\n```",
        "[more](more.md#gone)",
        "# Here\n[here](#gone)",
        "[top](../more.md)",
    ] {
        assert_eq!(unknown(text), 1, "{text}");
    }
    assert_eq!(sections("# A b!\n```\n# no\n```\n## A b"), ["a-b", "a-b-1"]);
    assert!(has_test("pub fn a() {}", "a") && has_test("async def a(x)", "a") && !has_test("fn ab()", "a"));
}
