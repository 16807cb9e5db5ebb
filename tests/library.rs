//! The built `libbankhub.so` is as promised: its symbols, its soname, the libraries that it needs, and its size.
//!
//! It needs a release build, so a plain `cargo test` leaves it out; `make test` runs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// 3.0 MiB.
const BYTES: u64 = 3 * 1024 * 1024;
const NEEDED: &[&str] = &["libc.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2", "ld-linux-aarch64.so.1"];

#[test]
fn the_library_is_as_promised() {
    let library = library();
    let shown = library.to_str().unwrap();
    let size = fs::metadata(&library).unwrap_or_else(|_| panic!("{shown} is absent: run `make library` first")).len();
    let listed = include_str!("symbols.txt");
    let mut wrong = wrong_symbols(listed, &run("nm", &["-D", "--defined-only", "-P", shown]));
    wrong.extend(wrong_headers(&run("readelf", &["-dW", shown])));
    wrong.extend(wrong_size(size));
    let remedy = "make build if it is old; symbols change with the ABI's number, the rest in build.rs and Cargo.toml";
    assert!(wrong.is_empty(), "{shown}: {}\nremedy: {remedy}", wrong.join("; "));
}

fn library() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/release/libbankhub.so")
}

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(env!("CARGO_MANIFEST_DIR")).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}; remedy: install binutils"));
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn wrong_symbols(listed: &str, nm: &str) -> Vec<String> {
    let listed: BTreeSet<_> = listed.lines().collect();
    let exported: BTreeSet<_> = nm.lines().filter_map(|line| line.split(' ').next()).collect();
    let missing = listed.difference(&exported).map(|name| format!("it does not export {name}"));
    let surplus = exported.difference(&listed).map(|name| format!("it exports {name}, not in tests/symbols.txt"));
    missing.chain(surplus).collect()
}

fn wrong_size(size: u64) -> Option<String> {
    (size > BYTES).then(|| format!("it has {size} bytes, more than {BYTES}"))
}

fn wrong_headers(readelf: &str) -> Vec<String> {
    let bracketed = |line: &str| line.split(['[', ']']).nth(1).unwrap_or_default().to_owned();
    let named = |tag: &str| readelf.lines().filter(|line| line.contains(tag)).map(bracketed).collect::<Vec<_>>();
    let mut wrong: Vec<_> = named("(NEEDED)")
        .iter()
        .filter(|name| !NEEDED.contains(&name.as_str()))
        .map(|name| format!("it needs {name}"))
        .collect();
    if named("(SONAME)") != ["libbankhub.so.0"] {
        wrong.push(format!("its soname is {:?}, not libbankhub.so.0", named("(SONAME)")));
    }
    if !readelf.lines().any(|line| line.contains("(FLAGS_1)") && line.contains("NODELETE")) {
        wrong.push("it is not linked nodelete".to_owned());
    }
    wrong
}

#[test]
fn seen_to_fail() {
    let nm = "bankhub_a T 1 2\nbankhub_b T 1 2\n";
    assert_eq!(wrong_symbols("bankhub_a\nbankhub_b\n", nm), [""; 0]);
    assert_eq!(wrong_symbols("bankhub_a\nbankhub_b\nbankhub_c\n", nm), ["it does not export bankhub_c"]);
    assert_eq!(wrong_symbols("bankhub_a\n", nm), ["it exports bankhub_b, not in tests/symbols.txt"]);
    let readelf = " 0x1 (NEEDED) Shared library: [libc.so.6]\n 0xe (SONAME) Library soname: [libbankhub.so.0]\n \
                   0x6ffffffb (FLAGS_1) Flags: NOW NODELETE\n";
    assert_eq!(wrong_headers(readelf), [""; 0]);
    assert_eq!(wrong_headers(&readelf.replace("libc.so.6", "libssl.so.3")), ["it needs libssl.so.3"]);
    assert_eq!(
        wrong_headers(&readelf.replace("bankhub.so.0", "bankhub.so")),
        ["its soname is [\"libbankhub.so\"], not libbankhub.so.0"]
    );
    assert_eq!(wrong_headers(&readelf.replace("NODELETE", "")), ["it is not linked nodelete"]);
    assert_eq!(wrong_size(BYTES), None);
    assert!(wrong_size(BYTES + 1).is_some());
}
