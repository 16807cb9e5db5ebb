"""Time in the scenarios: a condition polled under a deadline, never a fixed sleep, and a call under a stopwatch."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

POLL_S = 0.02


def wait_until(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    """`what` is the sentence of the failure."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        time.sleep(POLL_S)


class Stopwatch:
    """Milliseconds since its start."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self) -> float:
        return (time.monotonic() - self._start) * 1000


@contextmanager
def at_most(limit_ms: float, what: str) -> Iterator[None]:
    """The block must not take longer."""
    elapsed_ms = Stopwatch()
    yield
    assert elapsed_ms() <= limit_ms, f"{what} took {elapsed_ms():.0f} ms"
