"""Has many callers ask this library and its peers for tokens, in good times and bad, and prints what came of it.

The table goes to standard output. Ends with code 1 if this library missed a bar.
"""

from __future__ import annotations

import argparse
import functools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from typing import Optional

from libraries import COLUMNS, Library
from rows import ROWS, Figures, Row, Scale
from stage import LATENCY_MS, Stage
from support.mock_server import MockServer

FULL = Scale(callers=64, seconds=60, outage_s=10)
TINY = Scale(callers=16, seconds=2, outage_s=1)


def main(arguments: Optional[list[str]] = None) -> int:
    parser = argparse.ArgumentParser(description="Prints what callers and the token endpoint feel.")
    parser.add_argument("--tiny", action="store_true", help="only to see that it works: no time in it means anything")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draws a call's time around a renewal, too")
    options = parser.parse_args(arguments)
    scale, at_once = (TINY, 8) if options.tiny else (FULL, 1)
    cells = [(row, library) for row in ROWS for library in COLUMNS]
    mock_servers: SimpleQueue[MockServer] = SimpleQueue()
    with ExitStack() as ending:
        for _ in range(at_once):
            mock_server = MockServer()
            ending.callback(mock_server.kill)
            mock_servers.put(mock_server)
        with ThreadPoolExecutor(at_once) as pool:
            figures = list(pool.map(functools.partial(measured, scale, mock_servers), cells))
        print(*table(scale, [text for text, _ in figures]), sep="\n")
        if options.picture:
            from picture import draw  # here, because matplotlib takes its time

            draw(options.picture, mock_servers.get())
    missed = [
        f"{library.name} missed a bar. {row.title.format(scale)}: {text}, not {row.bar}."
        for (row, library), (text, good) in zip(cells, figures)
        if library.ours and not good and not options.tiny
    ]
    print(*missed, sep="\n", file=sys.stderr)
    return 1 if missed else 0


def measured(scale: Scale, mock_servers: SimpleQueue[MockServer], cell: tuple[Row, Library]) -> Figures:
    row, library = cell
    mock_server = mock_servers.get()
    try:
        with Stage(library, mock_server) as stage:
            figures = row.measure(stage, scale)
    finally:
        mock_servers.put(mock_server)  # or whoever is next waits for it forever
    print(f"{row.title.format(scale)}, {library.name}: {figures.text}", file=sys.stderr)
    return figures


def table(scale: Scale, cells: list[str]) -> Iterator[str]:
    """The lines of Markdown."""
    names = " | ".join(library.name for library in COLUMNS)
    yield f"| {scale.callers} callers, an endpoint that takes {LATENCY_MS} ms | {names} |"
    yield f"|---|{'--:|' * len(COLUMNS)}"
    for number, row in enumerate(ROWS):
        columns = cells[number * len(COLUMNS) : (number + 1) * len(COLUMNS)]
        yield f"| {row.title.format(scale)} | {' | '.join(columns)} |"


if __name__ == "__main__":
    sys.exit(main())
