"""The steps of `make test`, in their order: the command of each, how its tests are counted, and what it needs."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

from .results import Reader, go_test, junit, libtest

ROOT = Path(__file__).resolve().parents[2]
REPORT = "REPORT.xml"
"""Stands in a command for the file that the runner is to write."""


@dataclass(frozen=True)
class Step:
    """One command, the names that select it, how its results are read, and what it needs."""

    name: str
    command: list[str]
    groups: str = ""
    """More names that select it."""
    read: Optional[Reader] = None
    """Without it, the step counts as one test."""
    stdin: str = ""
    needs: str = ""
    """Which of the things that build/missing may name."""
    builds: str = ""
    """The targets of make that have to be built."""
    waits: bool = False
    """It leaves both cores idle most of the time, so another such step may run at the same time."""
    folder: str = "."
    limit_s: float = 900

    def answers_to(self, name: str) -> bool:
        """Whether the name selects this step."""
        return name in (self.name, *self.groups.split())

    def building(self, *targets: str) -> Step:
        """This step, with these targets in place of its own."""
        return replace(self, command=[*self.command[:2], *targets])


PYTHON = str(ROOT / ".venv/bin/python")
PYTEST_OPTIONS = ["-p", "suite.pytest_plugin", f"--junitxml={REPORT}"]
PYTHON_CODE = ["bindings/python", "tests", "benches", "examples/run.py", "scripts"]
GO_MODULES = [
    "bindings/go",
    "bindings/go/oauth2",
    "tests/conformance/drivers/go",
    "tests/conformance/http_clients/go",
    "benches/comparison/go",
    "benches/wrappers/go",
]
PEERS = "pytest peers"
OF_TOPOLOGIES = "pytest redis haproxy valkey cpp go csharp"
# Faults of the network end before the store is used, and an HTTP adapter does not know whether its cache has a store.
WITH_A_STORE = [
    *(f"tests/conformance/test_{name}.py" for name in ("get", "invalidate", "close", "stats", "responses", "abi")),
    "tests/conformance/test_http.py::test_two_programs_fetch_two_tokens_without_a_store",
]
PROXY = "tests/conformance/test_proxy.py"
# Redis as it is run, for a short time; `make stores` takes longer.
SHARING = ["tests/stores/test_sharing.py", "--rounds=.5", "--processes=8"]
TOPOLOGY_NAMES = ("plain", "database", "unix", "tls", "valkey", "haproxy", "sentinel", "cluster")
TOPOLOGIES = [f"--topology={name}" for name in TOPOLOGY_NAMES]
SETUID = "tests/process/test_setuid.py"
NOT_SETUID = f"--ignore={SETUID}"
BENCHMARKS = ["benches/test_benches.py", "benches/test_rounds.py"]
CLIPPY = ["cargo", "clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]
# -count=1: without Go's cache, which does not see the library change.
GO_TEST = ["go", "test", "-race", "-count=1", "-json", "./..."]
# The JSON of Rust's tests is unstable, so a stable Rust prints it only where RUSTC_BOOTSTRAP is set. Cargo must not see
# the variable, or it compiles some dependencies again: the test programs get it from cargo's runner.
CARGO_TEST = ["cargo", "--config", 'target."cfg(all())".runner = ["env", "RUSTC_BOOTSTRAP=1"]', "test", "--workspace"]
DOC_TEST = ["env", f"RUSTDOC={ROOT}/scripts/rustdoc", "cargo", "test", "--workspace", "--doc"]
DOC = ["env", "RUSTDOCFLAGS=-D warnings", "cargo", "doc", "--quiet", "--workspace", "--no-deps"]
JSON = ["--no-fail-fast", "--", "-Zunstable-options", "--format", "json", "--show-output"]

# --level error: a warning would be a failure, too.
PYRIGHT = [PYTHON, "-m", "basedpyright", "--pythonpath", PYTHON, "--level", "error", "-p", "bindings/python"]

MONO_TESTS = ["mono", "build/test-csharp.exe", f"--junitxml={REPORT}"]


def go_vet(module: str) -> Step:
    """Named for the module's folder, and where that is called go, for the one above it."""
    name = [part for part in module.split("/") if part != "go"][-1]
    return Step(f"go-vet-{name}", ["go", "vet", "./..."], "go go-vet", needs="go", builds="cargo", folder=module)


def header(name: str, file: str, *compiler: str, groups: str = "headers cpp", needs: str = "cpp") -> Step:
    """Compiles a header alone, twice included, for its warnings only."""
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    command = [*compiler, *warnings, "-fsyntax-only", "-Iinclude", "-"]
    return Step(name, command, groups, stdin=f'#include "{file}"\n' * 2, needs=needs)


def waiting(name: str, command: list[str], groups: str = "", *, needs: str = "pytest") -> Step:
    """One that pytest runs, and that waits for servers and for time to pass."""
    return Step(name, command, groups, junit, needs=needs, builds="build", waits=True)


def pytest(*arguments: str) -> list[str]:
    """The command that runs the Python tests below these folders."""
    return [PYTHON, "-m", "pytest", *PYTEST_OPTIONS, *arguments]


