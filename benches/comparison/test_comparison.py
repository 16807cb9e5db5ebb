"""The comparison in its tiny form: it runs, and what does not depend on the speed of the machine is as promised."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from typing import Optional

import pytest

import comparison
from harness import Harness
from libraries import COLUMNS, IDLE, Library
from rows import ROWS, Figures, Numbers, Row, Scale, steady_figures

Table = Mapping[str, list[str]]
"""The cells of each row, by the beginning of its title."""


@pytest.fixture(scope="module")
def table() -> Table:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert comparison.main(["--tiny"]) == 0
    text, _ = output.getvalue().split("\n\n")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines()[2:]]
    return {title.split(":")[0].split(",")[0]: cells for title, *cells in rows}


def ours(table: Table, row: str) -> list[str]:
    return [cell for cell, library in zip(table[row], COLUMNS) if library.ours]


def test_every_cell_is_filled(table: Table) -> None:
    assert [len(list(filter(None, cells))) for cells in table.values()] == [len(COLUMNS)] * len(ROWS)


@pytest.mark.parametrize("row", ["cold start", "due but valid", "expired", "ttl of 5 s"])
def test_one_request(table: Table, row: str) -> None:
    assert [cell.split(";")[0] for cell in ours(table, row)] == ["1"] * 3


def test_a_valid_token_is_served_through_an_outage(table: Table) -> None:
    assert ours(table, "endpoint down with a valid token") == ["16 of 16"] * 3


def test_an_endpoint_that_is_down_is_spared(table: Table) -> None:
    # Three in the first fetch, and one or two after its backoff, in two seconds.
    assert all(int(cell) <= 6 for cell in ours(table, "endpoint down with none"))


Measure = Callable[[Harness, Scale], Numbers]


def play(
    monkeypatch: pytest.MonkeyPatch, rows: list[Row], measure: Callable[[Optional[Measure], Library], Numbers]
) -> int:
    """The code with which the comparison ends if its measurements return this."""

    def measured(_: Scale, mock_servers: object, of_row: Optional[Measure], library: Library) -> Numbers:
        return measure(of_row, library)

    monkeypatch.setattr(comparison, "measured", measured)
    monkeypatch.setattr(comparison, "ROWS", rows)
    return comparison.main([])


@pytest.mark.parametrize(("column", "code"), [(0, 1), (-1, 0)])
def test_a_bar_that_this_library_misses_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], column: int, code: int
) -> None:
    def figures(rounds: object) -> Figures:
        return Figures("65", good=rounds != ([column % len(COLUMNS)],))

    rows = [Row("a row: x", "1 request", fail, figures)]
    assert play(monkeypatch, rows, lambda _, library: [COLUMNS.index(library)]) == code
    printed = capsys.readouterr()
    assert printed.err.count("missed: ") == code
    assert printed.err.count("65, promised 1 request") == code
    assert printed.out.count("| 65 ") == len(COLUMNS), "what was missed is in the table, too"


def test_a_round_on_a_busy_machine_is_measured_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    machine_ms = iter([0.01, 0.5, 0.02, 0.03])  # the second round is too noisy
    p999_ms = iter(p999 for p999 in (0.1, 9, 0.11, 0.3) for _ in COLUMNS)

    def measure(_: Optional[Measure], library: Library) -> Numbers:
        return (next(machine_ms), 1) if library is IDLE else (next(p999_ms), 1, 1)

    rows = [Row("steady: x", "", fail, steady_figures, rounds=3, idle=fail, idle_most=0.1)]
    assert play(monkeypatch, rows, measure) == 0
    printed = capsys.readouterr().out
    assert printed.count("| 0.11 ms; 1 ms; 3 ") == len(COLUMNS), "the median of the quiet rounds"
    assert "steady: 3 rounds, 1 more measured again as too noisy." in printed


def fail(_: object, scale: Scale) -> Numbers:
    raise AssertionError(f"{scale.callers} callers failed")


def test_a_measurement_that_fails_ends_the_comparison(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison, "ROWS", [Row("a row", "nothing", fail, steady_figures)])
    with pytest.raises(AssertionError, match="64 callers failed"):
        comparison.main([])
