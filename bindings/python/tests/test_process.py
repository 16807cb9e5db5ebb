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

DELETED = """
import bankhub, builtins, sys, types
class Deleted:
    tokens = bankhub.TokenCache.from_env()
    def __del__(self):
        print(bool(self.tokens.get()))
"""

AT_EXIT = {
    "atexit": """
import atexit
atexit.register(lambda: print(bool(tokens.get())))
import bankhub
tokens = bankhub.TokenCache.from_env()
""",
    "atexit and asyncio": """
import asyncio, atexit, bankhub
tokens = bankhub.TokenCache.from_env()
atexit.register(lambda: print(len(set(asyncio.run(gather()))) == 1))
async def gather():
    return await asyncio.gather(*(tokens.aget() for _ in range(20)))
""",
    "atexit and requests": """
import atexit, bankhub, requests
from bankhub.requests import BankHubAuth
atexit.register(lambda: print(requests.get(tokens.base_url + "/v1/company", auth=BankHubAuth(tokens)).ok))
tokens = bankhub.TokenCache.from_env()
""",
    "finalize": """
import bankhub, weakref
class Object: pass
kept = Object()
weakref.finalize(kept, lambda: print(bool(tokens.get())))
tokens = bankhub.TokenCache.from_env()
""",
    "close": """
import atexit
atexit.register(lambda: (tokens.close(), thread.join()))
import bankhub, threading
tokens = bankhub.TokenCache.from_env()
def get():
    try:
        tokens.get()
    except bankhub.Closed:
        print(True)
thread = threading.Thread(target=get, daemon=True)
thread.start()
while not tokens.stats().waiters:
    pass
""",
    "global": DELETED + "deleted = Deleted()",
    "cycle": DELETED + "deleted = Deleted(); deleted.itself = deleted; function = lambda: deleted",
    "module": DELETED + "sys.modules['other'] = types.ModuleType('other'); bankhub.other = Deleted()",
    "builtins": DELETED + "builtins.deleted = Deleted()",
}


@pytest.mark.parametrize("program", AT_EXIT.values(), ids=AT_EXIT)
def test_gets_token_at_exit(mock_server: MockServer, program: str) -> None:
    mock_server.settings(latency_ms=300)
    with start(program, mock_server) as child:
        output, _ = child.communicate(timeout=CHILD_LIMIT_S)
        assert (output, child.returncode) == ("True\n", 0)


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
