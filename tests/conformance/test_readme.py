"""The README's example of each language, compiled and run as a reader would, against the mock server."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

from conftest import Drivers
from languages import BUILD, LANGUAGES, LIBRARIES, ROOT, clean_environment
from mock_server import MockServer

HEADING = "Ten lines"
LINES_MAX = 25
"""Ten lines of example, and what the language wants around them."""
BUILD_LIMIT_S = 120
RUN_LIMIT_S = 20

Command = list[str]


def example(language: str) -> str:
    """The first fence in the language, under the heading."""
    readme = (ROOT / "README.md").read_text()
    section = re.search(rf"^(#+) [^\n]*{HEADING}[^\n]*\n(.*?)(?=^\1 |\Z)", readme, re.MULTILINE | re.DOTALL)
    assert section, f"README.md has no heading with {HEADING!r}"
    fence = re.search(rf"^```{language}\n(.*?)^```$", section.group(2), re.MULTILINE | re.DOTALL)
    assert fence, f"README.md has no ```{language} under {HEADING!r}"
    return fence.group(1)


def linked(folder: Path, compiler: Command, name: str) -> Command:
    program = folder / "example"
    library = [f"-I{ROOT / 'include'}", f"-L{LIBRARIES}", "-lbankhub", f"-Wl,-rpath,{LIBRARIES}"]
    build([*compiler, str(folder / name), *library, "-o", str(program)], folder)
    return [str(program)]


def rust(folder: Path) -> Command:
    program = folder / "example"
    crates = ["--extern", f"bankhub={LIBRARIES / 'libbankhub.rlib'}", "-L", f"dependency={LIBRARIES / 'deps'}"]
    build(["rustc", "--edition", "2024", str(folder / "example.rs"), *crates, "-o", str(program)], folder)
    return [str(program)]


def go(folder: Path) -> Command:
    binding = ROOT / "bindings" / "go"
    named = re.search(r"^module (\S+)$.*^(go \S+)$", (binding / "go.mod").read_text(), re.MULTILINE | re.DOTALL)
    assert named, "bindings/go/go.mod names no module and version of Go"
    module, version = named.groups()
    (folder / "go.mod").write_text(
        f"module example\n\n{version}\n\nrequire {module} v0.0.0\n\nreplace {module} => {binding}\n"
    )
    program = folder / "example"
    build(["go", "build", "-mod=mod", "-o", str(program), "."], folder)
    return [str(program)]


def csharp(folder: Path) -> Command:
    program = folder / "example.exe"
    build(["mcs", f"-r:{BUILD / 'BankHub.dll'}", f"-out:{program}", str(folder / "example.cs")], folder)
    return ["mono", str(program)]


EXAMPLES: Mapping[str, tuple[str, Callable[[Path], Command]]] = {
    "c": ("example.c", lambda folder: linked(folder, ["cc"], "example.c")),
    "cpp": ("example.cpp", lambda folder: linked(folder, ["g++", "-std=c++17"], "example.cpp")),
    "rust": ("example.rs", rust),
    "python": ("example.py", lambda folder: [LANGUAGES["python"].program, str(folder / "example.py")]),
    "go": ("main.go", go),
    "csharp": ("example.cs", csharp),
}


def build(command: Command, folder: Path) -> None:
    environment = {**os.environ, "PKG_CONFIG_PATH": str(BUILD / "install" / "lib" / "pkgconfig")}
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


def test_example(drivers: Drivers, language: str, mock_server: MockServer, tmp_path: Path) -> None:
    drivers.require(language)
    name, prepare = EXAMPLES[language]
    source = example(language)
    (tmp_path / name).write_text(source)
    environment = {
        **clean_environment(),
        **LANGUAGES[language].environment,
        "MONO_PATH": str(BUILD),
        **mock_server.environment,
    }

    run = subprocess.run(
        prepare(tmp_path), env=environment, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False
    )

    assert run.returncode == 0, run.stdout + run.stderr
    assert mock_server.client_secret not in run.stdout + run.stderr
    assert run.stdout == "generation 2\n", "one token, and one that replaced it"
    assert mock_server.counters().tokens_issued == mock_server.token_requests() == 2
    assert len(source.splitlines()) <= LINES_MAX, "the README promises ten lines"
