"""Processes that call an API at an even rate through the HTTP adapters of all languages, and what it costs them.

An adapter sends a request again with another token after a 401, so that its program does not notice; the mock server
counts the 401s.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from conformance.http_client import HTTP_CLIENTS, HttpClient
from support.mock_server import MockServer


@dataclass(frozen=True)
class Figures:
    """The calls of all processes, and how many of them met a 401."""

    per_second: float
    """The calls of one process."""
    calls: int
    failed: int
    """Calls that failed in the end."""
    rejected: int
    refreshes: int

    def __str__(self) -> str:
        each = self.rejected / self.refreshes if self.refreshes else 0.0
        return (
            f"{self.per_second:4} calls/s: {self.calls} calls, {self.rejected} met a 401, "
            f"{each:.1f} in each of {self.refreshes} refreshes, {self.failed} failed"
        )


class Fleet:
    """Processes that share a store, and call the API of their own mock server."""

    def __init__(self, names: Sequence[str], processes: int, **config: str) -> None:
        self.mock_server = MockServer()
        chosen = itertools.islice(itertools.cycle(names), processes)
        with ThreadPoolExecutor(processes) as pool:
            self._clients = list(pool.map(lambda name: HttpClient(name, self.mock_server, **config), chosen))

    def call(self, per_second: float, for_s: float) -> Figures:
        """Each process calls at this rate; the first call of each has a moment of its own."""
        url = f"{self.mock_server.url}/v1/company"
        statuses: list[int] = []
        end = time.monotonic() + for_s

        def keep_calling(client: HttpClient, start_s: float) -> None:
            next_at = time.monotonic() + start_s
            while next_at < end:
                time.sleep(max(0.0, next_at - time.monotonic()))
                statuses.append(client.send(url).status)
                next_at += 1 / per_second

        threads = [
            threading.Thread(target=keep_calling, args=(client, random.uniform(0, 1 / per_second)))
            for client in self._clients
        ]
        before = self.mock_server.counters()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = self.mock_server.counters()
        return Figures(
            per_second,
            calls=len(statuses),
            failed=sum(status != 200 for status in statuses),
            rejected=after.unauthorized - before.unauthorized,
            refreshes=after.tokens_issued - before.tokens_issued - (before.tokens_issued == 0),
        )

    def kill(self) -> None:
        for client in self._clients:
            client.kill()
        self.mock_server.kill()


ADAPTERS = list(HTTP_CLIENTS)