def other_pythons() -> list[Step]:
    """The wrapper's tests with every Python that this machine has besides that of .venv, pyenv's included."""
    steps: dict[str, Step] = {}
    own = python_version(PYTHON)
    folders = [
        *os.get_exec_path(),
        *map(str, Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/*/bin")),
    ]
    for program in (f"{folder}/python3.{minor}" for folder in folders for minor in range(9, 20)):
        version = python_version(program)
        if version and version != own:
            command = ["scripts/test-python", program, *PYTEST_OPTIONS]
            steps[version] = waiting(f"python{version}", command, "pythons")
    return list(steps.values())


def python_version(program: str) -> str:
    """Such as 3.11; empty where there is none that works."""
    if not os.access(program, os.X_OK):
        return ""
    said = subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    return ".".join(re.findall(r"\d+", said)[:2])


def fuzzing() -> list[Step]:
    """A short run of it, where there is the nightly that it takes."""
    nightly = subprocess.run(["rustc", "+nightly", "--version"], capture_output=True).returncode == 0
    return [Step("fuzz", ["make", "fuzz", "FUZZ_S=5"], "fuzzing")] if nightly else []


BUILD = Step("build", ["make", "--keep-going", "build", "testing"])
STEPS = [
    BUILD,
    Step("rustfmt", ["cargo", "fmt", "--all", "--check"], "rust"),
    Step("clippy", CLIPPY, "rust"),
    Step("rust-tests", [*CARGO_TEST, "--lib", "--bins", "--tests", "--examples", *JSON], "rust", libtest),
    Step("cargo-doc", DOC, "rust"),
    Step("cargo-doc-private", [*DOC, "--document-private-items", "--no-default-features"], "rust"),
    Step("rust-docs", [*DOC_TEST, *JSON], "rust", libtest),
    Step("library", [*CARGO_TEST, "--test", "library", *JSON], "rust", libtest, builds="library"),
    header("header-c99", "bankhub.h", "cc", "-std=c99", "-xc", groups="headers c", needs=""),
    header("header-c++11", "bankhub.h", "g++", "-std=c++11", "-xc++"),
    header("header-c++17", "bankhub.hpp", "g++", "-std=c++17", "-xc++"),
    header("header-c++20", "bankhub.hpp", "g++", "-std=c++20", "-xc++"),
    header("header-bare", "bankhub.hpp", "g++", "-std=c++17", "-fno-exceptions", "-xc++"),
    Step("gofmt", ["sh", "-c", "! gofmt -l $* | grep .", "sh", *GO_MODULES], "go", needs="go"),
    *map(go_vet, GO_MODULES),
    Step("go-tests", GO_TEST, "go", go_test, needs="go", builds="cargo", folder="bindings/go"),
    Step("go-oauth2", GO_TEST, "go", go_test, needs="go", builds="cargo", folder="bindings/go/oauth2"),
    Step("mypy", [PYTHON, "-m", "mypy", "--strict", *PYTHON_CODE], "python", needs="pytest"),
    Step("pyright", PYRIGHT, "python", needs="pyright"),
    Step("ruff", [PYTHON, "-m", "ruff", "check", *PYTHON_CODE], "python", needs="pytest"),
    Step("ruff-format", [PYTHON, "-m", "ruff", "format", "--check", *PYTHON_CODE], "python", needs="pytest"),
    Step("suite", pytest("tests/test_suite.py", "tests/test_demo.py"), "", junit, needs="pytest"),
    Step("memory", pytest("tests/memory"), "", junit, needs="pytest valgrind", builds="build/memory build/memory-asan"),
    Step("stores", pytest("tests/stores"), "", junit, needs="pytest redis haproxy cpp go csharp", builds="build"),
    Step("topologies", pytest(*SHARING, *TOPOLOGIES), "stores", junit, needs=OF_TOPOLOGIES, builds="build"),
    Step("setuid", pytest(SETUID), "process", junit, needs="pytest root cpp go", builds="cargo build/driver-go"),
    Step("process", pytest("tests/process", NOT_SETUID), "", junit, needs="pytest redis", builds="cargo", limit_s=300),
    waiting("conformance", pytest("tests/conformance", f"--ignore={PROXY}")),
    waiting("store-redis", pytest("--store=redis", *WITH_A_STORE), "with-a-store", needs="pytest redis"),
    waiting("store-file", pytest("--store=file", *WITH_A_STORE), "with-a-store", needs="pytest redis"),
    waiting("proxy", pytest(PROXY), needs="pytest proxy"),
    waiting("networks", pytest("tests/networks"), needs="pytest networks redis go"),
    waiting("python-tests", pytest("bindings/python/tests"), "python"),
    *other_pythons(),
    Step("csharp-tests", MONO_TESTS, "csharp", junit, needs="csharp", builds="cargo build/test-csharp.exe", waits=True),
    Step("benchmarks", pytest(*BENCHMARKS), "", junit, needs=f"curl go csharp {PEERS}", builds="testing"),
    Step("wheels", ["scripts/wheels", platform.machine()], "packages", needs="wheels"),
    Step("packages", pytest("tests/packages"), "", junit, needs="pytest wheels go csharp", builds="build"),
    Step("comparison", pytest("benches/comparison"), "", junit, needs=f"go {PEERS}", builds="benches"),
    Step("corpus", ["make", "corpus"], "fuzzing", needs="cpp"),
    *fuzzing(),
    Step("demo", [sys.executable, "examples/run.py", f"--junitxml={REPORT}"], "", junit, builds="build"),
]
