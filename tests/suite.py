"""Runs every check and test of every language, and ends with one line that counts them all; `make test` calls it.

Every step runs, whatever became of the ones before it. A step whose runner counts its tests adds those numbers, any
other counts as one. A step that ends badly without a failed test, takes too long or counts nothing is one failure. What
needs something that build/missing names is skipped; with CI=true a skip is a failure.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Tally(NamedTuple):
    """How many tests ended how."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def plus(self, other: Tally) -> Tally:
        """Both together."""
        return Tally(self.passed + other.passed, self.failed + other.failed, self.skipped + other.skipped)

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed" + (f", {self.skipped} skipped" if self.skipped else "")


def cargo_tests(output: str) -> Tally:
    """`cargo test`: a line for each test program, and one for the examples in the documentation."""
    pattern = r"^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored"
    return total(Tally(*map(int, counts)) for counts in re.findall(pattern, output, re.MULTILINE))


def go_tests(output: str) -> Tally:
    """`go test -v`: a line for each test and each test within a test."""
    ends = re.findall(r"^ *--- (PASS|FAIL|SKIP): ", output, re.MULTILINE)
    return Tally(ends.count("PASS"), ends.count("FAIL"), ends.count("SKIP"))


def pytest_tests(output: str) -> Tally:
    """pytest: its last line. A test expected to fail proves nothing, so it counts as skipped."""
    summary = re.findall(r"^(?:=+ )?((?:\d+ \w+(?:, )?)+) in [\d.]+s", output, re.MULTILINE)[-1:]
    counts = [(int(count), word) for count, word in re.findall(r"(\d+) (\w+)", "".join(summary))]
    kinds = (("passed",), ("failed", "error", "errors"), ("skipped", "xfailed", "xpassed", "deselected"))
    return Tally(*(sum(count for count, word in counts if word in kind) for kind in kinds))


def plain_line(output: str) -> Tally:
    """Our own runners: the line that this one ends with, too."""
    pattern = r"^(\d+) passed, (\d+) failed(?:, (\d+) skipped)?$"
    last = re.findall(pattern, output, re.MULTILINE)[-1:]
    return total(Tally(*(int(count or 0) for count in counts)) for counts in last)


def total(tallies: Iterable[Tally]) -> Tally:
    """All together."""
    return functools.reduce(Tally.plus, tallies, Tally())


@dataclass(frozen=True)
class Step:
    """One command, how the tests in its output are counted, and which of the things that may be missing it needs."""

    name: str
    command: list[str]
    stdin: str = ""
    count: Callable[[str], Tally] | None = None
    needs: str = ""
    folder: str = "."
    limit_s: float = 900


PYTHON = str(ROOT / ".venv/bin/python")
PYTHON_CODE = ["bindings/python", "tests", "benches", "examples/run.py", "scripts"]
GO_MODULES = [
    "bindings/go",
    "bindings/go/oauth2",
    "tests/conformance/drivers/go",
    "tests/conformance/http_clients/go",
    "benches/storm/go",
    "benches/wrappers/go",
]
PEERS = "pytest peers"
# What a network does ends before the store hears of it, and an HTTP adapter knows of none that its cache has.
WITH_A_STORE = [
    *(f"tests/conformance/test_{name}.py" for name in ("get", "invalidate", "close", "stats", "responses", "abi")),
    "tests/conformance/test_http.py::test_two_programs_fetch_two_tokens_without_a_store",
]
PROXY = "tests/conformance/test_proxy.py"
GO_TEST = ["go", "test", "-race", "-count=1", "-v", "./..."]  # not from its cache: it does not see the library change


def compiled(header: str, *compiler: str) -> tuple[list[str], str]:
    """The command and the standard input that compile a header alone, twice included, for its warnings only."""
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    return [*compiler, *warnings, "-fsyntax-only", "-Iinclude", "-"], f'#include "{header}"\n' * 2


def pytest(*folders: str) -> list[str]:
    """The command that runs the Python tests below these."""
    return [PYTHON, "-m", "pytest", *folders]


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
            command = ["scripts/test-python", program]
            steps[version] = Step(f"Python {version} tests", command, count=pytest_tests, needs="pytest")
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
    return [Step("fuzzing, brief", ["make", "fuzz", "FUZZ_S=5"])] if nightly else []


