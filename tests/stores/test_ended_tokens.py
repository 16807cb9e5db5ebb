"""The endpoint ends the old token with each new one: the processes that did not fetch it have it in time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from .paced_calls import ADAPTERS, Figures, Fleet
from .topologies import Topology

PROCESSES = 8
RATES_PER_S = (0.5, 2.0, 10.0)
BRIEF_TTL_S = 6
"""A token is due after less than 4 s."""
CALLING_S = 12
REJECTED_MAX = 1 / 1000


@pytest.mark.parametrize("latency_ms", [0, 200])
def test_a_refresh_fails_no_call_of_another_process(
    store: Topology, rounds: Callable[[int], range], latency_ms: int
) -> None:
    figures = measure(store, ADAPTERS, latency_ms, CALLING_S * len(rounds(1)))
    for figure in figures:
        print(figure)
    for figure in figures:
        assert figure.failed == 0
        assert figure.refreshes >= 2
        assert figure.rejected <= figure.calls * REJECTED_MAX, str(figure)


def measure(store: Topology, names: list[str], latency_ms: int, for_s: float) -> list[Figures]:
    """The figures of each rate, measured at the same time with fleets of their own."""

    def measure_rate(per_second: float) -> Figures:
        fleet = Fleet(names, PROCESSES, **store.config)
        try:
            fleet.mock_server.settings(ttl=BRIEF_TTL_S, end_old_token=True, latency_ms=latency_ms)
            return fleet.call(per_second, for_s)
        finally:
            fleet.kill()

    with ThreadPoolExecutor(len(RATES_PER_S)) as pool:
        return list(pool.map(measure_rate, RATES_PER_S))
