"""Runs the steps, says in one line what became of each, and ends with one line that counts all tests.

Every step runs, whatever became of the ones before it. A step whose runner counts its tests adds those numbers, any
other counts as one. A step that ends badly without a failed test, takes too long or counts nothing is one failure. What
needs something that build/missing names is skipped; with CI=true a skip is a failure.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from threading import Lock

from .results import Results, Tally, total
from .steps import BUILD, REPORT, STEPS, Step

ROOT = Path(__file__).resolve().parents[2]
AT_ONCE = 2
"""How many of the steps that mostly wait run at the same time: with more, their tests could miss their deadlines."""


class UnknownName(Exception):
    """Neither a step nor a group has this name."""


def main(only: str = "") -> int:
    """Runs the steps that `only` names, or else all; 0 if nothing failed."""
    if only.strip() == "?":
        print(listing(STEPS, durations()))
        return 0
    try:
        steps = select(STEPS, only)
    except UnknownName as unknown:
        print(f"make test: no step is named {unknown}\n{names(STEPS)}")
        return 2
    missing = dict(line.split(": ", 1) for line in (ROOT / "build/missing").read_text().splitlines())
    started = time.monotonic()
    counted = total(run_all(steps, missing))
    print(f"took {time.monotonic() - started:.0f} s")
    if counted.skipped and os.environ.get("CI") == "true":
        print(f"CI=true: what was skipped ({counted.skipped}) counts as failed.")
        counted = Tally(counted.passed, counted.failed + counted.skipped)
    print(counted)
    return 1 if counted.failed else 0


def select(steps: Iterable[Step], only: str) -> list[Step]:
    """The steps with these names or in these groups, after a step that builds what they need; all if none is named."""
    wanted = [name.strip() for name in only.split(",") if name.strip()]
    for name in wanted:
        if not any(step.answers_to(name) for step in steps):
            raise UnknownName(name)
    if not wanted:
        return list(steps)
    chosen = [step for step in steps if any(map(step.answers_to, wanted))]
    targets = dict.fromkeys(target for step in chosen for target in step.builds.split())
    building = [] if not targets or BUILD.name in wanted else [BUILD.building(*targets)]
    return building + chosen


def names(steps: Iterable[Step]) -> str:
    """Every name that ONLY knows."""
    groups = sorted({group for step in steps for group in step.groups.split()})
    return f"steps: {' '.join(step.name for step in steps)}\ngroups: {' '.join(groups)}"


def listing(steps: Iterable[Step], last: dict[str, float]) -> str:
    """The steps, a line each, with what each took last time."""
    rows = [(step.name, f"{last[step.name]:.0f} s" if step.name in last else "-", step.groups) for step in steps]
    lines = [f"{name:20} {took:>7}  {groups}".rstrip() for name, took, groups in [("step", "last", "groups"), *rows]]
    return "\n".join([*lines, "", "make test ONLY=NAME,NAME runs the steps with these names and in these groups."])


def run_all(steps: Iterable[Step], missing: dict[str, str]) -> list[Tally]:
    """Runs one step after the other; of those in a row that mostly wait, several at once."""
    tallies: list[Tally] = []
    for waits, row in groupby(steps, key=lambda step: step.waits):
        with ThreadPoolExecutor(AT_ONCE if waits else 1) as pool:
            try:
                tallies += pool.map(lambda step: run_or_skip(step, missing), row)
            except KeyboardInterrupt:
                pool.shutdown(wait=False, cancel_futures=True)
                kill(*RUNNING)
                raise
    return tallies


def run_or_skip(step: Step, missing: dict[str, str]) -> Tally:
    """Says in one line what became of the step, and after a failure what a person has to know of it."""
    for need in filter(missing.__contains__, step.needs.split()):
        print(f"{step.name:20} skipped: {need}: {missing[need]} (make setup looks again)", flush=True)
        return Tally(skipped=1)
    if not step.waits:  # else another step may print its line before this one ends
        print(f"{step.name:20} ", end="", flush=True)
    started = time.monotonic()
    tally, text, notes = run(step)
    took_s = time.monotonic() - started
    lines = [(f"{step.name:20} " if step.waits else "") + f"{tally}, {took_s:.0f} s", *notes]
    if tally.failed or tally.skipped:
        lines += [f"--- {' '.join(step.command)}", text.rstrip(), f"--- end of {step.name}"]
    print("\n".join(lines), flush=True)
    if not tally.failed:
        remember(step.name, took_s)
    return tally


RUNNING: set[subprocess.Popen[str]] = set()


def run(step: Step) -> Results:
    """The counts of the step, and the part of its output that a person has to read."""
    report = ROOT / f"build/results/{step.name}.xml"
    report.parent.mkdir(parents=True, exist_ok=True)
    report.unlink(missing_ok=True)
    try:
        process = subprocess.Popen(
            [word.replace(REPORT, str(report)) for word in step.command],
            cwd=ROOT / step.folder,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Apart where lines are read by machine: what a test writes there must not break one of them.
            stderr=subprocess.PIPE if step.read else subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except OSError as error:
        return Results(Tally(failed=1), str(error))
    RUNNING.add(process)
    try:
        printed, others = process.communicate(step.stdin, timeout=step.limit_s)
    except subprocess.TimeoutExpired:
        kill(process)
        printed, others = process.communicate()
        printed += f"\nstopped after {step.limit_s} s"
    finally:
        RUNNING.discard(process)
    results = step.read(printed, report) if step.read else Results(Tally(), printed)
    text = "\n".join(filter(None, [others, results.text]))
    return Results(judge(step, results.tally, process.returncode), text, results.notes)


def kill(*processes: subprocess.Popen[str]) -> None:
    """Ends these and all that they started."""
    for process in processes:
        os.killpg(process.pid, signal.SIGKILL)


def environment() -> dict[str, str]:
    """The caller's, with the library and the Python packages of this tree to be found."""
    package, suite = str(ROOT / "bindings/python/src"), str(ROOT / "tests")
    return {
        **{name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")},
        "BANKHUB_LIBRARY": str(ROOT / "target/release/libbankhub.so"),
        "PKG_CONFIG_PATH": str(ROOT / "build/install/lib/pkgconfig"),
        "CGO_LDFLAGS": f"-Wl,-rpath,{ROOT}/build/install/lib",
        "PYTHONPATH": f"{package}:{suite}",
        "MYPYPATH": package,
    }


def judge(step: Step, counted: Tally, code: int) -> Tally:
    """A runner that ends badly has a failure, and so has one that counts nothing."""
    if step.read is None:
        return Tally(passed=1) if code == 0 else Tally(failed=1)
    if counted.failed == 0 and (code != 0 or counted == Tally()):
        return counted.plus(Tally(failed=1))
    return counted


WRITING = Lock()


def durations() -> dict[str, float]:
    """How many seconds each step took when it last passed, as far as it is known."""
    try:
        known: dict[str, float] = json.loads((ROOT / "build/durations.json").read_text())
    except (FileNotFoundError, ValueError):
        return {}
    return known


def remember(name: str, took_s: float) -> None:
    """For `durations`."""
    with WRITING:
        (ROOT / "build/durations.json").write_text(json.dumps({**durations(), name: round(took_s, 1)}, indent=1) + "\n")
