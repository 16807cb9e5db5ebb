"""A program as its user ends it: with Ctrl-C, or while a thread still waits."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from patience import at_most, wait_until
from sandbox import Sandbox

PROMPTLY_MS = 1_000
CHILD_LIMIT_S = 20

INTERRUPTED = """
import bankhub, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever the parent ignores
with bankhub.TokenCache.from_env() as tokens:
    try:
        tokens.get()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    tokens.get()
    print(tokens.stats().requests)
"""

LEFT_WAITING = """
import bankhub, threading, time
tokens = bankhub.TokenCache.from_env()
threading.Thread(target=tokens.get, daemon=True).start()
while not tokens.stats().waiters:
    time.sleep(0.01)
"""


def test_ctrl_c_ends_a_wait_but_not_the_fetch(sandbox: Sandbox) -> None:
    sandbox.settings(latency_ms=2_000)
    with start(INTERRUPTED, sandbox) as child:
        assert child.stdout
        wait_until(lambda: sandbox.token_requests() == 1, within_s=CHILD_LIMIT_S, what="the child asks for a token")
        with at_most(PROMPTLY_MS, "KeyboardInterrupt"):
            child.send_signal(signal.SIGINT)
            assert child.stdout.readline() == "interrupted\n"
        assert child.stdout.readline() == "1\n"
        assert child.wait(CHILD_LIMIT_S) == 0


def test_a_waiting_daemon_thread_does_not_delay_the_end(sandbox: Sandbox) -> None:
    sandbox.settings(latency_ms=20_000)
    begin = time.monotonic()
    with start(LEFT_WAITING, sandbox) as child:
        assert child.wait(CHILD_LIMIT_S) == 0
    assert time.monotonic() - begin < 10


@contextmanager
def start(program: str, sandbox: Sandbox) -> Iterator[subprocess.Popen[str]]:
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(sys.path),
        **sandbox.environment,
    }
    with subprocess.Popen([sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()
