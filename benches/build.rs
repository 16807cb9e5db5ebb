//! Compiles what is measured from C.

fn main() {
    println!("cargo:rerun-if-changed=hot/hot.c");
    println!("cargo:rerun-if-changed=../include/bankhub.h");
    cc::Build::new().file("hot/hot.c").include("../include").std("c11").warnings_into_errors(true).compile("hot");
}
