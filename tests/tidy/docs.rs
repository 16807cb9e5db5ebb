//! What README and docs/ owe their readers: a length, tests behind each guarantee, messages that can be searched for,
//! and the words of the glossary.

use crate::{Breach, File, complaints, keep, tree};

/// How many lines a page may have that is read first.
const LINES: &[(&str, usize)] = &[("README.md", 150), ("docs/internals/architecture.md", 150)];

#[test]
fn first_pages_are_short() {
    keep(
        "README and the architecture have few lines, as LINES in tests/tidy/docs.rs says.",
        "move what not every reader needs into another page of docs/",
        LINES.iter().flat_map(|(path, most)| too_long(page(path), *most)),
    );
}

fn too_long(file: &File, most: usize) -> Option<Breach> {
    let lines = file.text.lines().count();
    (lines > most).then(|| Breach { path: file.path.clone(), line: most + 1, what: format!("{lines} lines") })
}

const LINE_CHARACTERS: usize = 120;

#[test]
fn lines_are_short_but_for_tables() {
    keep(
        "a line of README and docs/ has at most 120 characters, but for a row of a table.",
        "break it",
        pages().flat_map(|file| {
            let is_long = |line: &str| !line.starts_with('|') && line.chars().count() > LINE_CHARACTERS;
            file.lines(|line| is_long(line).then(|| "is longer".to_owned()))
        }),
    );
}

const GUARANTEES: usize = 12;

#[test]
fn each_guarantee_names_its_tests() {
    keep(
        "docs/guarantees.md has a row for each of the twelve, which names a test; README has a line for each.",
        "name the tests that fail without it, as `file::test`",
        untested(page("docs/guarantees.md")).into_iter().chain(unlisted(page("README.md"))),
    );
}

fn untested(file: &File) -> Vec<Breach> {
    let is_row = |line: &str, number| line.starts_with(&format!("| {number} |"));
    let names_a_test = |line: &str| line.contains(".rs::") || line.contains(".py::");
    numbers_without(file, |number| file.text.lines().any(|line| is_row(line, number) && names_a_test(line)))
}

fn unlisted(file: &File) -> Vec<Breach> {
    numbers_without(file, |number| file.text.lines().any(|line| line.starts_with(&format!("{number}. **"))))
}

fn numbers_without(file: &File, has: impl Fn(usize) -> bool) -> Vec<Breach> {
    let missing = (1..=GUARANTEES).filter(|number| !has(*number));
    missing.map(|number| Breach { path: file.path.clone(), line: 1, what: format!("nothing of {number}") }).collect()
}

#[test]
fn messages_are_those_of_the_sources() {
    let sources: String = tree().iter().filter(|file| is_source(file)).map(|file| joined(&file.text)).collect();
    keep(
        "a message in a table of docs/errors.md is one that the sources can make.",
        "copy its words from the source, with … for what varies; or mend the source",
        strange_messages(page("docs/errors.md"), &sources),
    );
}

#[test]
fn faults_of_stores_have_messages_of_the_sources() {
    let sources: String = tree().iter().filter(|file| is_source(file)).map(|file| joined(&file.text)).collect();
    keep(
        "a message in the table of faults in docs/shared-stores.md is one that the sources can make.",
        "copy its words from the source, with … for what varies",
        strange_faults(page("docs/shared-stores.md"), &sources),
    );
}

fn strange_faults(file: &File, sources: &str) -> Vec<Breach> {
    let mut in_table = false;
    file.lines(|line| {
        in_table = line.starts_with('|') && (in_table || line.ends_with("| `last_error` |"));
        let cell = line.trim_end_matches([' ', '|']).rsplit(" | ").next().filter(|_| in_table).unwrap_or_default();
        let messages = cell.split('`').skip(1).step_by(2).filter(|message| *message != "last_error");
        messages.flat_map(|message| strange_parts(message, sources)).collect::<Vec<_>>()
    })
}

fn is_source(file: &File) -> bool {
    file.has_extension(&["rs"]) && (file.path.starts_with("src/") || file.path.starts_with("core/src/"))
}

/// Without comments, and a string that goes on in the next line as one.
fn joined(source: &str) -> String {
    let code = source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    code.map(|line| line.strip_suffix('\\').map_or(format!("{line}\n"), str::to_owned)).collect()
}

