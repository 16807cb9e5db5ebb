"""The client secret is rotated while both secrets are accepted, in the order of docs/shared-stores.md."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable

import pytest

from support.languages import ROOT, clean_environment
from support.line_process import LineProcess
from support.mock_server import CLIENT_SECRET, MockServer

from .topologies import Topology

SWITCHED = Path(__file__).with_name("switched.py")
OLD, NEW = CLIENT_SECRET, "Qw7Er3Ty9Ui5Op1As"
PROCESSES, THREADS, PAUSE_S = 8, 4, 0.05
LONG_ENOUGH_S = 0.5
"""Every thread has made several calls."""
DEADLINE_S = 20
StartWorkers = Callable[[str], list[LineProcess]]


@pytest.fixture
def start_workers(mock_server: MockServer, store: Topology) -> Iterator[StartWorkers]:
    """Starts processes with a secret, which call nothing yet."""
    running: list[LineProcess] = []

    def start(secret: str) -> list[LineProcess]:
        environment = {**clean_environment(), **mock_server.environment, "BANKHUB_CLIENT_SECRET": secret}
        environment.update({f"BANKHUB_{name.upper()}": value for name, value in store.config.items()})
        environment["PYTHONPATH"] = str(ROOT / "bindings/python/src")
        command = [sys.executable, str(SWITCHED), str(THREADS), str(PAUSE_S)]
        started = [LineProcess(command, environment) for _ in range(PROCESSES)]
        running.extend(started)
        for worker in started:
            assert worker.read(DEADLINE_S) == "started"
        return started

    yield start
    for worker in running:
        worker.kill()


def begin_calls(workers: Sequence[LineProcess]) -> None:
    for worker in workers:
        worker.write("")
    for worker in workers:
        assert worker.read(DEADLINE_S) == "ready"


def end_calls(workers: Sequence[LineProcess]) -> list[int]:
    """Lets each worker finish its calls and end; returns how many failed in each."""
    for worker in workers:
        worker.end(DEADLINE_S)
    return [int(worker.read(DEADLINE_S).split()[1]) for worker in workers]


def test_a_switch_fails_no_call(mock_server: MockServer, start_workers: StartWorkers) -> None:
    """The new processes get no call before the old ones have got their last, so the two never fight."""
    mock_server.settings(end_old_token=True)
    old = start_workers(OLD)
    begin_calls(old)
    mock_server.credentials(secrets=[OLD, NEW])
    new = start_workers(NEW)
    failed = end_calls(old)
    begin_calls(new)
    mock_server.credentials(secrets=[NEW])
    time.sleep(LONG_ENOUGH_S)
    assert failed + end_calls(new) == [0] * 2 * PROCESSES
    counters = mock_server.counters()
    assert (counters.token_requests, counters.unauthorized) == (2, 0)


def test_one_after_the_other_fails_no_call_if_old_tokens_live_on(
    mock_server: MockServer, start_workers: StartWorkers
) -> None:
    old = start_workers(OLD)
    begin_calls(old)
    mock_server.credentials(secrets=[OLD, NEW])
    new = start_workers(NEW)
    failed = []
    for ends, begins in zip(old, new):
        begin_calls([begins])
        failed += end_calls([ends])
    mock_server.credentials(secrets=[NEW])
    time.sleep(LONG_ENOUGH_S)
    assert failed + end_calls(new) == [0] * 2 * PROCESSES
    counters = mock_server.counters()
    assert (counters.token_requests, counters.unauthorized) == (2, 0)
