"""Processes that are killed at any moment of a fetch lose nothing, and leave nothing behind that delays the others."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from random import Random

from support.driver_process import Cache, Driver, Word
from support.mock_server import MockServer
from support.waiting import wait_until

from .processes import Processes
from .topologies import Topology

ROUNDS = 5
VICTIMS_MAX = 3
SURVIVORS = 3
LEASE_S = 4
LATENCY_MS = 30
REQUEST_TIMEOUT_MS = 500


def test_survivors_get_a_token(
    processes: Processes, mock_server: MockServer, store: Topology, rounds: Callable[[int], range]
) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    credentials = {
        "client_id": mock_server.client_id,
        "client_secret": mock_server.client_secret,
        "base_url": mock_server.url,
    }
    for number in rounds(ROUNDS):
        store.empty()
        before = mock_server.token_requests()
        moments = Random(number)
        config: dict[str, Word] = {**store.config, "request_timeout_ms": REQUEST_TIMEOUT_MS}
        victims = [Driver("c") for _ in range(moments.randint(1, VICTIMS_MAX))]
        for victim in victims:
            victim.new(**credentials, **config).start(1)
        survivors = processes.caches(SURVIVORS, mock_server, **config)
        for victim in victims:
            time.sleep(moments.uniform(0, 2 * LATENCY_MS / 1000))  # to any moment of its fetch
            victim.signal(signal.SIGKILL)
        [token] = {reply.ok().value for reply in processes.at_once(survivors, Cache.get)}
        assert mock_server.resource(token) == 200
        assert mock_server.token_requests() <= before + len(victims) + 1
        [later] = processes.caches(1, mock_server, **config)
        assert later.get(timeout=1_000).ok().value == token, "the killed processes left nothing that delays a later one"
        for victim in victims:
            victim.kill()
        processes.close()
    wait_until(lambda: not store.left_behind(), within_s=LEASE_S, what="the leases of killed processes end")
