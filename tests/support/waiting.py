"""Time in tests: waiting for a condition up to a deadline, and limits on how long a block takes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Callable

POLL_S = 0.02


def wait_until(condition: Callable[[], bool], *, within_s: float, what: str) -> None:
    """Polls the condition. `what` describes it in the failure."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, f"not within {within_s:g} s: {what}"
        time.sleep(POLL_S)


class Stopwatch:
    """A call returns the milliseconds since it was created."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self) -> float:
        return (time.monotonic() - self._start) * 1000


@contextmanager
def at_most(limit_ms: float, what: str) -> Iterator[None]:
    """Fails if the block takes longer."""
    elapsed_ms = Stopwatch()
    yield
    assert elapsed_ms() <= limit_ms, f"{what} took {elapsed_ms():.0f} ms"
