//! The wrappers stay thin: how many lines each may have.

use crate::{Breach, File, complaints, keep, tree};

/// How many each may have.
const WRAPPERS: &[(&str, usize)] = &[
    // Its braces are lines of their own, each function of the library is a delegate, one thread waits for all.
    ("bindings/csharp/src/", 1000),
    ("bindings/go/", 640),
    ("bindings/python/src/", 900), // two HTTP clients, asyncio, trio and two kinds of greenlets
    ("include/bankhub.hpp", 600),
];

#[test]
fn wrappers_are_thin() {
    keep(
        "a wrapper, its adapters included, has few lines of its language without comments and blank lines.",
        "leave it to the library",
        WRAPPERS.iter().filter_map(|(wrapper, most)| too_long(wrapper, *most, tree())),
    );
}

fn too_long(wrapper: &str, most: usize, files: &[File]) -> Option<Breach> {
    let own = |file: &&File| file.path.starts_with(wrapper) && !is_beside(file);
    let lines = files.iter().filter(own).map(code_lines).sum::<usize>();
    (lines > most).then(|| Breach {
        path: wrapper.to_owned(),
        line: 0,
        what: format!("{lines} lines, more than {most}"),
    })
}

/// Tests, and what shows how to use it.
fn is_beside(file: &File) -> bool {
    !file.has_extension(&["cs", "go", "hpp", "py"])
        || file.name().ends_with("_test.go")
        || file.path.contains("/examples/")
}

fn code_lines(file: &File) -> usize {
    let comment = if file.has_extension(&["py"]) { "#" } else { "//" };
    let mut within_text = false; // a docstring, of several lines
    let mut is_code = |line: &str| {
        let (was_within, quotes) = (within_text, line.matches("\"\"\"").count());
        within_text ^= quotes % 2 == 1;
        !(line.is_empty() || line.starts_with(comment) || was_within || line.starts_with("\"\"\""))
    };
    file.text.lines().filter(|line| is_code(line.trim())).count()
}

#[test]
fn seen_to_fail() {
    let code = |name: &str, line: &str, lines: usize| File::new(name, &line.repeat(lines));
    let fits = code("bindings/go/cache.go", "x()\n\n// Why.\n", 600);
    let beside = code("bindings/go/cache_test.go", "x()\n", 1);
    let python = File::new(
        "cache.py",
        "\"\"\"What.\"\"\"\n\ndef f():\n    \"\"\"What,\n    and why.\n    \"\"\"\n    # Why.\n    x()\n",
    );
    assert_eq!(code_lines(&python), 2);
    assert_eq!(complaints(too_long("bindings/go/", 600, &[fits, beside])), [""; 0]);
    let longer = code("bindings/go/cache.go", "x()\n", 601);
    assert_eq!(complaints(too_long("bindings/go/", 600, &[longer])), ["0: 601 lines, more than 600"]);
}
