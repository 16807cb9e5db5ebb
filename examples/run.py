"""Runs the demo program of every language and puts what they printed into one table; `make demo` builds them first.

By default it starts the mock server of this tree, revokes a token of every program, and compares the output of the
programs with the counters of the mock server. With BANKHUB_CLIENT_ID, BANKHUB_CLIENT_SECRET and BANKHUB_BASE_URL set,
it uses that server instead, and revokes nothing.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from datetime import datetime, timezone
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from support.mock_server import MockServer  # noqa: E402

SERVER = ("BANKHUB_CLIENT_ID", "BANKHUB_CLIENT_SECRET", "BANKHUB_BASE_URL")
REVOKE_URL = "BANKHUB_DEMO_REVOKE_URL"
PROGRAM_LIMIT_S = 60

MOCK_SERVER_TTL_S = 60_000  # the mock server's default
EXPIRES_SLACK_S = 10
# The cost of one program: a token, a new one after the revocation, and one for the 64 threads together.
MOCK_SERVER_COUNTS = {
    "token_requests": 3,
    "tokens_issued": 3,
    "token_requests_at_once_max": 1,
    "resource_requests": 3,
    "unauthorized": 1,
}


class Demo(NamedTuple):
    """A demo program: how it is run, and which of the things that may be missing it needs."""

    language: str
    command: list[str]
    needs: tuple[str, ...] = ()


DEMOS = [
    Demo("C", ["build/demo-c"], ("curl",)),
    Demo("C++", ["build/demo-cpp"], ("cpp", "curl")),
    Demo("Rust", ["target/release/examples/demo"]),
    Demo("Python", [sys.executable, "bindings/python/examples/demo.py"]),
    Demo("Go", ["build/demo-go"], ("go",)),
    Demo("C#", ["mono", "build/demo-csharp.exe"], ("csharp",)),
]


class Column(NamedTuple):
    """A column of the table: its title, the word before the colon in a program's output, and what may follow it."""

    title: str
    key: str
    pattern: str


