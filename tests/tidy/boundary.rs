//! Every function that C can call goes through the panic guard, and no other file has any.

use crate::rust::{closing, code, functions, places, words};
use crate::{Breach, File, below, complaints, keep};

const BODY_LINES: usize = 15;

#[test]
fn every_exported_function_is_one_guard() {
    keep(
        "a function for C is named bankhub_…, carries #[unsafe(no_mangle)], and is one guard!(…) of at most 15 lines",
        "put the whole body into guard!(the answer after a panic, …), and what is long into a function of its own",
        below("src/ffi/").flat_map(unguarded_functions),
    );
}

#[test]
fn only_the_boundary_exports() {
    keep(
        "only src/ffi exports symbols",
        "put the function into src/ffi, behind its guard",
        below("src/").filter(|file| !file.path.starts_with("src/ffi/")).flat_map(exports),
    );
}

fn exports(file: &File) -> Vec<Breach> {
    file.at(places(&code(&file.text), &["no_mangle", "export_name"]))
}

fn unguarded_functions(file: &File) -> Vec<Breach> {
    let code = code(&file.text);
    let mut wrong = Vec::new();
    for function in functions(&code) {
        let declaration = &code[code[..function.at].rfind(['{', '}', ';']).unwrap_or(0)..function.at];
        if !words(declaration).any(|(_, word)| word == "extern") {
            continue;
        }
        let mut complain = |what: &str| wrong.push((function.at, format!("{} {what}", function.name)));
        if !function.name.starts_with("bankhub_") {
            complain("does not start with bankhub_");
        }
        if !declaration.contains("#[unsafe(no_mangle)]") {
            complain("has no #[unsafe(no_mangle)]");
        }
        let body = code[function.body.start + 1..function.body.end].trim();
        if !body.starts_with("guard!(") || closing(body, "guard!".len()) != body.len() - 1 {
            complain("is not one guard!(…)");
        }
        if body.lines().count() > BODY_LINES {
            complain("is too long");
        }
    }
    file.at(wrong)
}

#[test]
fn seen_to_fail() {
    let of = |text: &str| complaints(unguarded_functions(&File::new("src/ffi/x.rs", text)));
    let good = "#[unsafe(no_mangle)]\npub unsafe extern \"C\" fn bankhub_x(a: [u8; 2]) -> u32 { guard!(0, { f(a) }) }";
    assert_eq!(of(good), [""; 0]);
    assert_eq!(of("use a::B;\nfn plain() {}\nfn taker(f: extern \"C\" fn(u8)) {}"), [""; 0]);
    assert_eq!(of(&good.replace("guard!(0, { f(a) })", "f(a)")), ["2: bankhub_x is not one guard!(…)"]);
    assert_eq!(of(&good.replace("guard!", "f(a); guard!")), ["2: bankhub_x is not one guard!(…)"]);
    assert_eq!(of(&good.replace("{ f(a) })", "f(a)) + f(a)")), ["2: bankhub_x is not one guard!(…)"]);
    assert_eq!(of(&good.replace("{ f(a) })", "1) + guard!(0, 1)")), ["2: bankhub_x is not one guard!(…)"]);
    assert_eq!(of(&good.replace("#[unsafe(no_mangle)]", "")), ["2: bankhub_x has no #[unsafe(no_mangle)]"]);
    assert_eq!(of(&good.replace("bankhub_x", "x")), ["2: x does not start with bankhub_"]);
    assert_eq!(of(&good.replace("f(a)", &"f(a);\n".repeat(15))), ["2: bankhub_x is too long"]);
    assert_eq!(complaints(exports(&File::new("src/life.rs", good))), ["1: no_mangle"]);
}
