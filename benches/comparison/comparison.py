"""Has many callers ask this library and its peers for tokens, in good times and bad, and prints what that costs.

The table is written to the standard output. Ends with code 1 if this library missed what it promises.
"""

from __future__ import annotations

import argparse
import functools
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import NamedTuple, Optional

from bounds import MISSED
from harness import LATENCY_MS, Harness
from libraries import COLUMNS, IDLE, Library
from rounds import Collected, collect
from rows import ROWS, Figures, Numbers, Row, Scale
from support.mock_server import MockServer

FULL = Scale(callers=64, seconds=60, outage_s=10)
TINY = Scale(callers=16, seconds=2, outage_s=1)


class RowRound(NamedTuple):
    """One round of a row: what every library measured, one after the other, and before them the machine itself."""

    columns: Sequence[Numbers]
    idle: float


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Prints what callers and the token endpoint feel.")
    parser.add_argument("--tiny", action="store_true", help="only to see that it works: no time in it means anything")
    parser.add_argument("--plot", type=Path, metavar="FILE.svg", help="plots a call's time around a refresh, too")
    options = parser.parse_args(arguments)
    scale, at_once = (TINY, 8) if options.tiny else (FULL, 1)
    mock_servers: SimpleQueue[MockServer] = SimpleQueue()
    with ExitStack() as ending:
        for _ in range(at_once):
            mock_server = MockServer()
            ending.callback(mock_server.kill)
            mock_servers.put(mock_server)
        with ThreadPoolExecutor(at_once) as cells, ThreadPoolExecutor(at_once) as rows:
            measure = functools.partial(measured_row, scale, mock_servers, cells, options.tiny)
            collected = list(rows.map(measure, ROWS))
        figures = [figures_of(row, of_row) for row, of_row in zip(ROWS, collected)]
        print(*table(scale, figures), sep="\n")
        notes = [f"{re.split('[:,]', row.title)[0]}: {of}" for row, of in zip(ROWS, collected) if row.idle]
        print("", *notes, sep="\n")
        if options.plot:
            from plot import draw  # here, because matplotlib starts slowly

            draw(options.plot, mock_servers.get())
    missed = [
        f"{MISSED}{library.name}, {row.title.format(scale)}: {text}, promised {row.bar}"
        for row, of_row in zip(ROWS, figures)
        for library, (text, good) in zip(COLUMNS, of_row)
        if library.ours and not good and not options.tiny
    ]
    print(*missed, sep="\n", file=sys.stderr)
    return 1 if missed else 0


def measured_row(
    scale: Scale, mock_servers: SimpleQueue[MockServer], cells: ThreadPoolExecutor, tiny: bool, row: Row
) -> Collected[RowRound]:
    """All rounds of the row. Each has all libraries, so that whatever else the machine does meets all of them."""

    def one_round() -> RowRound:
        idle = measured(scale, mock_servers, row.idle, IDLE)[0] if row.idle else 0
        measure = functools.partial(measured, scale, mock_servers, row.measure)
        columns = list(cells.map(measure, COLUMNS))
        print(f"{row.title.format(scale)}: {columns}", file=sys.stderr)
        return RowRound(columns, idle)

    repeats_max = 0 if tiny else row.rounds
    return collect(one_round, lambda one: one.idle, count=row.rounds, repeats_max=repeats_max, noise_max=row.idle_most)


def measured(
    scale: Scale, mock_servers: SimpleQueue[MockServer], measure: Callable[[Harness, Scale], Numbers], library: Library
) -> Numbers:
    """The measurements of one round of one library, with a mock server that nobody else uses meanwhile."""
    mock_server = mock_servers.get()
    try:
        with Harness(library, mock_server) as harness:
            return measure(harness, scale)
    finally:
        mock_servers.put(mock_server)  # or the next measurement waits for it forever


def figures_of(row: Row, collected: Collected[RowRound]) -> Sequence[Figures]:
    """The cells of a row."""
    return [row.figures(rounds) for rounds in zip(*(one.columns for one in collected.rounds))]


def table(scale: Scale, figures: Sequence[Sequence[Figures]]) -> Iterator[str]:
    """The lines of Markdown."""
    names = " | ".join(library.name for library in COLUMNS)
    yield f"| {scale.callers} callers, an endpoint that takes {LATENCY_MS} ms | {names} |"
    yield f"|---|{'--:|' * len(COLUMNS)}"
    for row, cells in zip(ROWS, figures):
        yield f"| {row.title.format(scale)} | {' | '.join(text for text, _ in cells)} |"


if __name__ == "__main__":
    sys.exit(main())
