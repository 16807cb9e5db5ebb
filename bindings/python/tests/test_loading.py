"""Tests which file is loaded, and what the ImportError says if none fits. Each test starts an interpreter."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import bankhub
from bankhub import _library
from bankhub._abi import BANKHUB_ABI_MAJOR, BANKHUB_ABI_MINOR
from bankhub._library import SONAME

PACKAGE = Path(bankhub.__file__).parent
FITTING = BANKHUB_ABI_MAJOR << 16 | BANKHUB_ABI_MINOR
FUNCTIONS = [name for name in vars(_library) if name.startswith("bankhub_") and callable(getattr(_library, name))]


def test_names_missing_file(tmp_path: Path) -> None:
    absent = str(tmp_path / "absent.so")
    message = import_error(BANKHUB_LIBRARY=absent)
    assert f"{absent} (named by BANKHUB_LIBRARY): {absent}: cannot open shared object file" in message
    assert "the package" not in message


def test_lists_searched_places(tmp_path: Path) -> None:
    message = import_error(LD_LIBRARY_PATH=str(tmp_path))
    assert f"{platform.system()} on {platform.machine()} with {' '.join(platform.libc_ver())}" in message
    assert f"{PACKAGE / SONAME} (in the folder of the package): " in message
    assert f"{SONAME} (found by the system's loader): " in message


def test_refuses_text_file(tmp_path: Path) -> None:
    text = tmp_path / SONAME
    text.write_text("not a library\n" * 100)
    assert f"{text} (named by BANKHUB_LIBRARY): {text}: invalid ELF header" in import_error(BANKHUB_LIBRARY=str(text))


def test_refuses_other_library(tmp_path: Path) -> None:
    other = compile_library(tmp_path, "int other(void) { return 0; }")
    assert f"{other} (named by BANKHUB_LIBRARY) is not libbankhub" in import_error(BANKHUB_LIBRARY=str(other))


def test_refuses_wrong_abi(tmp_path: Path) -> None:
    needs = f"this package needs {BANKHUB_ABI_MAJOR}.{BANKHUB_ABI_MINOR} or a later {BANKHUB_ABI_MAJOR}.x"
    for version, name in ((FITTING - 1, "0.0"), (FITTING + (1 << 16), "1.1")):
        library = fake_library(tmp_path, version)
        message = import_error(BANKHUB_LIBRARY=str(library))
        assert f"{library} (named by BANKHUB_LIBRARY) has ABI {name}, {needs}" in message
        message = import_error(LD_LIBRARY_PATH=str(tmp_path))
        assert f"{library} (found by the system's loader) has ABI {name}, {needs}" in message


def test_accepts_later_minor_version(tmp_path: Path) -> None:
    assert import_error(BANKHUB_LIBRARY=str(fake_library(tmp_path, FITTING + 1))) == ""


def test_prefers_file_in_package(tmp_path: Path) -> None:
    package = tmp_path / "bankhub"
    shutil.copytree(PACKAGE, package)
    own = fake_library(package, FITTING - 1)
    message = import_error(PYTHONPATH=str(tmp_path), LD_LIBRARY_PATH=str(fake_library(tmp_path, FITTING).parent))
    assert f"{own} (in the folder of the package) has ABI 0.0" in message


def fake_library(folder: Path, version: int) -> Path:
    """A library that has all functions, but only its version is correct."""
    stubs = "".join(f"void {name}(void) {{}}\n" for name in FUNCTIONS)
    return compile_library(folder, f"unsigned bankhub_abi_version(void) {{ return {version}; }}\n{stubs}")


def compile_library(folder: Path, source: str) -> Path:
    library = folder / SONAME
    subprocess.run(["cc", "-shared", "-fPIC", "-xc", "-o", library, "-"], input=source.encode(), check=True)
    return library


def import_error(**environment: str) -> str:
    """The last line of the error of `import bankhub`; empty if it succeeds."""
    kept = {name: value for name, value in os.environ.items() if name not in ("BANKHUB_LIBRARY", "LD_LIBRARY_PATH")}
    done = subprocess.run(
        [sys.executable, "-c", "import bankhub"],
        env={**kept, "PYTHONPATH": str(PACKAGE.parent), **environment},
        stderr=subprocess.PIPE,
        text=True,
    )
    last = done.stderr.strip().rpartition("\n")[2]
    assert last.startswith("ImportError: ") if done.returncode else not last, done.stderr
    return last
