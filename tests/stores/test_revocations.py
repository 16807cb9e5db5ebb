"""Tokens that are revoked in a row while the threads of many processes call an API, with a store and without."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.languages import ROOT, clean_environment
from support.line_process import LineProcess
from support.mock_server import MockServer
from support.redis_server import RedisServer

CALLERS = Path(__file__).with_name("callers.py")
PROCESSES = 8
THREADS = 4
PAUSE_S = 0.05
"""Between the calls of a thread. With less, the calls of a busy machine take as long as tokens live."""
WAIT_MS = 300
"""The longest wait before the request for a replacement."""
REQUEST_MS = 700
"""Far more than a request to the mock server takes, and a poll of a store's lease."""
DEADLINE_S = 20


@dataclass
class Calls:
    """The calls of all processes."""

    total: int
    failed: int
    longest_wait_ms: int


class Workers:
    """Processes that call an API until `end`."""

    def __init__(self, mock_server: MockServer, store: str) -> None:
        environment = {
            **clean_environment(),
            **mock_server.environment,
            "PYTHONPATH": str(ROOT / "bindings/python/src"),
        }
        if store:
            environment["BANKHUB_STORE"] = store
        command = [sys.executable, str(CALLERS), str(THREADS), str(PAUSE_S)]
        self._processes = [LineProcess(command, environment) for _ in range(PROCESSES)]
        for process in self._processes:
            assert process.read(DEADLINE_S) == "ready"

    def end(self) -> Calls:
        for process in self._processes:
            process.end(DEADLINE_S)
        counts = [[int(word) for word in process.read(DEADLINE_S).split()] for process in self._processes]
        totals, failures, waits = zip(*counts)
        return Calls(sum(totals), sum(failures), max(waits))

    def kill(self) -> None:
        for process in self._processes:
            process.kill()


@pytest.fixture(params=["none", "file", "redis"])
def workers(request: pytest.FixtureRequest, mock_server: MockServer, folder: Path) -> Iterator[Workers]:
    store = ""
    if request.param == "file":
        store = f"file:{folder}"
    elif request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.run("FLUSHALL")
        store = server.url
    workers = Workers(mock_server, store)
    yield workers
    workers.kill()


@pytest.mark.parametrize(("revocations", "apart_s"), [(4, 0.3), (8, 0.5)])
def test_revocations_in_a_row_fail_no_call(
    workers: Workers, mock_server: MockServer, revocations: int, apart_s: float
) -> None:
    start = time.monotonic()
    for revocation in range(revocations):
        time.sleep(max(0.0, start + apart_s * (revocation + 1) - time.monotonic()))
        mock_server.revoke()
    time.sleep(apart_s)
    calls = workers.end()
    print(calls, mock_server.token_requests())
    assert calls.failed == 0, f"of {calls.total} calls, {calls.failed} were answered 401 twice"
    assert calls.longest_wait_ms <= WAIT_MS + REQUEST_MS
