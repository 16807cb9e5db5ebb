//! A test file that runs no test, and a test that is told not to run, look green and prove nothing.

use crate::rust::code;
use crate::{Breach, File, complaints, keep, tree};

/// The marks that skip a test, by the language of the file.
const SKIPS: &[(&str, &[&str])] = &[
    ("rs", &["#[ignore"]),
    ("py", &["mark.skip", "mark.xfail", "pytest.skip(", "pytest.xfail(", "importorskip", "unittest.skip", "SkipTest"]),
    ("go", &["t.Skip", "b.Skip"]),
];

/// A language that this machine cannot have is skipped, visibly and counted, and here.
const MAY_SKIP: &[&str] = &["tests/conformance/conftest.py"];

#[test]
fn no_test_is_told_not_to_run() {
    keep(
        "no test is ignored, skipped or expected to fail",
        "mend it or delete it",
        tree().iter().filter(|file| !MAY_SKIP.contains(&file.path.as_str())).flat_map(skips),
    );
}

fn skips(file: &File) -> Vec<Breach> {
    let Some((language, words)) = SKIPS.iter().find(|(extension, _)| file.has_extension(&[extension])) else {
        return Vec::new();
    };
    let text = if *language == "rs" { code(&file.text) } else { file.text.clone() };
    file.at(words.iter().flat_map(|word| text.match_indices(word)).map(|(at, word)| (at, word.to_owned())))
}

#[test]
fn every_test_file_has_a_test_that_is_found() {
    keep(
        "a test file has a test, and a test stands in a file where its runner looks for it",
        "write the test, or move it to tests/*.rs, test_*.py or *_test.go",
        tree().iter().filter_map(idle_file),
    );
}

fn idle_file(file: &File) -> Option<Breach> {
    let (stem, extension) = file.name().rsplit_once('.')?;
    let (looked_at, starts): (bool, &[&str]) = match extension {
        "py" => (stem.starts_with("test_"), &["def test_", "    def test_", "async def test_"]),
        "go" => (stem.ends_with("_test"), &["func Test", "func Example"]),
        "rs" => (file.path.strip_prefix("tests/").is_some_and(|rest| !rest.contains('/')), &["#[test]"]),
        _ => return None,
    };
    let text = if extension == "rs" { code(&file.text) } else { file.text.clone() };
    let has_tests = text.lines().any(|line| starts.iter().any(|start| line.starts_with(start)));
    let what = match (looked_at, has_tests) {
        (true, false) => "runs no test",
        (false, true) if extension != "rs" => "its tests are never run",
        _ => return None,
    };
    Some(Breach { path: file.path.clone(), line: 1, what: what.to_owned() })
}

#[test]
fn seen_to_fail() {
    let of = |path: &str, text: &str| complaints(skips(&File::new(path, text)));
    assert_eq!(of("tests/a.rs", "// #[ignore]\n#[test]\n#[ignore = \"slow\"]\nfn a() {}"), ["3: #[ignore"]);
    assert_eq!(of("test_a.py", "@pytest.mark.skipif(True)"), ["1: mark.skip"]);
    assert_eq!(of("a_test.go", "\tt.Skipf(\"no\")"), ["1: t.Skip"]);

    let of = |path: &str, text: &str| complaints(idle_file(&File::new(path, text)));
    let good = [("tests/a.rs", "#[test]\nfn a() {}"), ("test_a.py", "def test_a():"), ("a_test.go", "func TestA(")];
    for (path, text) in good {
        assert_eq!(of(path, text), [""; 0]);
        assert_eq!(of(path, "nothing"), ["1: runs no test"]);
    }
    assert_eq!(of("scenarios.py", "def test_a():"), ["1: its tests are never run"]);
    assert_eq!(of("a.go", "func TestA("), ["1: its tests are never run"]);
    assert_eq!(of("src/a.rs", ""), [""; 0]);
}
