"""The bounds of the measurements, and how a program reports that one was missed.

A program that misses a bound still prints all its tables. It writes a line that starts with `missed: ` to the standard
error for each bound, and ends with code 1. `performance.py` lists those lines at the end.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass

MISSED = "missed: "


@dataclass(frozen=True)
class Bound:
    """`value` was measured, and is at most `most`."""

    what: str
    value: float
    most: float
    unit: str = ""

    @property
    def missed(self) -> bool:
        return not self.value <= self.most

    def __str__(self) -> str:
        return f"{self.what}: {self.value:.3g}{self.unit}, promised at most {self.most:g}{self.unit}"


def judge(bounds: Sequence[Bound]) -> int:
    """Writes a line for each bound; the code to end with."""
    for bound in bounds:
        print(f"{MISSED if bound.missed else ''}{bound}", file=sys.stderr)
    return 1 if any(bound.missed for bound in bounds) else 0
