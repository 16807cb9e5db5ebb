"""The counting of `make test`: the real output of every runner, and every way in which a step can end badly."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

import pytest

from suite import results, runner
from suite.results import Tally, go_test, junit, libtest
from suite.steps import BUILD, JSON, PYTEST_OPTIONS, REPORT, STEPS, Step
from suite.steps import pytest as pytest_command

TESTS = Path(__file__).resolve().parent

# Printed by `cargo test -- --format json`, with what cargo itself prints before.
CARGO = """\
{ "type": "suite", "event": "started", "test_count": 3 }
{ "type": "test", "event": "started", "name": "a" }
{ "type": "test", "name": "a", "event": "ok" }
{ "type": "test", "event": "started", "name": "b" }
{ "type": "test", "name": "b", "event": "failed", "stdout": "thread 'b' panicked: loud\\n" }
{ "type": "test", "event": "started", "name": "c" }
{ "type": "test", "name": "c", "event": "ignored" }
{ "type": "suite", "event": "failed", "passed": 1, "failed": 1, "ignored": 1, "measured": 0, "filtered_out": 0 }
{ "type": "suite", "event": "started", "test_count": 2 }
{ "type": "test", "event": "started", "name": "d" }
{ "type": "test", "name": "d", "event": "ok" }
"""
# Printed by `go test -json`.
GO = """\
{"Action":"run","Package":"p","Test":"TestTable"}
{"Action":"pass","Package":"p","Test":"TestGet"}
{"Action":"pass","Package":"p","Test":"TestTable/one"}
{"Action":"output","Package":"p","Test":"TestTable/two","Output":"loud\\n"}
{"Action":"fail","Package":"p","Test":"TestTable/two"}
{"Action":"fail","Package":"p","Test":"TestTable"}
{"Action":"skip","Package":"p","Test":"TestLater"}
{"Action":"fail","Package":"p"}
"""
# Written by pytest. The last test failed, and so did its fixture's end: two entries, one test.
JUNIT = """\
<testsuites><testsuite>
<testcase classname="m" name="a"/>
<testcase classname="m" name="b"><failure message="loud"/></testcase>
<testcase classname="m" name="c"><error/></testcase>
<testcase classname="m" name="d"><skipped/></testcase>
<testcase classname="m" name="e"><failure/></testcase>
<testcase classname="m" name="e"><error/></testcase>
</testsuite></testsuites>
"""


@pytest.mark.parametrize(
    ("read", "printed", "expected"),
    [
        (libtest, CARGO, Tally(2, 2, 1)),  # one of the second suite never ended
        (libtest, "error: could not compile `bankhub`", Tally()),
        (go_test, GO, Tally(2, 2, 1)),
        (go_test, "?   \tbankhub\t[no test files]", Tally()),
    ],
)
def test_counts_what_a_runner_prints(read: results.Reader, printed: str, expected: Tally) -> None:
    assert read(printed, Path("absent.xml")).tally == expected


@pytest.mark.parametrize("printed", [CARGO, GO])
def test_shows_the_text_of_a_failed_test(printed: str) -> None:
    read = libtest if printed is CARGO else go_test
    assert "loud" in read(printed, Path("absent.xml")).text


@pytest.mark.parametrize(
    ("report", "expected"),
    [(JUNIT, Tally(1, 3, 1)), ("<testsuite/>", Tally()), ("<testsuite><testcase", Tally()), (None, Tally())],
    ids=["whole", "empty", "cut", "absent"],
)
def test_counts_what_a_runner_writes(report: str | None, expected: Tally, tmp_path: Path) -> None:
    file = tmp_path / "report.xml"
    if report is not None:
        file.write_text(report)
    assert junit("", file).tally == expected


RUST = """
#[test] fn passes() { println!("quiet\nchecked: 4 states") }
#[test] fn fails() { println!("loud"); assert_eq!(1, 2) }
#[test] #[ignore] fn waits() {}
"""
RUST_THAT_ABORTS = "#[test] fn aborts() { std::process::abort() }"


@pytest.mark.parametrize(("source", "expected"), [(RUST, Tally(1, 1, 1)), (RUST_THAT_ABORTS, Tally(0, 1))])
def test_counts_what_this_rust_prints_as_its_json_is_unstable(source: str, expected: Tally, tmp_path: Path) -> None:
    (tmp_path / "sample.rs").write_text(source)
    subprocess.run(["rustc", "--test", "sample.rs"], cwd=tmp_path, check=True)
    command = ["./sample", *JSON[2:]]
    environment = {**os.environ, "RUSTC_BOOTSTRAP": "1"}
    process = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    tally, text, notes = libtest(process.stdout, Path("absent.xml"))
    assert tally == expected
    assert ("loud" in text) == ("loud" in source)
    assert "quiet" not in text
    assert notes == (("checked: 4 states",) if "4 states" in source else ())


PYTEST = """
import pytest
def test_passes(): pass
def test_fails(): assert False
def test_deselected(): pass
def test_skipped(): pytest.{skip}("why")
@pytest.mark.{xfail}
def test_expected_to_fail(): assert False
@pytest.mark.{xfail}
def test_expected_to_fail_but_passes(): pass
""".format(skip="skip", xfail="xfail")


def test_counts_what_pytest_proves(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(PYTEST)
    report = tmp_path / "report.xml"
    options = [option.replace(REPORT, str(report)) for option in PYTEST_OPTIONS]
    command = [sys.executable, "-m", "pytest", "-q", *options, "--deselect", "test_sample.py::test_deselected"]
    subprocess.run([*command, "test_sample.py"], cwd=tmp_path, env={"PYTHONPATH": str(TESTS)}, capture_output=True)
    assert junit("", report).tally == Tally(1, 1, 4)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def writing(passed: int, failed: int, then: str = "") -> list[str]:
    """A runner that writes a report with these counts."""
    cases = "<testcase name='{}'/>" * passed + "<testcase name='{}'><failure/></testcase>" * failed
    text = f"<testsuite>{cases}</testsuite>".format(*range(passed + failed))
    return python(f"open('{REPORT}', 'w').write({text!r}); {then}")


@pytest.mark.parametrize(
    ("step", "expected"),
    [
        (Step("good", writing(3, 0), read=junit), Tally(3)),
        (Step("good-check", python("")), Tally(1)),
        (Step("reads-its-input", python("import sys; sys.exit(sys.stdin.read() != 'x')"), stdin="x"), Tally(1)),
        (Step("bad-check", python("raise SystemExit(1)")), Tally(0, 1)),
        (Step("crash", writing(3, 0, "1/0"), read=junit), Tally(3, 1)),
        (Step("failures-counted-once", writing(3, 2, "exit(1)"), read=junit), Tally(3, 2)),
        (Step("counts-nothing", python(""), read=junit), Tally(0, 1)),
        (Step("too-long", python("import time; time.sleep(60)"), limit_s=0.2), Tally(0, 1)),
        (Step("no-such-program", ["./absent"]), Tally(0, 1)),
    ],
    ids=lambda value: value.name if isinstance(value, Step) else "",
)
def test_a_step_fails_when_anything_is_wrong_with_it(
    step: Step, expected: Tally, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "ROOT", tmp_path)
    assert runner.run(step).tally == expected


def test_a_report_of_an_earlier_run_is_not_counted(tree: Tree) -> None:
    assert runner.run(Step("again", writing(3, 0), read=junit)).tally == Tally(3)
    assert runner.run(Step("again", python(""), read=junit)).tally == Tally(0, 1)


class Tree:
    """A tree with steps of its own in place of this one's."""

    def __init__(self, root: Path, patch: pytest.MonkeyPatch, output: pytest.CaptureFixture[str]) -> None:
        self.root, self._patch, self._output = root, patch, output
        (root / "build").mkdir()
        (root / "build/missing").write_text("csharp: there is no apt-get: sorry\n")
        patch.setattr(runner, "ROOT", root)

    def main(self, *steps: Step, ci: str = "", only: str = "") -> tuple[int, str, str]:
        """The exit code, all that was printed, and the last line of it."""
        self._patch.setattr(runner, "STEPS", steps)
        self._patch.setenv("CI", ci)
        code, printed = runner.main(only), self._output.readouterr().out
        return code, printed, printed.splitlines()[-1]


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Tree:
    return Tree(tmp_path, monkeypatch, capsys)


