"""No binary that others get names a folder of the machine that built it: its user, its checkout, its cargo."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.languages import BUILD, LIBRARIES, ROOT

HOME = Path.home()
CARGO_HOME = Path(os.environ.get("CARGO_HOME", HOME / ".cargo"))
CARGO_TOML = """
[package]
name = "tiny"
version = "0.1.0"
edition = "2024"
[lib]
crate-type = ["cdylib"]
"""
BUILD_RS = """
fn main() {
    let generated = std::path::Path::new(&std::env::var_os("OUT_DIR").unwrap()).join("generated.rs");
    std::fs::write(generated, "pub fn generated(x: Option<u8>) -> u8 { x.expect(file!()) }").unwrap();
}
"""
LIB_RS = """
include!(concat!(env!("OUT_DIR"), "/generated.rs"));
#[unsafe(no_mangle)]
pub extern "C" fn tiny(x: u8) -> u8 { generated(x.checked_add(1)) }
"""
BUILT = ["libbankhub.so", "libbankhub.a", "bankhub-mock-server"]


def named_folders(contents: bytes) -> set[str]:
    """The folders that are named, also in the text of .NET."""
    folders = {str(folder) for folder in (ROOT, HOME, CARGO_HOME)} - {"/"}
    # Followed by a file, or by the end: a folder may have a short name that is part of other words.
    endings = ("/", "\\", "\0")
    names = {folder: [folder + ending for ending in endings] for folder in folders}
    encodings = ("utf-8", "utf-16-le")
    return {
        folder
        for folder, written in names.items()
        if any(name.encode(encoding) in contents for name in written for encoding in encodings)
    }


@pytest.mark.parametrize("name", BUILT)
def test_built_binary_names_no_folder(name: str) -> None:
    assert named_folders((LIBRARIES / name).read_bytes()) == set()


def test_installed_libraries_name_no_folder(tmp_path: Path) -> None:
    subprocess.run([ROOT / "scripts" / "install", tmp_path], check=True)
    libraries = list((tmp_path / "lib").glob("libbankhub.*"))
    assert libraries
    assert {file.name: named_folders(file.read_bytes()) for file in libraries} == {
        file.name: set() for file in libraries
    }


def test_wheel_names_no_folder() -> None:
    [wheel] = (BUILD / "wheels").glob(f"*_{platform.machine()}.whl")
    check_parts(wheel)


def test_nuget_package_names_no_folder(tmp_path: Path) -> None:
    packer = ROOT / "bindings" / "csharp" / "pack.py"
    packed = subprocess.run([sys.executable, packer, tmp_path], stdout=subprocess.PIPE, text=True, check=True)
    check_parts(Path(packed.stdout.strip()))


def check_parts(package: Path) -> None:
    with zipfile.ZipFile(package) as parts:
        found = {name: named_folders(parts.read(name)) for name in parts.namelist()}
    assert {name: folders for name, folders in found.items() if folders} == {}


def test_same_sources_give_the_same_library_in_any_folder(tmp_path: Path) -> None:
    libraries = [built_tiny(tmp_path / folder) for folder in ("one", "two with another name")]
    assert libraries[0] == libraries[1]
    assert str(tmp_path).encode() not in libraries[0]


def built_tiny(folder: Path) -> bytes:
    """A small library, built as this one is, with a file that its build script writes."""
    (folder / "src").mkdir(parents=True)
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "Cargo.toml").write_text(CARGO_TOML)
    (folder / "build.rs").write_text(BUILD_RS)
    (folder / "src" / "lib.rs").write_text(LIB_RS)
    environment = {**os.environ, "CARGO_TARGET_DIR": str(folder / "target")}
    command = ["scripts/cargo", "build", "--quiet", "--release", "--offline"]
    subprocess.run(command, cwd=folder, env=environment, check=True)
    return (folder / "target" / "release" / "libtiny.so").read_bytes()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("after", ["/src/lib.rs", "\0"])
def test_check_finds_a_folder(encoding: str, after: str) -> None:
    assert named_folders(b"a panic in " + f"{ROOT}{after}".encode(encoding)) >= {str(ROOT)}
