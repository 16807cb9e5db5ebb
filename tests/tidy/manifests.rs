//! The rules for the manifests of all languages together: one version, and a reason for every dependency.

use crate::{Breach, File, complaints, keep, tree};

/// Where the version stands, and the text right before it. The first one of the changelog is the newest.
const VERSIONS: &[(&str, &str)] = &[
    ("Cargo.toml", "[workspace.package]\nversion = \""),
    ("Cargo.lock", "name = \"bankhub\"\nversion = \""),
    ("Cargo.lock", "name = \"bankhub-benches\"\nversion = \""),
    ("Cargo.lock", "name = \"bankhub-loom\"\nversion = \""),
    ("Cargo.lock", "name = \"bankhub-model\"\nversion = \""),
    ("Cargo.lock", "name = \"bankhub-mock-server\"\nversion = \""),
    ("CHANGELOG.md", "\n## "),
    ("bindings/csharp/BankHub.csproj", "<Version>"),
    ("bindings/python/pyproject.toml", "\nversion = \""),
];

#[test]
fn the_version_is_the_same_everywhere() {
    let version = version_after(&tree().iter().find(|file| file.path == VERSIONS[0].0).unwrap().text, VERSIONS[0].1);
    let version = version.expect("the workspace has a version").1;
    keep(
        "there is one version number, the one of Cargo.toml, wherever VERSIONS in tests/tidy/manifests.rs looks for it",
        "write that one there too, or correct the table",
        VERSIONS.iter().filter_map(|(path, before)| other_version(find(path), before, version)),
    );
}

fn find(path: &str) -> &'static File {
    tree().iter().find(|file| file.path == path).unwrap_or_else(|| panic!("{path} is gone; remedy: correct VERSIONS"))
}

fn other_version(file: &File, before: &str, version: &str) -> Option<Breach> {
    match version_after(&file.text, before) {
        Some((_, found)) if found == version => None,
        Some((at, found)) => file.at([(at, format!("{found}, not {version}"))]).pop(),
        None => file.at([(0, format!("no version after {before:?}"))]).pop(),
    }
}

/// The version after the first such text that one follows, and where it stands.
fn version_after<'a>(text: &'a str, before: &str) -> Option<(usize, &'a str)> {
    text.match_indices(before).find_map(|(at, _)| {
        let start = at + before.len();
        let end = text[start..].find(|c: char| !c.is_ascii_digit() && c != '.').map_or(text.len(), |end| start + end);
        Some((start, &text[start..end])).filter(|(_, version)| version.split('.').count() == 3)
    })
}

#[test]
fn the_licences_are_the_same_everywhere() {
    let text = |path: &str| &find(path).text;
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        let copy = format!("bindings/python/{name}");
        assert!(text(&copy) == text(name), "{copy} is for the Python packages; remedy: copy {name} there");
    }
}

#[test]
fn every_dependency_has_its_reason() {
    keep(
        "a dependency stands on one line, and behind a # the reason for it",
        "say what it is for, in a few words a reader can disagree with",
        tree().iter().flat_map(unexplained_dependencies),
    );
}

fn unexplained_dependencies(file: &File) -> Vec<Breach> {
    let is_list = file.name().ends_with("requirements.txt");
    if !is_list && file.name() != "Cargo.toml" {
        return Vec::new();
    }
    let mut among_dependencies = is_list;
    let mut wrong = Vec::new();
    let mut at = 0;
    for line in file.text.lines() {
        if line.starts_with('[') {
            among_dependencies = line.ends_with("dependencies]");
        }
        let explained = line.split_once('#').is_some_and(|(_, reason)| !reason.trim().is_empty());
        let in_table = line.starts_with('[') && line.contains("dependencies.");
        if in_table || among_dependencies && !line.is_empty() && !line.starts_with('[') && !explained {
            wrong.push((at, line.to_owned()));
        }
        at += line.len() + 1;
    }
    file.at(wrong)
}

#[test]
fn seen_to_fail() {
    let text = "## Unreleased\n## 0.2.0\n## 0.1.0\n";
    let other = |before, version| complaints(other_version(&File::new("x", text), before, version));
    assert_eq!(other("## ", "0.2.0"), [""; 0]);
    assert_eq!(other("## ", "0.1.0"), ["2: 0.2.0, not 0.1.0"]);
    assert_eq!(other("v", "0.1.0"), ["1: no version after \"v\""]);

    let of = |path: &str, text: &str| complaints(unexplained_dependencies(&File::new(path, text)));
    let good = "[package]\nname = 1\n\n[dependencies]\n# For all:\na = 1 # why\n\n[profile.release]\nlto = true";
    assert_eq!(of("Cargo.toml", good), [""; 0]);
    assert_eq!(of("Cargo.toml", &good.replace("# why", "#")), ["6: a = 1 #"]);
    assert_eq!(of("x/Cargo.toml", "[target.'cfg(unix)'.dev-dependencies]\na = 1"), ["2: a = 1"]);
    assert_eq!(of("Cargo.toml", "[dependencies.a]\nversion = 1"), ["1: [dependencies.a]"]);
    assert_eq!(of("requirements.txt", "a==1 # why\nb==1"), ["2: b==1"]);
}