GOOD = Step("good", python("print('quiet')"))
BAD = Step("bad", python("print('loud'); exit(1)"), groups="go")
ABSENT = Step("absent", python(""), needs="csharp")
WAITS = Step("waits", python("print('quiet')"), groups="go", waits=True)


def test_every_step_runs_and_the_last_line_counts_them(tree: Tree) -> None:
    code, printed, last = tree.main(BAD, GOOD, WAITS, WAITS, GOOD)
    assert (code, last) == (1, "4 passed, 1 failed")
    assert "loud" in printed
    assert "quiet" not in printed


def test_what_is_missing_is_skipped_with_its_reason(tree: Tree) -> None:
    code, printed, last = tree.main(GOOD, ABSENT)
    assert (code, last) == (0, "1 passed, 0 failed, 1 skipped")
    assert "csharp: there is no apt-get: sorry" in printed


def test_ci_takes_no_skip(tree: Tree) -> None:
    code, _, last = tree.main(GOOD, ABSENT, ci="true")
    assert (code, last) == (1, "1 passed, 1 failed")


def test_only_runs_what_is_named(tree: Tree) -> None:
    assert tree.main(BAD, GOOD, WAITS, only="go")[2] == "1 passed, 1 failed"
    assert tree.main(BAD, GOOD, WAITS, only="waits, good")[2] == "2 passed, 0 failed"


