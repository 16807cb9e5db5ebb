"""A program that can do one thing in several ways, and measures a round of them on demand.

Its first line names the ways, as JSON. Then it reads a round from each line, `THREADS SLICES CALLS...` with the calls
of each way per slice, and answers with JSON: for each slice, the nanoseconds a call of each way took. Every other slice
runs the ways in reverse, so that none gains from its place.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

from rounds import Round

from support.line_process import LineProcess

DEADLINE_S = 120
CALIBRATION_CALLS = 100
CALIBRATIONS = 3


class Ways:
    """The program, running."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str]) -> None:
        self._process = LineProcess(command, {**os.environ, **environment})
        self.facts: Mapping[str, Any] = json.loads(self._process.read(DEADLINE_S))
        """The other things that the program says about itself."""
        self.names: Sequence[str] = self.facts["ways"]
        self._calls: dict[tuple[int, float], list[int]] = {}

    def __enter__(self) -> Ways:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()

    def round(self, threads: int, slices: int, batch_s: float) -> Round:
        """Every way runs for about `batch_s` in each slice. One slice more comes first, which warms all of them up."""
        calls = self._calls.get((threads, batch_s)) or self._calibrate(threads, batch_s)
        return self._measure(threads, slices + 1, calls)[1:]

    def _calibrate(self, threads: int, batch_s: float) -> list[int]:
        """How often to call each way, so that it takes as long as the others."""
        processors = min(threads, os.cpu_count() or 1)
        calls = [CALIBRATION_CALLS] * len(self.names)
        for _ in range(CALIBRATIONS):
            [costs] = self._measure(threads, 1, calls)
            calls = [max(1, round(batch_s * 1e9 * processors / threads / cost)) for cost in costs]
        self._calls[threads, batch_s] = calls
        return calls

    def _measure(self, threads: int, slices: int, calls: Sequence[int]) -> Round:
        self._process.write(" ".join(map(str, [threads, slices, *calls])))
        answer: Round = json.loads(self._process.read(DEADLINE_S))
        return answer
