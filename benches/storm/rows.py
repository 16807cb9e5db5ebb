"""The rows of the storm: what is measured of a library, and what this one promises about it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from stage import Plan, Stage

BLOCKED_MS = 50
P999_MS = 0.2
REQUESTS_INTO_OUTAGE = 25


@dataclass(frozen=True)
class Scale:
    """How many callers there are, for how many seconds they call, and through how much of an outage at most."""

    callers: int
    seconds: int
    outage_s: int


class Figures(NamedTuple):
    """What a cell says, and whether it is what this library promises."""

    text: str
    good: bool


def cold(stage: Stage, scale: Scale) -> Figures:
    longest = max(call.took_ms for call in stage.burst(scale.callers))
    requests = stage.requests()
    return Figures(f"{requests}; {duration(longest)}", requests == 1)


def due(stage: Stage, scale: Scale) -> Figures:
    stage.due_token()
    blocked = sum(call.took_ms > BLOCKED_MS for call in stage.burst(scale.callers))
    requests = stage.requests()
    return Figures(f"{requests}; {blocked}", requests == 1 and blocked == 0)


def expired(stage: Stage, scale: Scale) -> Figures:
    ttl = 2
    stage.first_token(ttl)
    time.sleep(ttl)
    stage.burst(scale.callers)
    requests = stage.requests()
    return Figures(f"{requests}", requests == 1)


def steady(stage: Stage, scale: Scale) -> Figures:
    stage.first_token(20, next_ttl=20)
    threads = stage.calls(Plan.turns(8, period_ms=5, seconds=scale.seconds))
    took_ms = sorted(call.took_ms for calls in threads for call in calls)
    p999_ms = took_ms[math.ceil(0.999 * len(took_ms)) - 1]
    return Figures(f"{duration(p999_ms)}; {duration(took_ms[-1])}; {stage.requests()}", p999_ms < P999_MS)


def down_live(stage: Stage, scale: Scale) -> Figures:
    stage.due_token()
    stage.outage()
    seconds = min(stage.live_s(), scale.outage_s)
    threads = stage.calls(Plan.turns(scale.callers, period_ms=100, seconds=seconds))
    served = sum(all(call.served for call in calls) for calls in threads)
    return Figures(f"{served} of {scale.callers}", served == scale.callers)


def down(stage: Stage, scale: Scale) -> Figures:
    stage.outage()
    stage.begin(Plan.turns(scale.callers, period_ms=100, seconds=scale.seconds))
    time.sleep(scale.seconds)
    requests = stage.requests()
    return Figures(f"{requests}", requests <= REQUESTS_INTO_OUTAGE)


def short_lived(stage: Stage, _: Scale) -> Figures:
    stage.mock_server.settings(ttl=5)
    stage.calls(Plan.turns(20, period_ms=1000, seconds=1))
    requests = stage.requests()
    return Figures(f"{requests}", requests == 1)


def duration(ms: float) -> str:
    return f"{ms:.3g} ms" if ms < 999 else f"{ms / 1e3:.1f} s"


@dataclass(frozen=True)
class Row:
    """`title` takes the scale, `bar` is what this library promises."""

    title: str
    bar: str
    measure: Callable[[Stage, Scale], Figures]


ROWS = (
    Row("cold start: requests; longest wait", "1 request", cold),
    Row(f"due but live: requests; callers blocked over {BLOCKED_MS} ms", "1 request, and nobody blocked", due),
    Row("expired: requests", "1 request", expired),
    Row(
        "renewals under steady load, of 8 threads, a call each per 5 ms, with a ttl of 20 s, for {0.seconds} s: "
        "p99.9 of a call; worst; requests",
        f"a p99.9 below {P999_MS} ms",
        steady,
    ),
    Row("endpoint down with a live token: callers always served", "all callers", down_live),
    Row("endpoint down with none: requests in {0.seconds} s", f"at most {REQUESTS_INTO_OUTAGE} requests", down),
    Row("ttl of 5 s: requests for 20 calls in 1 s", "1 request", short_lived),
)
