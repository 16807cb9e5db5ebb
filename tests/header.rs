//! `include/bankhub.h` is what cbindgen makes of the types, and says what the library says.

use std::{env, fs, path::Path};

const HEADER: &str = include_str!("../include/bankhub.h");

#[test]
fn the_header_is_the_one_that_the_types_give() {
    let generated = include_str!(concat!(env!("OUT_DIR"), "/bankhub.h"));
    let differs = HEADER.lines().zip(generated.lines()).position(|(ours, theirs)| ours != theirs);
    assert!(
        HEADER == generated,
        "include/bankhub.h:{}: differs from src/ffi: run `make header`",
        differs.unwrap_or(0) + 1
    );
}

#[test]
fn every_constant_of_the_library_is_in_the_header() {
    // cbindgen drops constants that it cannot express, and says nothing.
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/ffi");
    let mut constants = 0;
    let entries = fs::read_dir(folder).expect("the folder of the ABI").map(|entry| entry.expect("an entry").path());
    for file in entries.filter(|path| path.is_file()) {
        let text = fs::read_to_string(file).expect("a source file");
        for name in
            text.lines().filter_map(|line| line.strip_prefix("pub const ")?.split_once(':')).map(|(name, _)| name)
        {
            constants += 1;
            assert!(
                HEADER.contains(&format!("#define {name} ")),
                "{name} is not in include/bankhub.h: see cbindgen.toml"
            );
        }
    }
    assert!(constants > 10, "the constants are not where this test looks for them");
}

#[test]
fn the_urls_are_those_of_the_library() {
    for (name, url) in [("SANDBOX", bankhub::SANDBOX_URL), ("PRODUCTION", bankhub::PRODUCTION_URL)] {
        let line = format!("#define BANKHUB_{name}_URL \"{url}\"");
        assert!(HEADER.contains(&line), "include/bankhub.h has no line {line}: see cbindgen.toml");
    }
}
