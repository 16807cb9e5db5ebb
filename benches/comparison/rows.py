"""The rows of the comparison: what is measured of a library, and what this one promises about it."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Optional

from harness import Harness, Plan

BLOCKED_MS = 50
P999_MS = 0.2
REQUESTS_INTO_OUTAGE = 25
STEADY_ROUNDS = 3


@dataclass(frozen=True)
class Scale:
    """How many callers there are, for how many seconds they call, and how long an outage is at most."""

    callers: int
    seconds: int
    outage_s: int


Numbers = Sequence[float]
"""The measurements of one library in one round."""


class Figures(NamedTuple):
    """The text of a cell, and whether this library keeps what it promises there."""

    text: str
    good: bool


def cold(harness: Harness, scale: Scale) -> Numbers:
    longest_ms = max(call.took_ms for call in harness.burst(scale.callers))
    return harness.requests(), longest_ms


def due(harness: Harness, scale: Scale) -> Numbers:
    harness.due_token()
    blocked = sum(call.took_ms > BLOCKED_MS for call in harness.burst(scale.callers))
    return harness.requests(), blocked


def expired(harness: Harness, scale: Scale) -> Numbers:
    ttl = 2
    harness.first_token(ttl)
    time.sleep(ttl)
    harness.burst(scale.callers)
    return (harness.requests(),)


def steady(harness: Harness, scale: Scale) -> Numbers:
    harness.first_token(20, next_ttl=20)
    return (*percentiles(harness, scale), harness.requests())


def percentiles(harness: Harness, scale: Scale) -> Numbers:
    """The p99.9 and the worst of steady calls, in one of the rounds."""
    threads = harness.calls(Plan.staggered(8, period_ms=5, seconds=scale.seconds / STEADY_ROUNDS))
    took_ms = sorted(call.took_ms for calls in threads for call in calls)
    return took_ms[math.ceil(0.999 * len(took_ms)) - 1], took_ms[-1]


def outage_with_token(harness: Harness, scale: Scale) -> Numbers:
    harness.due_token()
    harness.outage()
    seconds = min(harness.valid_s(), scale.outage_s)
    threads = harness.calls(Plan.staggered(scale.callers, period_ms=100, seconds=seconds))
    return sum(all(call.served for call in calls) for calls in threads), scale.callers


def outage_without(harness: Harness, scale: Scale) -> Numbers:
    harness.outage()
    harness.begin(Plan.staggered(scale.callers, period_ms=100, seconds=scale.seconds))
    time.sleep(scale.seconds)
    return (harness.requests(),)


def short_lived(harness: Harness, _: Scale) -> Numbers:
    harness.mock_server.settings(ttl=5)
    harness.calls(Plan.staggered(20, period_ms=1000, seconds=1))
    return (harness.requests(),)


def duration(ms: float) -> str:
    return f"{ms:.3g} ms" if ms < 999 else f"{ms / 1e3:.1f} s"


def steady_figures(rounds: Sequence[Numbers]) -> Figures:
    """The median p99.9, the worst of all and all requests."""
    p999_ms, worst_ms, requests = zip(*rounds)
    median_ms = statistics.median(p999_ms)
    text = f"{duration(median_ms)}; {duration(max(worst_ms))}; {sum(requests)}"
    return Figures(text, median_ms < P999_MS)


def one_request(rounds: Sequence[Numbers]) -> Figures:
    [[requests]] = rounds
    return Figures(f"{requests}", requests == 1)


def cold_figures(rounds: Sequence[Numbers]) -> Figures:
    [[requests, longest_ms]] = rounds
    return Figures(f"{requests}; {duration(longest_ms)}", requests == 1)


def due_figures(rounds: Sequence[Numbers]) -> Figures:
    [[requests, blocked]] = rounds
    return Figures(f"{requests}; {blocked}", requests == 1 and blocked == 0)


def served_figures(rounds: Sequence[Numbers]) -> Figures:
    [[served, callers]] = rounds
    return Figures(f"{served} of {callers}", served == callers)


def outage_figures(rounds: Sequence[Numbers]) -> Figures:
    [[requests]] = rounds
    return Figures(f"{requests}", requests <= REQUESTS_INTO_OUTAGE)


@dataclass(frozen=True)
class Row:
    """`title` takes the scale, `bar` is what this library promises. Each round measures every library once."""

    title: str
    bar: str
    measure: Callable[[Harness, Scale], Numbers]
    figures: Callable[[Sequence[Numbers]], Figures]
    rounds: int = 1
    idle: Optional[Callable[[Harness, Scale], Numbers]] = None
    """The time that the machine itself takes, measured first. Above `idle_most`, a round is too noisy."""

    idle_most: float = math.inf


ROWS = (
    Row("cold start: requests; longest wait", "1 request", cold, cold_figures),
    Row(
        f"due but valid: requests; callers blocked over {BLOCKED_MS} ms",
        "1 request, and nobody blocked",
        due,
        due_figures,
    ),
    Row("expired: requests", "1 request", expired, one_request),
    Row(
        "refreshes under steady load, of 8 threads, a call each per 5 ms, with a ttl of 20 s, for {0.seconds} s: "
        "p99.9 of a call; worst; requests",
        f"a p99.9 below {P999_MS} ms",
        steady,
        steady_figures,
        rounds=STEADY_ROUNDS,
        idle=percentiles,
        idle_most=P999_MS / 2,
    ),
    Row("endpoint down with a valid token: callers always served", "all callers", outage_with_token, served_figures),
    Row(
        "endpoint down with none: requests in {0.seconds} s",
        f"at most {REQUESTS_INTO_OUTAGE} requests",
        outage_without,
        outage_figures,
    ),
    Row("ttl of 5 s: requests for 20 calls in 1 s", "1 request", short_lived, one_request),
)
