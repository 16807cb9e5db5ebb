"""No binary that others get names a folder of the machine that built it: its user, its checkout, its cargo."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.languages import BUILD, LIBRARIES, ROOT

HOME = Path.home()
CARGO_HOME = Path(os.environ.get("CARGO_HOME", HOME / ".cargo"))
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


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
@pytest.mark.parametrize("after", ["/src/lib.rs", "\0"])
def test_check_finds_a_folder(encoding: str, after: str) -> None:
    assert named_folders(b"a panic in " + f"{ROOT}{after}".encode(encoding)) >= {str(ROOT)}
