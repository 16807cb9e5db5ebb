"""The six languages: the command that starts the driver of each, and the files that it needs."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

ROOT = Path(__file__).resolve().parents[2]
CONFORMANCE = ROOT / "tests" / "conformance"
LIBRARIES = ROOT / "target" / "release"
BUILD = ROOT / "build"
HEADER = ROOT / "include" / "bankhub.h"


def version() -> str:
    """The version number, which is the same for everything in the tree."""
    found = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE)
    assert found, "Cargo.toml names no version"
    return found.group(1)


@dataclass(frozen=True)
class Language:
    """A command for one language. `program` must be on PATH, and `files` must exist."""

    program: str
    files: tuple[Path, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = ()

    @property
    def command(self) -> list[str]:
        return [*filter(None, [self.program]), str(self.files[0]), *self.options]

    def missing(self) -> Optional[str]:
        """The reason why the command cannot be started, or None."""
        if self.program and shutil.which(self.program) is None:
            return f"{self.program} is not installed"
        absent = [str(path.relative_to(ROOT)) for path in self.files if not path.exists()]
        return f"{', '.join(absent)} not built" if absent else None


def binary(path: Path) -> Language:
    """A program that needs no interpreter."""
    return Language(program="", files=(path,))


LANGUAGES: Mapping[str, Language] = {
    "c": binary(BUILD / "driver-c"),
    "cpp": binary(BUILD / "driver-cpp"),
    "rust": binary(LIBRARIES / "examples" / "driver"),
    "python": Language(
        program=sys.executable,
        files=(CONFORMANCE / "drivers" / "driver.py", ROOT / "bindings" / "python" / "src"),
        environment={"PYTHONPATH": str(ROOT / "bindings" / "python" / "src")},
    ),
    "go": binary(BUILD / "driver-go"),
    "csharp": Language(program="mono", files=(BUILD / "driver-csharp.exe", BUILD / "BankHub.dll")),
}


def clean_environment() -> dict[str, str]:
    """The environment of a program of the tree, without any variable that configures the library or its network."""
    kept = {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
    return {
        **kept,
        "LC_ALL": "C.UTF-8",
        "LD_LIBRARY_PATH": str(LIBRARIES),
        "BANKHUB_LIBRARY": str(LIBRARIES / "libbankhub.so.0"),
    }
