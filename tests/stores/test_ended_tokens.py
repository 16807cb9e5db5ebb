"""The endpoint ends the old token with each new one: the processes that did not fetch it have it in time."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from support.redis_server import RedisServer

from .paced_calls import ADAPTERS, Figures, Fleet
from .topologies import Topology, of_servers

PROCESSES = 8
RATES_PER_S = (0.5, 2.0, 10.0)
CALLING_S = 12
BRIEF_TTL_S = 6
REFRESH_EVERY_S = 4
"""Where tokens live so briefly."""
MINUTE_S = 60
REJECTED_MAX = 1 / 1000
BY_CHANCE = 2
"""A call that is sent at the very moment of the refresh may meet a 401; without a look into the store, dozens do."""
SLOW_MS = 200


def test_a_refresh_fails_no_call_of_another_process(store: Topology, rounds: Callable[[int], range]) -> None:
    calls, rejected = measure(store, 0, CALLING_S * len(rounds(1)))
    assert rejected <= max(BY_CHANCE, calls * REJECTED_MAX)


def test_a_slow_refresh_fails_few_calls_of_another_process(redis: RedisServer, rounds: Callable[[int], range]) -> None:
    """Here refreshes are as frequent as where tokens live for a few seconds. Calls of a program whose tokens live for a
    minute are that many times more in each refresh."""
    redis.run("FLUSHALL")
    calls, rejected = measure(of_servers(redis.url, redis), SLOW_MS, CALLING_S * len(rounds(1)))
    assert rejected <= calls * MINUTE_S / REFRESH_EVERY_S * REJECTED_MAX


def measure(store: Topology, latency_ms: int, for_s: float) -> tuple[int, int]:
    """How many calls there were, and how many met a 401. Each rate is measured with a fleet of its own, all at once."""

    def measure_rate(per_second: float) -> Figures:
        fleet = Fleet(ADAPTERS, PROCESSES, **store.config)
        try:
            fleet.mock_server.settings(ttl=BRIEF_TTL_S, end_old_token=True, latency_ms=latency_ms)
            return fleet.call(per_second, for_s)
        finally:
            fleet.kill()

    with ThreadPoolExecutor(len(RATES_PER_S)) as pool:
        measured = list(pool.map(measure_rate, RATES_PER_S))
    for figures in measured:
        print(figures)
        assert figures.failed == 0
        assert figures.refreshes >= 2
    return sum(figures.calls for figures in measured), sum(figures.rejected for figures in measured)
