//! Writes the C header from the types of `src/ffi`, and gives the shared library its name.
//!
//! The header is written into the build's own folder, never into the tree. `make header` copies it to
//! `include/bankhub.h`, and a test fails while the two differ.

use std::env;
use std::path::{Path, PathBuf};

const SONAME: &str = "libbankhub.so.0";

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("set by cargo"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo"));
    write_header(&root, &out.join("bankhub.h"));
    if env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        name_the_library(&out);
    }
}

fn write_header(root: &Path, header: &Path) {
    println!("cargo:rerun-if-changed=cbindgen.toml");
    println!("cargo:rerun-if-changed=src/ffi");
    let config = cbindgen::Config::from_root_or_default(root);
    // In the order in which they appear in the header.
    ["version", "status", "config", "access_token", "error", "stats", "token"]
        .iter()
        .fold(cbindgen::Builder::new().with_config(config), |builder, file| {
            builder.with_src(root.join(format!("src/ffi/{file}.rs")))
        })
        .generate()
        .expect("src/ffi contains only types that C can express")
        .write_to_file(header);
}

/// Programs record the soname, and the loader looks for it. The symbolic link next to the library lets a program run
/// that was linked with the build folder. `nodelete`: `dlclose` must not unmap code that a fetch thread is running.
fn name_the_library(out: &Path) {
    println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,{SONAME}");
    println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    // OUT_DIR is below <profile>/build; cargo has no variable for the profile's folder. If build.build-dir is set, the
    // library is in another folder, and the link is of no use.
    let build = out.ancestors().find(|folder| folder.ends_with("build"));
    let Some(profile) = build.and_then(Path::parent) else { return };
    let link = profile.join(SONAME);
    if link.symlink_metadata().is_err() {
        #[cfg(unix)]
        std::os::unix::fs::symlink("libbankhub.so", &link).expect("the build folder is writable");
    }
}
