//! Has src/runtime/cache.rs wait with what this crate offers, which is loom's, instead of std's.

fn main() {
    println!("cargo::rustc-cfg=loom");
}
