"""Children of fork, from Python: os.fork, multiprocessing, and workers that a parent forks again and again."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.line_process import LineProcess
from support.mock_server import MockServer
from support.waiting import wait_until

from .programs import Programs

CHILDREN = 100
WAITERS = 4
LATENCY_MS = 20
NORMAL_FETCH_MS = 5_000
START_DEADLINE_S = 10
REQUEST_DEADLINE_S = 10
REQUESTS = 100
KILL_EVERY = 4


def test_os_fork_while_threads_fetch_and_wait(programs: Programs, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    output = programs.python("os_fork.py", CHILDREN, LATENCY_MS * 2, mock_server=mock_server)
    assert output.lines("ended") == [["0"]] * CHILDREN
    assert len(output.lines("inherited")) == len(output.lines("own")) == CHILDREN
    assert len(output.lines("waiter")) == WAITERS * CHILDREN
    # The parent is not affected: one fetch for each round, for all waiters.
    assert len({token for _, token in output.lines("waiter")}) == CHILDREN
    calls = output.lines("inherited", "own", "waiter")
    assert {mock_server.resource(token) for _, token in calls} == {200}
    assert max(int(ms) for ms, _ in calls) <= NORMAL_FETCH_MS


def test_multiprocessing_pool(programs: Programs, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    output = programs.python("process_pool.py", CHILDREN, mock_server=mock_server)
    assert len(output.lines("task")) == CHILDREN
    assert {mock_server.resource(token) for [token] in output.lines("task", "parent")} == {200}


class Prefork:
    """A running prefork.py."""

    def __init__(self, process: LineProcess) -> None:
        self._address = ("127.0.0.1", int(process.read(START_DEADLINE_S)))

    def ask(self, rejected: str = "") -> tuple[int, str]:
        """The worker that replied, and its token."""
        with socket.create_connection(self._address, REQUEST_DEADLINE_S) as connection:
            connection.sendall(f"{rejected}\n".encode())
            with connection.makefile() as reply:
                pid, token = reply.readline().split()
        return int(pid), token

    def kill(self, worker: int, end: signal.Signals) -> None:
        """Ends a worker; the parent forks another one."""
        os.kill(worker, end)
        gone = Path(f"/proc/{worker}")
        wait_until(lambda: not gone.exists(), within_s=REQUEST_DEADLINE_S, what=f"worker {worker} is gone")


@contextmanager
def started(programs: Programs, mock_server: MockServer) -> Iterator[Prefork]:
    process = LineProcess(programs.python_command("prefork.py"), programs.python_environment(mock_server))
    try:
        yield Prefork(process)
        process.end(REQUEST_DEADLINE_S)
    finally:
        process.kill()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_workers_that_are_killed_and_forked_again(
    programs: Programs, mock_server: MockServer, end: signal.Signals
) -> None:
    with started(programs, mock_server) as prefork:
        tokens, workers = set(), set()
        for request in range(REQUESTS):
            worker, token = prefork.ask()
            tokens.add(token)
            workers.add(worker)
            if request % KILL_EVERY == 0:
                prefork.kill(worker, end)
        # Every worker uses the token that the parent got before the first fork.
        assert mock_server.token_requests() == len(tokens) == 1
        assert len(workers) > REQUESTS // KILL_EVERY

        mock_server.revoke()
        reports = 0
        for request in range(REQUESTS):
            worker, token = prefork.ask()
            if mock_server.resource(token) == 401:
                worker, token = prefork.ask(rejected=token)
                reports += 1
            assert mock_server.resource(token) == 200
            if request % KILL_EVERY == 0:
                prefork.kill(worker, end)
        assert 0 < mock_server.token_requests() - 1 <= reports
