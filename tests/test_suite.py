"""The counting of suite.py: real closing lines of every runner, and every way a step can end badly."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import suite
from suite import Step, Tally

CARGO = """
running 3 tests
test result: ok. 2 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s
test result: FAILED. 4 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.13s
"""
GO = """
=== RUN   TestGet
--- PASS: TestGet (0.00s)
=== RUN   TestTable
    --- PASS: TestTable/one (0.00s)
    --- FAIL: TestTable/two (0.00s)
--- FAIL: TestTable (0.00s)
--- SKIP: TestLater (0.00s)
"""


@pytest.mark.parametrize(
    ("count", "output", "expected"),
    [
        (suite.cargo_tests, CARGO, Tally(6, 1, 1)),
        (suite.cargo_tests, "error: could not compile `bankhub`", Tally()),
        (suite.go_tests, GO, Tally(2, 2, 1)),
        (suite.go_tests, "?   \tbankhub\t[no test files]", Tally()),
        (suite.pytest_tests, "===== 12 passed in 0.10s =====", Tally(12)),
        (suite.pytest_tests, "1 failed, 2 passed, 3 skipped, 4 warnings, 5 errors in 61.02s (0:01:01)", Tally(2, 6, 3)),
        (suite.pytest_tests, "= 1 passed, 2 deselected, 3 xfailed, 4 xpassed in 1.00s =", Tally(1, 0, 9)),
        (suite.pytest_tests, "no tests ran in 0.01s", Tally()),
        (suite.plain_line, "talk\n7 passed, 0 failed\n", Tally(7)),
        (suite.plain_line, "9 passed, 9 failed\n7 passed, 1 failed, 2 skipped", Tally(7, 1, 2)),
        (suite.plain_line, "all 7 passed, 0 failed", Tally()),
    ],
)
def test_counts_what_the_runner_says(count: Callable[[str], Tally], output: str, expected: Tally) -> None:
    assert count(output) == expected


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step("good", python("print('3 passed, 0 failed')"), count=suite.plain_line), Tally(3)),
        (Step("good check", python("")), Tally(1)),
        (Step("reads its input", python("import sys; sys.exit(sys.stdin.read() != 'x')"), stdin="x"), Tally(1)),
        (Step("bad check", python("raise SystemExit(1)")), Tally(0, 1)),
        (Step("crash", python("print('3 passed, 0 failed'); 1/0"), count=suite.plain_line), Tally(3, 1)),
        (Step("failures counted once", python("exit('3 passed, 2 failed')"), count=suite.plain_line), Tally(3, 2)),
        (Step("counts nothing", python(""), count=suite.plain_line), Tally(0, 1)),
        (Step("too long", python("import time; time.sleep(60)"), limit_s=0.2), Tally(0, 1)),
        (Step("no such program", ["./absent"]), Tally(0, 1)),
    ],
    ids=lambda value: value.name if isinstance(value, Step) else "",
)
def test_a_step_fails_when_anything_is_wrong_with_it(step: Step, expected: Tally) -> None:
    tally, _ = suite.run(step)
    assert tally == expected


class Tree:
    """A tree with steps of its own in place of this one's."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]) -> None:
        self._patch, self._output = patch, output
        (root / "build").mkdir()
        (root / "build/missing").write_text("csharp: there is no apt-get: sorry\n")
        patch.setattr(suite, "ROOT", root)

    def main(self, *steps: Step, ci: str) -> tuple[int, str, str]:
        """The exit code, all that was printed, and the last line of it."""
        self._patch.setattr(suite, "STEPS", steps)
        self._patch.setenv("CI", ci)
        code, printed = suite.main(), self._output.readouterr().out
        return code, printed, printed.splitlines()[-1]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tree:
    return Tree(tmp_path, monkeypatch, capsys)


GOOD = Step("good", python("print('quiet')"))
BAD = Step("bad", python("print('loud'); exit(1)"))
ABSENT = Step("absent", python(""), needs="csharp")


def test_every_step_runs_and_the_last_line_counts_them(tree: Tree) -> None:
    code, printed, last = tree.main(BAD, GOOD, GOOD, ci="")
    assert (code, last) == (1, "2 passed, 1 failed")
    assert "loud" in printed
    assert "quiet" not in printed


def test_what_is_missing_is_skipped_with_its_reason(tree: Tree) -> None:
    code, printed, last = tree.main(GOOD, ABSENT, ci="")
    assert (code, last) == (0, "1 passed, 0 failed, 1 skipped")
    assert "csharp: there is no apt-get: sorry" in printed


def test_ci_takes_no_skip(tree: Tree) -> None:
    code, _, last = tree.main(GOOD, ABSENT, ci="true")
    assert (code, last) == (1, "1 passed, 1 failed")