STEPS = [
    Step("everything builds", ["make", "--keep-going", "build", "testing"]),
    Step("rustfmt", ["cargo", "fmt", "--all", "--check"]),
    Step("clippy", ["cargo", "clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]),
    Step("Rust tests", ["cargo", "test", "--workspace", "--no-fail-fast"], count=cargo_tests),
    Step("bankhub.h, C99", *compiled("bankhub.h", "cc", "-std=c99", "-xc")),
    Step("bankhub.h, C++11", *compiled("bankhub.h", "g++", "-std=c++11", "-xc++"), needs="cpp"),
    Step("bankhub.hpp, C++17", *compiled("bankhub.hpp", "g++", "-std=c++17", "-xc++"), needs="cpp"),
    Step("bankhub.hpp, C++20", *compiled("bankhub.hpp", "g++", "-std=c++20", "-xc++"), needs="cpp"),
    Step("bankhub.hpp, bare", *compiled("bankhub.hpp", "g++", "-std=c++17", "-fno-exceptions", "-xc++"), needs="cpp"),
    Step("gofmt", ["sh", "-c", "! gofmt -l $* | grep .", "sh", *GO_MODULES], needs="go"),
    *(Step("go vet", ["go", "vet", "./..."], needs="go", folder=module) for module in GO_MODULES),
    *(Step("Go tests", GO_TEST, count=go_tests, needs="go", folder=module) for module in GO_MODULES[:2]),
    Step("mypy", [PYTHON, "-m", "mypy", "--strict", *PYTHON_CODE], needs="pytest"),
    Step("ruff check", [PYTHON, "-m", "ruff", "check", *PYTHON_CODE], needs="pytest"),
    Step("ruff format", [PYTHON, "-m", "ruff", "format", "--check", *PYTHON_CODE], needs="pytest"),
    Step("Python tests", pytest("bindings/python/tests"), count=pytest_tests, needs="pytest"),
    *other_pythons(),
    Step("the runners' tests", pytest("tests/test_suite.py", "tests/test_demo.py"), count=pytest_tests, needs="pytest"),
    Step("process", pytest("tests/process"), count=pytest_tests, needs="pytest", limit_s=300),
    Step("memory", pytest("tests/memory"), count=pytest_tests, needs="pytest valgrind"),
    Step("conformance", pytest("tests/conformance", f"--ignore={PROXY}"), count=pytest_tests, needs="pytest"),
    Step("proxy", pytest(PROXY), count=pytest_tests, needs="pytest proxy"),
    *(
        Step(
            f"with a store: {store}",
            pytest(f"--store={store}", *WITH_A_STORE),
            count=pytest_tests,
            needs="pytest redis",
        )
        for store in ("file", "redis")
    ),
    Step("stores", pytest("tests/stores"), count=pytest_tests, needs="pytest redis cpp go csharp"),
    Step("benchmarks, tiny", pytest("benches/test_benches.py"), count=pytest_tests, needs=f"curl go csharp {PEERS}"),
    Step("wheels", ["scripts/wheels", platform.machine()], needs="wheels"),
    Step("packages", pytest("tests/packages"), count=pytest_tests, needs="pytest wheels go csharp"),
    Step("storm, tiny", pytest("benches/storm"), count=pytest_tests, needs=f"go {PEERS}"),
    Step("fuzzing, the corpus", ["make", "corpus"], needs="cpp"),
    *fuzzing(),
    Step("C# tests", ["mono", "build/test-csharp.exe"], count=plain_line, needs="csharp"),
    Step("demo", [sys.executable, "examples/run.py"], count=plain_line),
]


def main() -> int:
    """Runs every step; 0 if nothing failed."""
    missing = dict(line.split(": ", 1) for line in (ROOT / "build/missing").read_text().splitlines())
    counted = total(run_or_skip(step, missing) for step in STEPS)
    if counted.skipped and os.environ.get("CI") == "true":
        print(f"CI=true: what was skipped ({counted.skipped}) counts as failed.")
        counted = Tally(counted.passed, counted.failed + counted.skipped)
    print(counted)
    return 1 if counted.failed else 0


def run_or_skip(step: Step, missing: dict[str, str]) -> Tally:
    """Says in one line what became of the step, and after a failure all that it printed."""
    print(f"{step.name:20}", end="", flush=True)
    for need in filter(missing.__contains__, step.needs.split()):
        print(f"skipped: {need}: {missing[need]} (make setup looks again)")
        return Tally(skipped=1)
    started = time.monotonic()
    tally, output = run(step)
    print(f"{tally}, {time.monotonic() - started:.0f} s", flush=True)
    if tally.failed or tally.skipped:
        print(f"--- {' '.join(step.command)}", output.rstrip(), f"--- end of {step.name}", sep="\n", flush=True)
    return tally


def run(step: Step) -> tuple[Tally, str]:
    """What the step counted, and all that it printed."""
    try:
        process = subprocess.Popen(
            step.command,
            cwd=ROOT / step.folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Tally(failed=1), str(error)
    try:
        output, _ = process.communicate(step.stdin, timeout=step.limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output = process.communicate()[0] + f"\nstopped after {step.limit_s} s"
    except KeyboardInterrupt:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    return judge(step, output, process.returncode), output


def environment() -> dict[str, str]:
    """The caller's, with the library and the Python package of this tree to be found."""
    return {
        **{name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")},
        "BANKHUB_LIBRARY": str(ROOT / "target/release/libbankhub.so"),
        "PKG_CONFIG_PATH": str(ROOT / "build/install/lib/pkgconfig"),
        "PYTHONPATH": str(ROOT / "bindings/python/src"),
        "MYPYPATH": str(ROOT / "bindings/python/src"),
    }


def judge(step: Step, output: str, code: int) -> Tally:
    """A runner that ends badly has a failure, and so has one that counts nothing."""
    if step.count is None:
        return Tally(passed=1) if code == 0 else Tally(failed=1)
    counted = step.count(output)
    if counted.failed == 0 and (code != 0 or counted == Tally()):
        return counted.plus(Tally(failed=1))
    return counted


if __name__ == "__main__":
    sys.exit(main())
