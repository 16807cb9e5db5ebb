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
REFRESH_EVERY_S = 500
"""That of a token that lives for ten minutes. The test does not wait for it: a refresh costs as many 401s."""
REJECTED_MAX = 1 / 1000
EACH_MAX = {0: 2, 200: 4}
"""In each refresh, at any rate of calls, by the latency of the endpoint. Without a look into the store: 7."""


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
        each = figure.rejected / figure.refreshes
        calls = PROCESSES * figure.per_second * REFRESH_EVERY_S
        assert each <= min(calls * REJECTED_MAX, EACH_MAX[latency_ms]), str(figure)


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
