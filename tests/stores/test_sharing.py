"""Processes in every language that share a store send one token request, in every situation."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import pytest

from support.driver_process import Cache
from support.mock_server import MockServer
from support.waiting import wait_until

from .processes import Processes
from .topologies import Topology

PROCESSES = 32
ROUNDS = 2

BRIEF_TTL_S = 4
"""With MARGIN_S the token is due after about half of it, and stale shortly before its end."""
DUE_AFTER_S = 2.4
MARGIN_S = 1000


@pytest.fixture(autouse=True)
def close_caches(processes: Processes) -> Iterator[None]:
    yield
    processes.close()


def get_at_once(processes: Processes, caches: Sequence[Cache]) -> set[str]:
    """Calls get on all caches at the same time, and returns the tokens."""
    return {reply.ok().value for reply in processes.at_once(caches, Cache.get)}


def share_another(processes: Processes, caches: Sequence[Cache], token: str) -> bool:
    tokens = get_at_once(processes, caches)
    return len(tokens) == 1 and tokens != {token}


def test_cold_start_and_revocation_cost_one_request_each(
    processes: Processes,
    mock_server: MockServer,
    store: Topology,
    rounds: Callable[[int], range],
    count: Callable[[int], int],
) -> None:
    mock_server.settings(latency_ms=50)
    for _ in rounds(ROUNDS):
        store.empty()
        before = mock_server.token_requests()
        caches = processes.caches(count(PROCESSES), mock_server, **store.config)
        [token] = get_at_once(processes, caches)
        assert mock_server.token_requests() == before + 1, "cold start"

        mock_server.revoke()
        processes.at_once(caches, partial(Cache.invalidate, token=token))
        [newer] = get_at_once(processes, caches)
        assert newer != token
        assert mock_server.token_requests() == before + 2, "revocation"
        processes.close()
    assert mock_server.counters().token_requests_at_once_max == 1


def test_a_due_token_costs_one_request(
    processes: Processes,
    mock_server: MockServer,
    store: Topology,
    rounds: Callable[[int], range],
    count: Callable[[int], int],
) -> None:
    for _ in rounds(ROUNDS):
        store.empty()
        mock_server.settings(ttl=BRIEF_TTL_S)
        before = mock_server.token_requests()
        caches = processes.caches(count(PROCESSES), mock_server, **store.config, refresh_ahead_s=MARGIN_S)
        [token] = get_at_once(processes, caches)
        time.sleep(DUE_AFTER_S)  # the store keeps the age of the token
        mock_server.settings(ttl=60_000, latency_ms=100)
        get_at_once(processes, caches)
        refreshed = partial(share_another, processes, caches, token)
        wait_until(refreshed, within_s=5, what="all have the same newer token")
        assert mock_server.token_requests() == before + 2
        processes.close()
    assert mock_server.counters().token_requests_at_once_max == 1


def test_other_credentials_share_nothing(processes: Processes, mock_server: MockServer, store: Topology) -> None:
    other_server = MockServer(client_secret="Another5ecret")
    [first] = processes.caches(1, mock_server, **store.config)
    [second] = processes.caches(1, other_server, **store.config)
    assert first.get().ok().value != second.get().ok().value
    assert mock_server.token_requests() == other_server.token_requests() == 1
    other_server.kill()


def test_a_rejected_token_leaves_the_store(processes: Processes, mock_server: MockServer, store: Topology) -> None:
    first, second = processes.caches(2, mock_server, **store.config)
    token = first.get().ok().value
    assert second.get().ok().value == token
    mock_server.respond(503)
    first.invalidate(token).ok()
    wait_until(lambda: first.stats().number("failures") > 0, within_s=5, what="the fetch fails")
    [third] = processes.caches(3, mock_server, **store.config)[2:]
    assert third.get().http_status == 503, "the rejected token is no longer in the store"
    assert second.get().ok().value == token, "a process that did not report it still serves it"