def test_only_refuses_an_unknown_name_and_lists_those_it_knows(tree: Tree) -> None:
    code, printed, _ = tree.main(BAD, GOOD, only="good,gone")
    assert code == 2
    assert "no step is named gone" in printed and "steps: bad good" in printed and "groups: go" in printed


def test_only_with_a_question_mark_lists_the_steps_with_their_last_durations(tree: Tree) -> None:
    tree.main(GOOD)
    assert json.loads((tree.root / "build/durations.json").read_text()).keys() == {"good"}
    code, printed, _ = tree.main(GOOD, BAD, only="?")
    lines = [line.split() for line in printed.splitlines()]
    assert code == 0
    assert ["good", "0", "s"] in lines and ["bad", "-", "go"] in lines


def test_what_is_named_is_built_first() -> None:
    steps = [BUILD, Step("a", [], builds="x y"), Step("b", [], builds="z x"), Step("c", [])]
    commands = [step.command for step in runner.select(steps, "a,b")]
    assert commands == [["make", "--keep-going", "x", "y", "z"], [], []]
    assert [step.name for step in runner.select(steps, "c")] == ["c"]
    assert [step.command for step in runner.select(steps, "build,a")] == [BUILD.command, []]


def test_two_steps_that_wait_run_at_the_same_time(tree: Tree) -> None:
    wait = "import pathlib, time; pathlib.Path(%r).touch()\nwhile not pathlib.Path(%r).exists(): time.sleep(0.01)"
    here, there = str(tree.root / "here"), str(tree.root / "there")
    codes = [wait % (here, there), wait % (there, here)]
    steps = [Step(f"meets-{i}", python(code), waits=True, limit_s=30) for i, code in enumerate(codes)]
    assert tree.main(*steps)[2] == "2 passed, 0 failed"


def test_an_interrupt_ends_the_steps_that_run_and_begins_no_other(tree: Tree) -> None:
    files = [tree.root / name for name in "abc"]
    code = "import os, time; open(%r, 'w').write(str(os.getpid())); time.sleep(60)"
    steps = [Step(file.name, python(code % str(file)), waits=True) for file in files]
    Thread(target=interrupt_when_written, args=files[:2]).start()
    with pytest.raises(KeyboardInterrupt):
        tree.main(*steps)
    assert not files[2].exists()
    for file in files[:2]:
        with pytest.raises(ProcessLookupError):
            os.kill(int(file.read_text()), 0)


def interrupt_when_written(*files: Path) -> None:
    while not all(file.exists() and file.read_text() for file in files):
        time.sleep(0.01)
    os.kill(os.getpid(), signal.SIGINT)


def test_each_name_is_short_and_names_one_step() -> None:
    names = [step.name for step in STEPS]
    assert len(set(names)) == len(names)
    for name in {*names, *(group for step in STEPS for group in step.groups.split())}:
        assert re.fullmatch(r"[a-z0-9_.+-]{1,20}", name), name


def test_every_test_that_cargo_leaves_out_is_a_step() -> None:
    manifest = (TESTS.parent / "Cargo.toml").read_text()
    left_out = re.findall(r'^\[\[test\]\]\nname = "(\w+)"\n(?:\w.*\n)*?test = false', manifest, re.MULTILINE)
    assert left_out
    for name in left_out:
        assert any(f"--test {name} " in " ".join(step.command) for step in STEPS), name


def test_every_command_of_pytest_writes_the_report_that_is_read() -> None:
    assert f"--junitxml={REPORT}" in pytest_command("tests")
