//! The rules for every source file, and the places where `unsafe` may stand.

use crate::rust::{code, functions, places};
use crate::{Breach, File, below, complaints, keep, tree};

/// The files and folders of `src/` that may hold `unsafe`, and what for.
const UNSAFE: &[(&str, &str)] = &[
    ("src/ffi/", "the caller's pointers"),
    ("src/net/connect/attempt.rs", "libc's poll"),
    ("src/runtime/allocator.rs", "memory that is given back"),
    ("src/runtime/clock.rs", "libc's clocks"),
    ("src/runtime/descriptor/placeholders.rs", "descriptors at numbers that the program may use, too"),
    ("src/config/privileges.rs", "the flag of a setuid program"),
    ("src/runtime/thread.rs", "the mask of blocked signals"),
    ("src/runtime/thread/", "the scheduling of a thread"),
    ("src/runtime/fork.rs", "what a fork leaves behind"),
    ("src/runtime/published_token.rs", "bytes that are read while they are written"),
    ("src/runtime/published_token/", "pages of memory, and a traced process in a test"),
    ("src/store/file/lock.rs", "descriptors that a child inherits"),
];

#[test]
fn unsafe_stands_only_where_it_must() {
    keep(
        "`unsafe` is confined to what UNSAFE in tests/tidy/sources.rs lists.",
        "say it in safe Rust, or in one of those files behind a safe function",
        ["core/", "src/", "mock-server/"].into_iter().flat_map(below).flat_map(unsafe_elsewhere),
    );
}

fn unsafe_elsewhere(file: &File) -> Vec<Breach> {
    let may = UNSAFE.iter().any(|(place, _)| file.path.starts_with(place));
    if may || !file.has_extension(&["rs"]) { Vec::new() } else { file.at(places(&code(&file.text), &["unsafe"])) }
}

const LINE_CHARACTERS: usize = 120;

#[test]
fn lines_are_short_enough_to_read() {
    keep("a line of source has at most 120 characters.", "break it", sources().flat_map(long_lines));
}

fn long_lines(file: &File) -> Vec<Breach> {
    file.lines(|line| Some(line.chars().count()).filter(|&n| n > LINE_CHARACTERS).map(|n| format!("{n} characters")))
}

const FUNCTION_LINES: usize = 70;

#[test]
fn functions_fit_on_a_screen() {
    keep(
        "a function has at most 70 lines.",
        "take a part that has a name out of it",
        tree().iter().filter(|file| file.has_extension(&["rs"])).flat_map(long_functions),
    );
}

fn long_functions(file: &File) -> Vec<Breach> {
    let code = code(&file.text);
    let long = functions(&code)
        .map(|function| (function.at, function.name, code[function.body.start..=function.body.end].lines().count()));
    file.at(long
        .filter(|(.., lines)| *lines > FUNCTION_LINES)
        .map(|(at, name, n)| (at, format!("{name} has {n} lines"))))
}

const FILE_LINES: usize = 500;

#[test]
fn source_files_are_short_and_have_their_tests_elsewhere() {
    keep(
        "a source file of core/, src/ and mock-server/ has at most 500 lines, and its tests in a file of their own.",
        "split the file by concern; move the tests of a.rs to a/tests.rs, declared by `#[cfg(test)] mod tests;`",
        ["core/", "src/", "mock-server/"].into_iter().flat_map(below).flat_map(crowded_file),
    );
}

fn crowded_file(file: &File) -> Vec<Breach> {
    if !file.has_extension(&["rs"]) {
        return Vec::new();
    }
    let lines = file.text.lines().count();
    let long = (lines > FILE_LINES).then(|| (0, format!("{lines} lines")));
    let code = code(&file.text);
    let inline = code.match_indices("#[cfg(test)]").filter(|(at, attribute)| {
        let item = code[at + attribute.len()..].split([';', '{']).next().unwrap_or_default();
        item.contains("mod ") && code[at + attribute.len() + item.len()..].starts_with('{')
    });
    file.at(long.into_iter().chain(inline.map(|(at, _)| (at, "tests between the code".to_owned()))))
}

