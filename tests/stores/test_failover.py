"""Redis fails over while processes wait for a token: no call fails, and soon they share one again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from support.driver_process import Cache
from support.mock_server import MockServer
from support.waiting import wait_until

from .processes import Processes
from .topologies import TOPOLOGIES, Topology

PROCESSES = 8
REQUEST_MS = 2_000
"""The time of the token request during which the failover begins."""
FOUND_WITHIN_S = 2
"""How soon after a failover all processes use the new master."""


@pytest.fixture(params=["haproxy", "sentinel", "cluster"])
def failing(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Topology]:
    """One of its own for each test, as it is not the same after a failover."""
    topology = TOPOLOGIES[request.param](tmp_path)
    yield topology
    topology.end()


@pytest.fixture
def caches(processes: Processes, mock_server: MockServer, failing: Topology) -> Iterator[list[Cache]]:
    yield processes.caches(PROCESSES, mock_server, **failing.config)
    processes.close()


def get_valid(cache: Cache, mock_server: MockServer) -> str:
    """Reports the token if the API rejects it, as a program does, and gets another one."""
    token = cache.get().ok().value
    if mock_server.resource(token) == 200:
        return token
    cache.invalidate(token).ok()
    return cache.get().ok().value


def share_a_valid_token(processes: Processes, caches: list[Cache], mock_server: MockServer) -> bool:
    tokens = set(processes.at_once(caches, partial(get_valid, mock_server=mock_server)))
    return len(tokens) == 1 and mock_server.resource(*tokens) == 200


def test_a_failover_in_the_midst_of_a_round_fails_no_call(
    processes: Processes, mock_server: MockServer, failing: Topology, caches: list[Cache]
) -> None:
    assert share_a_valid_token(processes, caches, mock_server)  # in the store, the server with the token is found by it
    mock_server.settings(latency_ms=REQUEST_MS)
    mock_server.revoke()
    before = mock_server.token_requests()
    with ThreadPoolExecutor(1) as pool:
        round_ = pool.submit(processes.at_once, caches, partial(get_valid, mock_server=mock_server))
        wait_until(lambda: mock_server.token_requests() > before, within_s=5, what="the request of the holder")
        start = time.monotonic()
        failing.fail_over()
        print(f"the failover took {time.monotonic() - start:.1f} s")
        tokens = set(round_.result())
    print(f"{len(tokens)} tokens for {PROCESSES} processes, {mock_server.token_requests() - before} requests")
    assert {mock_server.resource(token) for token in tokens} == {200}

    mock_server.settings(latency_ms=0)
    mock_server.revoke()
    check_shared_again(processes, mock_server, caches)


def test_the_new_master_is_found(
    processes: Processes, mock_server: MockServer, failing: Topology, caches: list[Cache]
) -> None:
    """The endpoint ends the old token with each new one, so processes without a common store would end each other's."""
    mock_server.settings(end_old_token=True)
    assert share_a_valid_token(processes, caches, mock_server)
    failing.fail_over()
    mock_server.revoke()
    check_shared_again(processes, mock_server, caches)
    assert mock_server.counters().unauthorized <= 2 * PROCESSES


def check_shared_again(processes: Processes, mock_server: MockServer, caches: list[Cache]) -> None:
    before, start = mock_server.token_requests(), time.monotonic()
    shared = partial(share_a_valid_token, processes, caches, mock_server)
    wait_until(shared, within_s=FOUND_WITHIN_S, what="all share a token")
    print(f"all share a token after {time.monotonic() - start:.2f} s")
    assert mock_server.token_requests() == before + 1
