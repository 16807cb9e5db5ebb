"""Tests of the end of a program: with Ctrl-C, or while a thread still waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from support.mock_server import MockServer
from support.waiting import at_most, wait_until

PROMPTLY_MS = 1_000
CHILD_LIMIT_S = 20

INTERRUPTED = """
import asyncio, bankhub, bankhub.httpx, bankhub.requests, httpx, requests, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # even if the parent ignores it
with bankhub.TokenCache.from_env() as tokens:
    try:
        WAIT
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    tokens.get()
    print(tokens.stats().requests)
"""

WAITS = (
    "tokens.get()",
    "asyncio.run(tokens.aget())",
    "requests.get(tokens.base_url, auth=bankhub.requests.BankHubAuth(tokens))",
    "httpx.get(tokens.base_url, auth=bankhub.httpx.BankHubAuth(tokens))",
)

LEFT_WAITING = """
import bankhub, threading, time
tokens = bankhub.TokenCache.from_env()
threading.Thread(target=tokens.get, daemon=True).start()
while not tokens.stats().waiters:
    time.sleep(0.01)
"""

LEFT_AWAITING = """
import asyncio, bankhub, threading, time
tokens = bankhub.TokenCache.from_env()
async def wait():
    await asyncio.gather(*(tokens.aget() for _ in range(200)), return_exceptions=True)
threading.Thread(target=asyncio.run, args=(wait(),), daemon=True).start()
while not tokens.stats().waiters:
    time.sleep(0.01)
"""


@pytest.mark.parametrize("wait", WAITS)
def test_ctrl_c_ends_wait_not_fetch(mock_server: MockServer, wait: str) -> None:
    mock_server.settings(latency_ms=2_000)
    with start(INTERRUPTED.replace("WAIT", wait), mock_server) as child:
        assert child.stdout
        wait_until(
            lambda: mock_server.token_requests() == 1, within_s=CHILD_LIMIT_S, what="the child sends a token request"
        )
        with at_most(PROMPTLY_MS, "KeyboardInterrupt"):
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
        assert child.stdout.readline() == "1\n"
        assert child.wait(CHILD_LIMIT_S) == 0


@pytest.mark.parametrize("program", [LEFT_WAITING, LEFT_AWAITING], ids=["thread", "tasks"])
def test_exits_while_daemon_thread_waits(mock_server: MockServer, program: str) -> None:
    mock_server.settings(latency_ms=20_000)
    start_time = time.monotonic()
    with start(program, mock_server) as child:
        assert child.wait(CHILD_LIMIT_S) == 0
    assert time.monotonic() - start_time < 10


@contextmanager
def start(program: str, mock_server: MockServer) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        **mock_server.environment,
    }
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()
