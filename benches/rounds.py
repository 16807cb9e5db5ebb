"""Compares ways to do one thing fairly on a machine that others use, too; knows no clock and starts nothing.

A round consists of slices. In each slice, every way runs for a moment, one right after the other: whatever else the
machine does meets all of them. So two ways are compared within a slice. The ratio of a round is the median of its
slices, the ratio of a run the median of its rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

NOISE_MAX = 0.05
"""A round in which the baseline differs by more from itself is measured again."""

Slice = Sequence[float]
"""The cost of a call, for each way."""

Round = Sequence[Slice]

ByThreads = Mapping[int, Round]
"""A round for each count of threads."""

T = TypeVar("T")


def cost(one_round: Round, way: int) -> float:
    """The cost of a call in this round."""
    return statistics.median(one_slice[way] for one_slice in one_round)


def ratio(one_round: Round, way: int, baseline: int) -> float:
    """How many times the baseline's cost this way cost in this round."""
    return statistics.median(one_slice[way] / one_slice[baseline] for one_slice in one_round)


def noise(one_round: Round, baseline: int) -> float:
    """By which fraction the baseline differs from itself: its cost in every other slice, and in those between."""
    low, high = sorted(cost(one_round[first::2], baseline) for first in (0, 1))
    return high / low - 1


def cost_on(threads: int, way: int) -> Callable[[ByThreads], float]:
    """`cost` on this many threads."""
    return lambda one: cost(one[threads], way)


def ratio_on(threads: int, way: int, baseline: int) -> Callable[[ByThreads], float]:
    """`ratio` on this many threads."""
    return lambda one: ratio(one[threads], way, baseline)


@dataclass(frozen=True)
class Collected(Generic[T]):
    """The rounds that count; how many were measured again, and how many of those that count are noisy all the same."""

    rounds: Sequence[T]
    repeated: int
    noisy: int

    def median(self, number: Callable[[T], float]) -> float:
        """The median of the rounds."""
        return statistics.median(map(number, self.rounds))

    def __str__(self) -> str:
        kept = f"; {self.noisy} of the {len(self.rounds)} are noisy all the same" if self.noisy else ""
        return f"{len(self.rounds)} rounds, {self.repeated} more measured again as too noisy{kept}."


def collect(
    measure: Callable[[], T],
    noise_of: Callable[[T], float],
    *,
    count: int,
    repeats_max: int,
    noise_max: float = NOISE_MAX,
) -> Collected[T]:
    """Measures rounds until `count` of them are quiet; once all repeats are used up, noisy rounds count, too."""
    rounds: list[T] = []
    repeated = noisy = 0
    while len(rounds) < count:
        one_round = measure()
        is_noisy = noise_of(one_round) > noise_max
        if is_noisy and repeated < repeats_max:
            repeated += 1
            continue
        noisy += is_noisy
        rounds.append(one_round)
    return Collected(rounds, repeated, noisy)
