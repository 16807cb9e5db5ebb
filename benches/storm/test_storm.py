"""The storm in its tiny form: it runs, and what does not depend on the speed of the machine is as promised."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping

import pytest

import storm
from libraries import COLUMNS, Library
from rows import ROWS, Figures, Row, Scale

Table = Mapping[str, list[str]]
"""The cells of each row, by the beginning of its title."""


@pytest.fixture(scope="module")
def table() -> Table:
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        assert storm.main(["--tiny"]) == 0
    rows = [line.strip("| ").split(" | ") for line in output.getvalue().splitlines()[2:]]
    return {title.split(":")[0].split(",")[0]: cells for title, *cells in rows}


def ours(table: Table, row: str) -> list[str]:
    return [cell for cell, library in zip(table[row], COLUMNS) if library.ours]


def test_every_cell_is_filled(table: Table) -> None:
    assert [len(list(filter(None, cells))) for cells in table.values()] == [len(COLUMNS)] * len(ROWS)


@pytest.mark.parametrize("row", ["cold start", "due but live", "expired", "ttl of 5 s"])
def test_one_request(table: Table, row: str) -> None:
    assert [cell.split(";")[0] for cell in ours(table, row)] == ["1"] * 3


def test_a_live_token_is_served_through_an_outage(table: Table) -> None:
    assert ours(table, "endpoint down with a live token") == ["16 of 16"] * 3


def test_an_endpoint_that_is_down_is_spared(table: Table) -> None:
    # Three in the first fetch, and one or two after its backoff, in two seconds.
    assert all(int(cell) <= 6 for cell in ours(table, "endpoint down with none"))


@pytest.mark.parametrize(("column", "code"), [(0, 1), (-1, 0)])
def test_a_bar_that_this_library_misses_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], column: int, code: int
) -> None:
    def measured(_: Scale, mock_servers: object, cell: tuple[Row, Library]) -> Figures:
        return Figures("64", good=cell != (ROWS[0], COLUMNS[column]))

    monkeypatch.setattr(storm, "measured", measured)
    assert storm.main([]) == code
    assert capsys.readouterr().err.count("64, not 1 request") == code


def test_a_measurement_that_fails_ends_the_storm(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object, scale: Scale) -> Figures:
        raise AssertionError(f"{scale.callers} callers failed")

    monkeypatch.setattr(storm, "ROWS", [Row("a row", "nothing", fail)])
    with pytest.raises(AssertionError, match="64 callers failed"):
        storm.main([])