COLUMNS = [
    Column("token", "token", r"\S{4}…\S{4}"),
    Column("expires", "expires", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC"),
    Column("resource", "resource", "200"),
    Column("revoked", "revoked", "401, then 200"),
    Column("64 threads", "threads", "1"),
]


class Result(NamedTuple):
    """The result of one program: a cell for each column, and what is wrong, in sentences."""

    cells: list[str]
    problems: list[str]


def main() -> int:
    """Runs every demo; 0 if none failed."""
    parser = argparse.ArgumentParser(description="Runs the demo program of every language.")
    parser.add_argument("--junitxml", metavar="FILE", help="write the results there, too")
    report = parser.parse_args().junitxml
    given = [name for name in SERVER if os.environ.get(name)]
    if given and len(given) < len(SERVER):
        print(f"Set all of {', '.join(SERVER)} or none; set is only {', '.join(given)}.", file=sys.stderr)
        return 2
    if given:
        print(f"Against {os.environ['BANKHUB_BASE_URL']}; no token is revoked there.\n")
        return run_all(None, report)
    mock_server = MockServer()
    try:
        print(f"Against the mock server of this tree, {mock_server.url}.\n")
        return run_all(mock_server, report)
    finally:
        mock_server.kill()


def run_all(mock_server: MockServer | None, report: str | None = None) -> int:
    """Prints the table, then what went wrong, then the count."""
    missing = dict(line.split(": ", 1) for line in (ROOT / "build/missing").read_text().splitlines())
    print_row("language", [column.title for column in COLUMNS])
    problems, passed, failed, skipped = [], 0, 0, 0
    suite = ET.Element("testsuite")
    for demo in DEMOS:
        reasons = [f"{name}: {missing[name]}" for name in demo.needs if name in missing]
        case = ET.SubElement(suite, "testcase", classname="demo", name=demo.language)
        if reasons:
            skipped += 1
            ET.SubElement(case, "skipped")
            print_row(demo.language, [f"skipped, {'; '.join(reasons)}"])
            continue
        result = run(demo, mock_server)
        print_row(demo.language, result.cells)
        problems += [f"{demo.language}: {problem}" for problem in result.problems]
        passed, failed = passed + (not result.problems), failed + bool(result.problems)
        if result.problems:
            ET.SubElement(case, "failure")
    if report:
        ET.ElementTree(suite).write(report)
    print("", *problems, sep="\n")
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    return 1 if failed else 0


def print_row(language: str, cells: list[str]) -> None:
    """One line of the table; cells beyond the widths here are the last of their line."""
    widths = (9, 24, 9, 14, 10)
    padded = [f"{language:8}", *(f"{cell:{width}}" for cell, width in zip(cells, widths))]
    print("  ".join(padded).rstrip(), flush=True)


def run(demo: Demo, mock_server: MockServer | None) -> Result:
    """Runs one program and judges what it printed and what the mock server saw of it."""
    if mock_server:
        mock_server.reset()
    started = datetime.now(timezone.utc)
    try:
        done = subprocess.run(
            demo.command,
            cwd=ROOT,
            env=environment(mock_server),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PROGRAM_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Result(["FAILED"], [str(error)])
    result = judge(done.stdout, started, revoked=mock_server is not None)
    if done.returncode != 0:
        return Result(result.cells, [f"ended with code {done.returncode}: {done.stderr.strip()}"])
    if mock_server:
        result.problems.extend(compare(vars(mock_server.counters())))
    return result


def environment(mock_server: MockServer | None) -> dict[str, str]:
    """The caller's environment, pointed at the library of this tree and, if there is one, at the mock server."""
    kept = {name: value for name, value in os.environ.items() if name != REVOKE_URL}
    kept["BANKHUB_LIBRARY"] = str(ROOT / "target/release/libbankhub.so")
    kept["PYTHONPATH"] = str(ROOT / "bindings/python/src")
    kept["LC_ALL"] = "C.UTF-8"
    if mock_server:
        for name in ("BANKHUB_STORE", "BANKHUB_CA_FILE", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
            kept.pop(name, None)
        kept.update(mock_server.environment)
        kept[REVOKE_URL] = mock_server.url + "/mock/revoke"
    return kept


def judge(output: str, started: datetime, revoked: bool) -> Result:
    """Reads a program's output: one line a column, in the columns' order, each as it has to be."""
    expected = [column for column in COLUMNS if revoked or column.key != "revoked"]
    keys, values = [], {}
    for line in output.splitlines():
        key, _, values[key] = line.partition(": ")
        keys.append(key)
    problems, cells = [], []
    if keys != [column.key for column in expected]:
        problems.append(f"printed lines for {keys}, not for {[column.key for column in expected]}")
    for column in COLUMNS:
        value = values.get(column.key, "")
        if column not in expected:
            cells.append("-")
        elif re.fullmatch(column.pattern, value):
            cells.append(value)
        else:
            cells.append("FAILED")
            problems.append(f"its {column.key} line is not {column.pattern}")  # without the value: it may be a secret
    if not problems:
        problems += judge_end(values["expires"], started, MOCK_SERVER_TTL_S if revoked else None)
    return Result(cells, problems)


def judge_end(expires: str, started: datetime, ttl_s: int | None) -> list[str]:
    """A token ends in the future, and with the mock server just when it should."""
    end = datetime.strptime(expires, "%Y-%m-%d %H:%M:%S UTC").replace(tzinfo=timezone.utc)
    left_s = (end - started).total_seconds()
    if left_s <= 0:
        return [f"its token ended at {expires}, before the program started"]
    if ttl_s is not None and abs(left_s - ttl_s) > EXPIRES_SLACK_S:
        return [f"its token ends {left_s:.0f} s after the program started, not {ttl_s} s"]
    return []


def compare(counters: dict[str, object]) -> list[str]:
    """Compares the mock server's counters with the cost that the programs must have."""
    return [
        f"the mock server counted {counters.get(name)} as {name}, not {count}"
        for name, count in MOCK_SERVER_COUNTS.items()
        if counters.get(name) != count
    ]


if __name__ == "__main__":
    sys.exit(main())
