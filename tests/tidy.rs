//! The rules of this house that neither the compiler nor clippy can express, each a test. A failure names the rule, the
//! places that break it, and the remedy. Beside each rule stands a test that has seen it fail.

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

#[path = "tidy/boundary.rs"]
mod boundary;
#[path = "tidy/dependencies.rs"]
mod dependencies;
#[path = "tidy/docs.rs"]
mod docs;
#[path = "tidy/idle_tests.rs"]
mod idle_tests;
#[path = "tidy/imports.rs"]
mod imports;
#[path = "tidy/manifests.rs"]
mod manifests;
#[path = "tidy/markdown.rs"]
mod markdown;
#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/sources.rs"]
mod sources;
#[path = "tidy/wrappers.rs"]
mod wrappers;

/// Fails if anything breaks the rule, and says what to do about it.
fn keep(rule: &str, remedy: &str, breaches: impl IntoIterator<Item = Breach>) {
    let list: Vec<_> =
        breaches.into_iter().map(|Breach { path, line, what }| format!("  {path}:{line}: {what}\n")).collect();
    assert!(list.is_empty(), "\nrule: {rule}\n{}remedy: {remedy}\n", list.concat());
}

/// A place that breaks a rule, and how.
struct Breach {
    path: String,
    line: usize,
    what: String,
}

/// A file of the tree; its path is relative to the root.
struct File {
    path: String,
    text: String,
}

impl File {
    fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn has_extension(&self, extensions: &[&str]) -> bool {
        self.name().rsplit_once('.').is_some_and(|(_, extension)| extensions.contains(&extension))
    }

    /// Byte offsets into the text made into places with a line.
    fn at(&self, places: impl IntoIterator<Item = (usize, String)>) -> Vec<Breach> {
        let line = |at: usize| self.text[..at].matches('\n').count() + 1;
        places.into_iter().map(|(at, what)| Breach { path: self.path.clone(), line: line(at), what }).collect()
    }

    /// The breach of each line, if it has one.
    fn lines<T: IntoIterator<Item = String>>(&self, mut wrong: impl FnMut(&str) -> T) -> Vec<Breach> {
        let mut breaches = Vec::new();
        for (index, line) in self.text.lines().enumerate() {
            let breach = |what| Breach { path: self.path.clone(), line: index + 1, what };
            breaches.extend(wrong(line).into_iter().map(breach));
        }
        breaches
    }
}

/// Every text file of the tree but what .gitignore names.
fn tree() -> &'static [File] {
    static TREE: OnceLock<Vec<File>> = OnceLock::new();
    TREE.get_or_init(|| {
        let ignored = fs::read_to_string(root().join(".gitignore")).expect("the tree has a .gitignore");
        let ignored: Vec<_> = ignored.lines().map(|line| line.trim_matches('/')).chain([".git"]).collect();
        let mut files = Vec::new();
        collect("", &ignored, &mut files);
        files
    })
}

#[test]
fn the_tree_is_read_whole_and_nothing_else() {
    for path in ["Cargo.toml", ".ci/run", "src/ffi/mod.rs", "tests/tidy.rs"] {
        assert!(tree().iter().any(|file| file.path == path), "{path} is not seen");
    }
    for folder in ["target/", "build/", ".git/", ".venv/"] {
        assert_eq!(below(folder).count(), 0, "{folder} is seen");
    }
}

fn below(folder: &str) -> impl Iterator<Item = &'static File> {
    tree().iter().filter(move |file| file.path.starts_with(folder))
}

fn collect(folder: &str, ignored: &[&str], files: &mut Vec<File>) {
    let mut entries: Vec<_> = fs::read_dir(root().join(folder)).unwrap().map(Result::unwrap).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let name = entry.file_name().into_string().expect("names in the tree are UTF-8");
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        if ignored.iter().any(|ignored| matches(ignored, &name, &path)) {
        } else if entry.file_type().unwrap().is_dir() {
            collect(&path, ignored, files);
        } else if let Ok(text) = fs::read_to_string(entry.path()) {
            files.push(File { path, text });
        }
    }
}

/// Lines of .gitignore as this tree has them: a name, a path, or `*.extension`.
fn matches(ignored: &str, name: &str, path: &str) -> bool {
    let extension = ignored.strip_prefix('*').filter(|extension| !extension.is_empty());
    ignored == name || ignored == path || extension.is_some_and(|extension| name.ends_with(extension))
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The complaints of a rule about a sample, for the tests that see it fail.
fn complaints(breaches: impl IntoIterator<Item = Breach>) -> Vec<String> {
    breaches.into_iter().map(|breach| format!("{}: {}", breach.line, breach.what)).collect()
}
