"""The examples in the README and in docs/, compiled and run as a reader would, against the mock server."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Callable

import pytest

from support.languages import BUILD, LANGUAGES, LIBRARIES, ROOT, clean_environment
from support.mock_server import MockServer

from .conftest import Drivers

BUILD_LIMIT_S = 120
RUN_LIMIT_S = 20

Command = list[str]


def examples(document: Path, language: str) -> list[str]:
    """The text of each fence in the language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.MULTILINE | re.DOTALL)


DOCUMENTS = [
    document
    for document in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    if any(examples(document, language) for language in LANGUAGES)
]
"""A document that shows an example shows one in every language."""

AROUND: Mapping[str, str] = {
    "c": """
#include <bankhub.h>
#include <stdio.h>
#include <stdlib.h>
int main(void) {
  static bankhub_access_token access;
  bankhub_error error;
  bankhub_token *cache;
EXAMPLE
  if (bankhub_token_get(cache, BANKHUB_TIMEOUT_DEFAULT, &access, &error)) return 3;
  printf("generation %llu\\n", (unsigned long long)access.generation);
  bankhub_access_token_wipe(&access);
  bankhub_token_free(cache);
}
""",
    "cpp": """
#include <bankhub.hpp>
#include <iostream>
int main() {
EXAMPLE
  std::cout << "generation " << cache.get().generation() << '\\n';
}
""",
    "rust": """
use bankhub::{Status, TokenCache};
fn main() -> Result<(), Box<dyn std::error::Error>> {
EXAMPLE
    println!("generation {}", cache.get()?.generation());
    Ok(())
}
""",
    "python": """
import sys

import bankhub

EXAMPLE
cache.get()
print("generation", cache.generation)
""",
    "go": """
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"bankhub.invalid/bankhub"
)

func main() {
	ctx := context.Background()
EXAMPLE
	token, _ = cache.Get(ctx)
	fmt.Println("generation", cache.Generation())
}
""",
    "csharp": """
using System;
using BankHub;
static class Program
{
    static void Main()
    {
EXAMPLE
        cache.Get();
        Console.WriteLine("generation " + cache.Generation);
    }
}
""",
}
"""The program around an example that is a part of one: its last line, too, which says what came of it."""

IS_PROGRAM = re.compile(r"\bmain\(|\bMain\(|^import ", re.MULTILINE)


def program(example: str, language: str) -> str:
    """The example itself if it is a whole program."""
    return example if IS_PROGRAM.search(example) else AROUND[language].lstrip().replace("EXAMPLE", example)


def linked(folder: Path, compiler: Command, name: str) -> Command:
    program = folder / "example"
    library = [f"-I{ROOT / 'include'}", f"-L{LIBRARIES}", "-lbankhub", f"-Wl,-rpath,{LIBRARIES}"]
    build([*compiler, str(folder / name), *library, "-o", str(program)], folder)
    return [str(program)]


def rust(folder: Path) -> Command:
    program = folder / "example"
    crates = ["--extern", f"bankhub={LIBRARIES / 'deps/libbankhub.rlib'}", "-L", f"dependency={LIBRARIES / 'deps'}"]
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
    installed = BUILD / "install" / "lib"
    go = {"PKG_CONFIG_PATH": str(installed / "pkgconfig"), "CGO_LDFLAGS": f"-Wl,-rpath,{installed}"}
    environment = {**os.environ, **go}
    run = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(ROOT)))
def test_example(drivers: Drivers, language: str, document: Path, mock_server: MockServer, tmp_path: Path) -> None:
    drivers.require(language)
    name, prepare = EXAMPLES[language]
    found = examples(document, language)
    assert found, f"{document.relative_to(ROOT)} has no ```{language}, but examples in other languages"
    environment = {
        **clean_environment(),
        **LANGUAGES[language].environment,
        "MONO_PATH": str(BUILD),
        **mock_server.environment,
    }
    for number, example in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / name).write_text(program(example, language))
        command = prepare(folder)
        replaces_a_rejected_token(command, environment, mock_server)
        says_what_failed(command, environment, mock_server)


def replaces_a_rejected_token(command: Command, environment: Mapping[str, str], mock_server: MockServer) -> None:
    mock_server.reset()
    ended = run(command, environment, mock_server)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout == "generation 2\n", "one token, and one that replaced it"
    assert mock_server.counters().tokens_issued == mock_server.token_requests() == 2


def says_what_failed(command: Command, environment: Mapping[str, str], mock_server: MockServer) -> None:
    """Where the secret is wrong: its error handling is a part of the example."""
    ended = run(command, {**environment, "BANKHUB_CLIENT_SECRET": "wrong"}, mock_server)
    assert ended.returncode == 1 and ended.stdout == "", ended.stdout + ended.stderr
    assert "401" in ended.stderr and len(ended.stderr.splitlines()) == 1, "the message, and no trace of a stack"


def run(command: Command, environment: Mapping[str, str], mock_server: MockServer) -> subprocess.CompletedProcess[str]:
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False)
    assert mock_server.client_secret not in ended.stdout + ended.stderr
    return ended
