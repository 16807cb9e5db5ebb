//! Compiles what is measured from C.

fn main() {
    println!("cargo:rerun-if-changed=hot/hot.c");
    println!("cargo:rerun-if-changed=../include/bankhub.h");
    let mut build = cc::Build::new();
    // The loops differ in what they do, and not in how many cache lines of code they happen to touch.
    build.flag_if_supported("-falign-functions=64").flag_if_supported("-falign-loops=64");
    build.file("hot/hot.c").include("../include").std("c11").warnings_into_errors(true).compile("hot");
}
