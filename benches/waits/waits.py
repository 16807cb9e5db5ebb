"""How long callers wait: for the first token once its answer is there, and for a valid token through refreshes.

Prints a table. Ends with code 1 if that is longer than promised. With `--tiny`: too few waits to say anything.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from bounds import Bound, judge
from rounds import Collected, collect

from support.languages import LIBRARIES, clean_environment
from support.line_process import LineProcess

DEADLINE_S = 60
WAKE_US = 2000
"""From the answer until the last of 64 callers has its token."""

CONDVAR_US = 1000
"""Where the last of 64 threads waits longer for a bare `Condvar`, callers may wait longer in the same proportion."""

REFRESH_US = 200
"""The time that refreshes may add to the slowest but one of 10,000 calls."""

Numbers = Mapping[str, Any]
"""The program's answer, in microseconds."""


def main() -> int:
    tiny = "--tiny" in sys.argv[1:]
    process = LineProcess([str(LIBRARIES / "waits")], clean_environment())

    def ask(line: str) -> Numbers:
        process.write(line)
        answer: Numbers = json.loads(process.read(DEADLINE_S))
        return answer

    wakes, loops, seconds = (3, 1, 0.1) if tiny else (51, 11, 4)
    try:
        # A factor of 1.5: how threads are woken differs far more than what a call costs.
        woken = collect(lambda: ask("wake"), wake_noise, count=wakes, repeats_max=wakes, noise_max=0.5)
        called = collect(
            lambda: ask(f"calls {seconds}"), calls_noise, count=loops, repeats_max=loops, noise_max=REFRESH_US / 2
        )
    finally:
        process.kill()
    print(*table(woken, called), sep="\n")
    return 0 if tiny else judge(bounds(woken, called))


def condvar(one: Numbers) -> float:
    """How long the last thread waited for a bare `Condvar`, before and after the callers did."""
    return float(statistics.mean(one["condvar"]))


def wake_noise(one: Numbers) -> float:
    """By which fraction the bare `Condvar` differs from itself."""
    low, high = sorted(one["condvar"])
    return float(high / low) - 1


def calls_noise(one: Numbers) -> float:
    """By how much the p99.99 without refreshes differs from itself: every other slice, and those between."""
    low, high = sorted(quantile(flat(one["without"][first::2]), 0.9999) for first in (0, 1))
    return high - low


def bounds(woken: Collected[Numbers], called: Collected[Numbers]) -> list[Bound]:
    """The promises; each number is of one round, because in the next one the machine may be busier."""

    def waited(one: Numbers) -> float:
        return float(one["answer"]) * min(1, CONDVAR_US / condvar(one))

    def added(one: Numbers) -> float:
        return quantile(flat(one["with"]), 0.9999) - quantile(flat(one["without"]), 0.9999)

    return [
        Bound(
            f"the last of all callers, where a bare Condvar takes at most {CONDVAR_US} µs",
            woken.median(waited),
            WAKE_US,
            " µs",
        ),
        Bound("what refreshes add to the p99.99 of a call", called.median(added), REFRESH_US, " µs"),
    ]


def table(woken: Collected[Numbers], called: Collected[Numbers]) -> list[str]:
    """The lines of Markdown."""
    refreshes = sum(one["refreshes"] for one in called.rounds)
    answers = [one["answer"] for one in woken.rounds]
    condvars = [condvar(one) for one in woken.rounds]
    return [
        "| µs | median | p99.99 | worst |",
        "|---|--:|--:|--:|",
        waits("64 callers have the token after the endpoint began its answer", answers),
        waits("64 threads wake from a bare `Condvar`", condvars),
        calls(f"a call each 20 µs, counted from when it was due, through {refreshes} refreshes", called, "with"),
        calls("the same without a refresh", called, "without"),
        "",
        f"Waits: {woken} Calls: {called}",
    ]


def waits(name: str, times: Sequence[float]) -> str:
    return f"| {name} | {statistics.median(times):.0f} | | {max(times):.0f} |"


def calls(name: str, called: Collected[Numbers], which: str) -> str:
    """The median of the rounds, which a single hiccup of the machine does not move."""

    def of_rounds(fraction: float) -> float:
        return called.median(lambda one: quantile(flat(one[which]), fraction))

    return f"| {name} | {of_rounds(0.5):.2f} | {of_rounds(0.9999):.0f} | {of_rounds(1):.0f} |"


def flat(slices: Sequence[Sequence[float]]) -> list[float]:
    """The times of all slices, sorted."""
    return sorted(time for one_slice in slices for time in one_slice)


def quantile(ordered: Sequence[float], fraction: float) -> float:
    """This fraction of the numbers is at most that."""
    return ordered[round((len(ordered) - 1) * fraction)]


if __name__ == "__main__":
    sys.exit(main())
