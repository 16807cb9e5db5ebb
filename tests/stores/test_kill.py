"""A process that is killed at any moment of a fetch does not block the others."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable

from support.driver_process import Cache, Driver, Word
from support.mock_server import MockServer

from .conftest import Store
from .processes import Processes

ROUNDS = 5
SURVIVORS = 3
LATENCY_MS = 30
REQUEST_TIMEOUT_MS = 500


def test_survivors_get_a_token(
    processes: Processes, mock_server: MockServer, store: Store, rounds: Callable[[int], range]
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
        config: dict[str, Word] = {"store": store.url, "request_timeout_ms": REQUEST_TIMEOUT_MS}
        victim = Driver("c")
        victim.new(**credentials, **config).start(1)
        survivors = processes.caches(SURVIVORS, mock_server, **config)
        time.sleep(random.Random(number).uniform(0, 2 * LATENCY_MS / 1000))  # to any moment of its fetch
        victim.signal(signal.SIGKILL)
        [token] = {reply.ok().value for reply in processes.at_once(survivors, Cache.get)}
        assert mock_server.resource(token) == 200
        assert mock_server.token_requests() <= before + 2
        [later] = processes.caches(1, mock_server, **config)
        assert later.get(timeout=1_000).ok().value == token, "the killed process left nothing that delays a later one"
        victim.kill()
        processes.close()
