"""Every measurement, too brief to say anything: it ends well, and its tables have something in every cell."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import bounds
import performance
import pytest

PROGRAMS = {mark: command for programs in performance.PROGRAMS.values() for mark, command in programs.items()}
ROWS = {
    "fleet": [12, 2],
    "shared": [8],
    "bench: hot": [10],
    "bench: waits": [4],
    "bench: handles": [3, 2],
    "bench: first token": [3],
    "bench: python": [8],
    "bench: go": [4],
    "bench: csharp": [5],
}
"""The columns of each program's tables. The comparison has tests of its own."""

EMPTY_ON_PURPOSE = {"bench: waits": 2}


def test_every_program_is_tried() -> None:
    assert set(ROWS) == set(PROGRAMS) - {"comparison"}


@pytest.mark.parametrize("name", ROWS)
def test_it_fills_its_tables(name: str) -> None:
    tables = tables_of(name)
    assert [len(table) for table in tables] == ROWS[name]
    cells = [cell for table in tables for row in table for cell in row]
    assert cells.count("") == EMPTY_ON_PURPOSE.get(name, 0)


def tables_of(name: str) -> list[list[list[str]]]:
    """Its output with `--tiny`, without the sentences between the tables."""
    run = subprocess.run(
        [*PROGRAMS[name], "--tiny"],
        cwd=performance.ROOT,
        env=performance.environment(),
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=True,
    )
    return [table_of(text) for text in run.stdout.strip().split("\n\n") if text.startswith("|")]


def table_of(text: str) -> list[list[str]]:
    """The rows below the head, each as wide as it."""
    head, line, *rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()]
    assert all(re.fullmatch(":?-+:?", cell) for cell in line), text
    assert {len(row) for row in rows} == {len(head)} == {len(line)}, text
    return rows


def test_jitter_spreads_what_would_come_at_once() -> None:
    fleets, rivals = tables_of("fleet")
    usual = {(ttl, jitter): int(most) for ttl, processes, jitter, _, _, most, *_ in fleets if processes == "20"}
    for ttl in ("60000s", "600s", "10s"):
        assert usual[ttl, "no"] == 20, "without jitter, those that were started at once refresh at once"
        assert usual[ttl, "yes"] < 20
    assert rivals[0][-1] == "0.0 %", "a process alone is revoked by no other"


def test_those_who_share_a_store_cost_no_more_than_one_process() -> None:
    (table,) = tables_of("shared")
    rows = (row for row in table if row[3] == "yes")
    shared = {(ttl, processes): list(map(int, seen)) for ttl, _, processes, _, *seen in rows}
    for ttl in ("60000s", "600s"):
        alone, fleet = shared[ttl, "1"], shared[ttl, "20"]
        assert fleet[2:5] == [1, 1, 1], "at a cold start, as usual and at a revocation, one fetches for all"
        # The first of many refreshes a little sooner than one alone, and so does the first after a failure.
        more = (fleet[0] - fleet[1]) / (alone[0] - alone[1])
        assert more <= 1.02, "while the endpoint is up, it does not matter how many share a token"
        assert fleet[1] <= alone[1] * 1.2, "nor does it while the endpoint is down"


def test_a_section_is_written_between_its_marks() -> None:
    text = "a\n<!-- make x -->\nold\n<!-- end of make x -->\nb"
    written = performance.with_section(text, "x", "new")
    assert written == "a\n<!-- make x -->\nnew\n<!-- end of make x -->\nb"
    assert performance.with_section(written, "x", "new") == written
    with pytest.raises(SystemExit, match="end of make y"):
        performance.with_section(text, "y", "new")


@pytest.fixture
def document(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With a section for each of a, b and c."""
    file = tmp_path / "performance.md"
    marks = (f"<!-- make {mark} -->\nold {mark}\n<!-- end of make {mark} -->\n" for mark in "abc")
    file.write_text("".join(marks))
    monkeypatch.setattr(performance, "DOCUMENT", file)
    return file


def script(*lines: str) -> list[str]:
    return ["sh", "-c", "\n".join(lines)]


def test_what_was_measured_is_written(document: Path) -> None:
    assert performance.main({"a": script("echo a table")}) == 0
    written = document.read_text()
    assert "a table" in written and "processors" in written and "old a" not in written
    assert "old b" in written


def test_a_missed_bound_is_listed_last_and_spoils_no_table(document: Path, capfd: pytest.CaptureFixture[str]) -> None:
    missing = script("echo table a", "echo 'missed: get over the limit: 2, promised at most 1.6' >&2", "exit 1")
    assert performance.main({"a": missing, "b": script("echo table b")}) == 1
    written = document.read_text()
    assert "table a" in written and "table b" in written
    assert capfd.readouterr().err.endswith("Not as promised:\na: get over the limit: 2, promised at most 1.6\n")


@pytest.mark.parametrize("code", [1, 3])
def test_a_program_that_fails_leaves_its_section_and_stops_no_other(
    document: Path, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    failing = script("echo half a table", f"exit {code}")
    assert performance.main({"a": failing, "b": script("echo table b"), "c": script(":")}) == 1
    written = document.read_text()
    assert "half" not in written and "old a" in written
    assert "table b" in written
    assert "old c" in written, "a language that this machine lacks prints nothing"
    assert f"a: it failed with code {code}" in capfd.readouterr().err.splitlines()[-1]


def test_a_program_that_crashes_after_a_miss_has_failed(document: Path) -> None:
    assert performance.main({"a": script("echo half a table", "echo missed: x >&2", "exit 139")}) == 1
    assert "half" not in document.read_text()


def test_a_section_without_a_place_is_noticed_before_anything_runs(document: Path, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="make d"):
        performance.main({"a": script(f"touch {tmp_path / 'ran'}"), "d": script("echo x")})
    assert not (tmp_path / "ran").exists()


def test_the_document_has_a_place_for_every_program() -> None:
    text = performance.DOCUMENT.read_text()
    for mark in PROGRAMS:
        performance.with_section(text, mark, "")


@pytest.mark.parametrize(("value", "missed"), [(1.6, False), (1.61, True), (float("nan"), True)])
def test_a_bound_is_missed_beyond_it(value: float, missed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    assert bounds.judge([bounds.Bound("y", 1, 2, " ms"), bounds.Bound("x", value, 1.6)]) == missed
    first, second = capsys.readouterr().err.splitlines()
    assert first == "y: 1 ms, promised at most 2 ms"
    assert second.startswith("missed: x: " if missed else "x: ")
