"""Every measurement, too brief to say anything: it ends well, and its tables have something in every cell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import performance
import pytest

from support.languages import LIBRARIES, ROOT

HERE = Path(__file__).resolve().parent
COMMANDS = {
    "fleet": ([str(LIBRARIES / "fleet")], [12, 2]),
    "shared": ([str(LIBRARIES / "fleet"), "--shared"], [8]),
    "hot": ([str(LIBRARIES / "hot")], [10]),
    "waiting": ([str(LIBRARIES / "waiting")], [4]),
    "handles": ([str(LIBRARIES / "handles")], [3, 2]),
    "first_token": ([sys.executable, str(HERE / "first_token/first_token.py")], [3]),
    "wrappers": ([sys.executable, str(HERE / "wrappers/wrappers.py")], [8, 4, 5]),
}
EMPTY_ON_PURPOSE = {"waiting": 2}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_fills_its_tables(name: str) -> None:
    command, rows = COMMANDS[name]
    tables = tables_of(command)
    assert [len(table) for table in tables] == rows
    cells = [cell for table in tables for row in table for cell in row]
    assert cells.count("") == EMPTY_ON_PURPOSE.get(name, 0)


def tables_of(command: list[str]) -> list[list[list[str]]]:
    """What it prints with `--tiny`."""
    path = f"{ROOT / 'tests'}:{ROOT / 'bindings/python/src'}"
    environment = {**os.environ, "PYTHONPATH": path, "BANKHUB_LIBRARY": str(LIBRARIES / "libbankhub.so.0")}
    run = subprocess.run(
        [*command, "--tiny"], env=environment, stdout=subprocess.PIPE, text=True, timeout=60, check=True
    )
    return [table_of(text) for text in run.stdout.strip().split("\n\n")]


def table_of(text: str) -> list[list[str]]:
    """The rows below the head, each as wide as it."""
    head, line, *rows = [[cell.strip() for cell in row.split("|")[1:-1]] for row in text.splitlines()]
    assert all(re.fullmatch(":?-+:?", cell) for cell in line), text
    assert {len(row) for row in rows} == {len(head)} == {len(line)}, text
    return rows


def test_jitter_spreads_what_would_come_at_once() -> None:
    fleets, rivals = tables_of(COMMANDS["fleet"][0])
    usual = {(ttl, jitter): int(most) for ttl, processes, jitter, _, _, most, *_ in fleets if processes == "20"}
    for ttl in ("60000s", "600s", "10s"):
        assert usual[ttl, "no"] == 20, "without jitter, those that were started at once renew at once"
        assert usual[ttl, "yes"] < 20
    assert rivals[0][-1] == "0.0 %", "who is alone is revoked by nobody"


def test_those_who_share_a_store_cost_no_more_than_one_process() -> None:
    (table,) = tables_of(COMMANDS["shared"][0])
    shared = {(ttl, processes): list(map(int, seen)) for ttl, processes, store, *seen in table if store == "yes"}
    for ttl in ("60000s", "600s"):
        alone, fleet = shared[ttl, "1"], shared[ttl, "20"]
        assert fleet[2:5] == [1, 1, 1], "at a cold start, as usual and at a revocation, one fetches for all"
        # They do not share failures, and the first of many to renew does so a little sooner than one alone.
        more = (fleet[0] - fleet[1]) / (alone[0] - alone[1])
        assert more <= 1.02, "while the endpoint is up, it does not matter how many share a token"


def test_a_section_is_written_between_its_marks() -> None:
    text = "a\n<!-- make x -->\nold\n<!-- end of make x -->\nb"
    written = performance.with_section(text, "x", "new")
    assert written == "a\n<!-- make x -->\nnew\n<!-- end of make x -->\nb"
    assert performance.with_section(written, "x", "new") == written
    with pytest.raises(SystemExit, match="end of make y"):
        performance.with_section(text, "y", "new")


def test_a_measurement_that_fails_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    readme = tmp_path / "README.md"
    readme.write_text("<!-- make x -->\n<!-- end of make x -->\n")
    monkeypatch.setattr(performance, "README", readme)
    assert performance.main("x", ["sh", "-c", "echo half a table; exit 3"]) == 3
    assert "half" not in readme.read_text()
    assert performance.main("x", ["echo", "a table"]) == 0
    assert "a table" in readme.read_text()
    assert "processors" in readme.read_text()
