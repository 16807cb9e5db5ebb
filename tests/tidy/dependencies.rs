//! How many crates every user of the library carries.

use std::collections::BTreeSet;
use std::process::Command;

use crate::root;

/// As `cargo tree` counts them; more is a decision.
const CRATES: usize = 70;

#[test]
fn the_library_carries_few_crates() {
    let words = ["tree", "--package", "bankhub", "--edges", "normal,no-proc-macro", "--prefix", "none", "--locked"];
    let tree = Command::new("cargo").args(words).current_dir(root()).output().unwrap();
    assert!(tree.status.success(), "cargo tree: {}", String::from_utf8_lossy(&tree.stderr));
    if let Some(wrong) = too_many_crates(&String::from_utf8(tree.stdout).unwrap()) {
        panic!("{wrong}\nremedy: do without, or switch features off, in Cargo.toml");
    }
}

fn too_many_crates(tree: &str) -> Option<String> {
    let crates: BTreeSet<_> = tree.lines().map(|line| line.trim_end_matches(" (*)")).collect();
    (crates.len() > CRATES).then(|| format!("it carries {} crates, more than {CRATES}: {crates:#?}", crates.len()))
}

#[test]
fn seen_to_fail() {
    let tree = |crates: usize| (0..crates).map(|i| format!("crate{i} v1\ncrate{i} v1 (*)\n")).collect::<String>();
    assert_eq!(too_many_crates(&tree(CRATES)), None);
    assert!(too_many_crates(&tree(CRATES + 1)).is_some());
}