#[test]
fn the_first_line_says_what_the_file_does() {
    keep(
        "a source file starts with a comment that says what it does.",
        "write that line",
        sources().flat_map(no_first_line),
    );
}

fn no_first_line(file: &File) -> Vec<Breach> {
    let mut lines = file.text.lines().filter(|line| !line.starts_with("#!/"));
    let starts: &[&str] = match file.name().rsplit_once('.') {
        Some((_, "rs")) => &["//! "],
        Some((_, "py")) => &["\"\"\"", "# "],
        Some((_, "c" | "h" | "cpp" | "hpp" | "go" | "cs")) => &["// ", "/* ", "/*"],
        Some((_, "lua")) => &["-- "],
        _ => &["# "],
    };
    let said = lines.next().is_some_and(|line| starts.iter().any(|start| line.starts_with(start)));
    if said { Vec::new() } else { file.at([(0, format!("does not start with {}…", starts[0]))]) }
}

fn sources() -> impl Iterator<Item = &'static File> {
    let extensions = &["rs", "c", "h", "cpp", "hpp", "py", "go", "cs", "lua"];
    let is_source =
        |file: &&File| file.has_extension(extensions) || file.text.starts_with("#!") || file.path == "Makefile";
    tree().iter().filter(is_source)
}

#[test]
fn seen_to_fail() {
    let unsafe_code = "fn f() {\n    unsafe { g() }\n}\n// unsafe\n#[allow(unsafe_code)]";
    assert_eq!(complaints(unsafe_elsewhere(&File::new("src/life.rs", unsafe_code))), ["2: unsafe"]);
    assert_eq!(complaints(unsafe_elsewhere(&File::new("src/runtime/published_token.rs", unsafe_code))), [""; 0]);

    let lines = |n: usize| File::new("x.rs", &format!("//! {}\n", "…".repeat(n)));
    assert_eq!(complaints(long_lines(&lines(116))), [""; 0]);
    assert_eq!(complaints(long_lines(&lines(117))), ["1: 121 characters"]);

    let function = |n: usize| File::new("x.rs", &format!("\nfn f() {{{}}}", "\n".repeat(n - 1)));
    assert_eq!(complaints(long_functions(&function(70))), [""; 0]);
    assert_eq!(complaints(long_functions(&function(71))), ["2: f has 71 lines"]);

    let file = |n: usize| File::new("x.rs", &format!("//! A\n{}", "\n".repeat(n - 1)));
    assert_eq!(complaints(crowded_file(&file(500))), [""; 0]);
    assert_eq!(complaints(crowded_file(&file(501))), ["1: 501 lines"]);
    let tested =
        |tests: &str| complaints(crowded_file(&File::new("x.rs", &format!("fn f() {{}}\n#[cfg(test)]\n{tests}"))));
    assert_eq!(tested("mod tests;"), [""; 0]);
    assert_eq!(tested("#[path = \"x/tests.rs\"]\nmod tests;"), [""; 0]);
    assert_eq!(tested("use a::{b};\nmod c {}"), [""; 0]);
    assert_eq!(tested("mod tests { }"), ["2: tests between the code"]);

    let unsaid = |path: &str, text: &str| complaints(no_first_line(&File::new(path, text)));
    for (path, text) in
        [("x.rs", "//! A"), ("x.py", "\"\"\"A"), ("x.go", "// A"), ("x.h", "/*\n"), ("x", "#!/bin/sh\n# A")]
    {
        assert_eq!(unsaid(path, text), [""; 0]);
    }
    for (path, text) in [("x.rs", "// A"), ("x.py", "import a"), ("x.go", "package a"), ("x", "#!/bin/sh\nset -e")] {
        assert_eq!(unsaid(path, text).len(), 1);
        assert_eq!(unsaid(path, "").len(), 1);
    }
}
