"""Tests of greenlets: while one waits for a token, the others run. Each test starts an interpreter, which gevent or
eventlet may patch.
"""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.mock_server import MockServer
from support.waiting import at_most

LIMIT_S = 30
LATENCY_MS = 500
WORKER_TIMEOUT_S = 2
LONGER_THAN_WORKER_TIMEOUT_MS = 4_500

START = {
    "gevent": "import gevent as green",
    "gevent-patched": "from gevent import monkey; monkey.patch_all(); import gevent as green",
    "eventlet": "import eventlet as green",
    "eventlet-patched": "import eventlet as green; green.monkey_patch()",
}

RUNS_OTHERS = """
    import os, bankhub
    def threads():
        return len(os.listdir("/proc/self/task"))
    def tick():
        while len(values) < GREENLETS:
            green.sleep(0.001)
            ticks.append(threads())
    GREENLETS = 100
    values, ticks, before = [], [], threads()
    with bankhub.TokenCache.from_env() as tokens:
        ticking = green.spawn(tick)
        for _ in range(GREENLETS - 1):
            green.spawn(lambda: values.append(tokens.get()))
        values.append(tokens.get())
        while len(values) < GREENLETS:
            green.sleep(0.001)
        assert not tokens._shared_waits
        print(len(set(values)), tokens.stats().requests, len(ticks) > 50, max(ticks) - before)
"""

LEAVES_WAIT = """
    import time, bankhub
    with bankhub.TokenCache.from_env() as tokens:
        killed = green.spawn(tokens.get)
        start = time.monotonic()
        try:
            tokens.get(timeout=0.1)
        except bankhub.DeadlineExceeded:
            print("deadline", 0.1 <= time.monotonic() - start < 1)
        try:
            with green.Timeout(0.1):
                tokens.get()
        except green.Timeout:
            print("timeout")
        killed.kill()
        green.sleep(0.1)
        print(tokens._shared_waits)
        print(len({tokens.get(), tokens.token().value, tokens.get(timeout=0)}), tokens.stats().requests)
"""

RAISES = """
    import bankhub
    def get():
        try:
            tokens.get()
        except bankhub.BankHubError as error:
            print(type(error).__name__)
    tokens = bankhub.TokenCache.from_env()
    waiting = [green.spawn(get) for _ in range(2)]
    green.sleep(0.1)
    tokens.close()
    for greenlet in waiting:
        green.sleep(0.2)
    green.spawn(get)
    green.sleep(0.1)
"""

APP = """
import bankhub

tokens = bankhub.TokenCache.from_env()

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [tokens.get().encode() if environ["PATH_INFO"] == "/token" else b"pong"]
"""


@pytest.mark.parametrize("kind", START)
def test_runs_others_while_one_waits(mock_server: MockServer, kind: str) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    # One more thread: that of the fetch.
    assert run(RUNS_OTHERS, kind, mock_server) == ["1 1 True 1"]


@pytest.mark.parametrize("kind", START)
def test_ends_wait_at_timeout(mock_server: MockServer, kind: str) -> None:
    mock_server.settings(latency_ms=LATENCY_MS * 2)
    assert run(LEAVES_WAIT, kind, mock_server) == ["deadline True", "timeout", "{}", "1 1"]


@pytest.mark.parametrize("kind", START)
def test_raises_in_every_greenlet(mock_server: MockServer, kind: str) -> None:
    mock_server.settings(latency_ms=20_000)
    assert run(RAISES, kind, mock_server) == ["Closed"] * 3


@pytest.mark.parametrize(
    ("kind", "call"),
    [
        ("gevent-patched", "green.get_hub().threadpool.apply(tokens.get)"),
        ("eventlet-patched", "importlib.import_module('eventlet.tpool').execute(tokens.get)"),
        ("gevent-patched", "asyncio.run(tokens.aget())"),
    ],
)
def test_waits_elsewhere(mock_server: MockServer, kind: str, call: str) -> None:
    """In a native thread, or in a loop of asyncio that runs in a greenlet."""
    mock_server.settings(latency_ms=LATENCY_MS)
    program = f"""
        import asyncio, bankhub, importlib
        ticks = []
        def tick():
            while True:
                green.sleep(0.001)
                ticks.append(1)
        with bankhub.TokenCache.from_env() as tokens:
            green.spawn(tick)
            print(bool({call}), len(ticks) > 50)
    """
    assert run(program, kind, mock_server) == ["True True"]


@pytest.mark.parametrize("worker", ["gevent", "eventlet"])
def test_gunicorn_serves_others_while_one_waits(mock_server: MockServer, worker: str, tmp_path: Path) -> None:
    mock_server.settings(latency_ms=LONGER_THAN_WORKER_TIMEOUT_MS)
    (tmp_path / "served.py").write_text(APP)
    with gunicorn(worker, tmp_path, mock_server) as port, ThreadPoolExecutor() as pool:
        tokens = [pool.submit(fetch, port, "/token") for _ in range(2)]
        pings = 0
        while not all(token.done() for token in tokens):
            with at_most(1_000, "the reply to another request"):
                assert fetch(port, "/ping") == "pong"
            pings += 1
        assert [mock_server.resource(token.result()) for token in tokens] == [200, 200]
    assert pings > 10
    assert mock_server.token_requests() == 1


@contextmanager
def gunicorn(worker: str, folder: Path, mock_server: MockServer) -> Iterator[int]:
    """Serves served.py of the folder with one worker, forked from a process that has made the cache. The port."""
    options = ["--bind=127.0.0.1:0", "--preload", f"--timeout={WORKER_TIMEOUT_S}", "--graceful-timeout=1"]
    with subprocess.Popen(
        [sys.executable, "-m", "gunicorn", f"--worker-class={worker}", *options, "served:app"],
        cwd=folder,
        env=environment(mock_server),
        stderr=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stderr
        log = []
        try:
            for line in server.stderr:
                log.append(line)
                listening = re.search(r"Listening at: http://127.0.0.1:(\d+)", line)
                if listening:
                    yield int(listening.group(1))
                    break
        finally:
            server.terminate()
            log += server.stderr
    assert "Using worker" in "".join(log)
    assert "TIMEOUT" not in "".join(log)


def fetch(port: int, path: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT_S)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def run(program: str, kind: str, mock_server: MockServer) -> list[str]:
    text = START[kind] + "\n" + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", text],
        env=environment(mock_server),
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def environment(mock_server: MockServer) -> dict[str, str]:
    return {**os.environ, **mock_server.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