fn strange_messages(file: &File, sources: &str) -> Vec<Breach> {
    let mut in_table = false;
    file.lines(|line| {
        in_table = line.starts_with('|') && (in_table || line.starts_with("| message |"));
        let cell = line.strip_prefix("| `").and_then(|row| row.split("` |").next()).filter(|_| in_table);
        cell.into_iter().flat_map(|message| strange_parts(message, sources)).collect::<Vec<_>>()
    })
}

fn strange_parts(message: &str, sources: &str) -> Vec<String> {
    let parts = message.split(|c: char| c == '…' || c.is_ascii_digit());
    let parts = parts.map(|part| part.trim_matches([' ', ':', ',', '\'', ';', '.'])).filter(|part| !part.is_empty());
    parts.filter(|part| !is_said(part, sources)).map(|part| format!("no source says {part:?}")).collect()
}

/// Also if it is put together: a field, or two words for what failed, and then what is wrong with it.
fn is_said(part: &str, sources: &str) -> bool {
    let mut cuts = part.match_indices(' ').take(2);
    sources.contains(part) || cuts.any(|(at, _)| sources.contains(&part[..at]) && sources.contains(&part[at + 1..]))
}

/// The words that the glossary replaces.
const WORDS: &[(&str, &str)] = &[
    ("renew", "refresh"),
    ("hand out", "return, serve"),
    ("handed out", "returned, served"),
    ("closed by NUL", "NUL-terminated"),
    ("look in", "refresh_if_due, poll"),
    ("be it ", "(leave it out)"),
    ("so many", "a number"),
    ("beside its callers", "in the background"),
    ("beside the callers", "in the background"),
    ("now, or never", "no known wait"),
];

#[test]
fn words_are_those_of_the_glossary() {
    let headers = tree().iter().filter(|file| file.path == "include/bankhub.h");
    keep(
        "README, docs/ and the header use the words of docs/glossary.md.",
        "say it with the word that WORDS in tests/tidy/docs.rs gives; names of tests and files do not count",
        pages().chain(headers).flat_map(other_words),
    );
}

fn other_words(file: &File) -> Vec<Breach> {
    file.lines(|line| {
        // Between backticks are names.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ").to_lowercase();
        let found = WORDS.iter().filter(|(word, _)| prose.contains(&word.to_lowercase()));
        found.map(|(word, instead)| format!("{word:?}: say {instead}")).collect::<Vec<_>>()
    })
}

fn pages() -> impl Iterator<Item = &'static File> {
    let is_page = |file: &&File| file.has_extension(&["md"]) && file.path.starts_with("docs/");
    tree().iter().filter(move |file| file.path == "README.md" || is_page(file))
}

fn page(path: &str) -> &'static File {
    let found = tree().iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("{path} does not exist"))
}

#[test]
fn seen_to_fail() {
    let file = |text: &str| File::new("docs/x.md", text);
    assert!(too_long(&file("a\nb\n"), 2).is_none());
    assert!(too_long(&file("a\nb\nc\n"), 2).is_some());

    let rows: String = (2..=GUARANTEES).map(|number| format!("| {number} | `tests/a.rs::b` |\n")).collect();
    assert_eq!(complaints(untested(&file(&format!("{rows}| 1 | `tests/a.py::b` |")))), [""; 0]);
    assert_eq!(complaints(untested(&file(&format!("{rows}| 1 | no test |")))), ["1: nothing of 1"]);
    assert_eq!(complaints(unlisted(&file("1. **A**\n"))).len(), GUARANTEES - 1);

    let sources =
        joined("wrong(\"client_id\", \"is \\\n      empty\") format!(\"{host} answered {n}: {what}\") \"too late\"");
    let strange = |text: &str| complaints(strange_messages(&file(text), &sources));
    let good =
        "| message | |\n|---|---|\n| `client_id is empty` | |\n| `… answered 401: too late` | |\n\n| a | |\n| `b` | |";
    assert_eq!(strange(good), [""; 0]);
    let bad = "| message | |\n|---|---|\n| `client_id is full` | |";
    assert_eq!(strange(bad), ["3: no source says \"client_id is full\""]);

    let strange = |text: &str| complaints(strange_faults(&file(text), &sources));
    let faults = "| fault | `last_error` |\n|---|---|\n| `x` | none |\n| x | the `too late`, or `… answered 401` |";
    assert_eq!(strange(faults), [""; 0]);
    assert_eq!(strange(&faults.replace("late", "soon")), ["4: no source says \"too soon\""]);

    assert_eq!(complaints(other_words(&file("a `renew_x` refresh"))), [""; 0]);
    assert_eq!(complaints(other_words(&file("A renewal."))), ["1: \"renew\": say refresh"]);
}
