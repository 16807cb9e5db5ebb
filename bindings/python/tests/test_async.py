"""Tests of coroutines that wait for a token."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
import time
from types import ModuleType

import anyio
import httpx
import pytest

from bankhub import Closed, DeadlineExceeded, InternalError, TokenCache, Unavailable
from bankhub.httpx import BankHubAuth
from support.mock_server import MockServer
from support.waiting import wait_until

LATENCY_MS = 300
TASKS = 50


def test_returns_valid_token_without_thread(tokens: TokenCache) -> None:
    value = tokens.get()
    before = threading.active_count()
    assert asyncio.run(tokens.aget()) == value
    assert threading.active_count() == before


def test_shares_one_thread_among_tasks(tokens: TokenCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    before, ticks = threading.active_count(), 0

    async def count_ticks() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    async def wait() -> list[str]:
        counting = asyncio.ensure_future(count_ticks())
        waiting = [asyncio.ensure_future(tokens.aget()) for _ in range(500)]
        await asyncio.sleep(LATENCY_MS / 3000)
        assert threading.active_count() == before + 1
        values = await asyncio.gather(*waiting)
        counting.cancel()
        return values

    assert len(set(asyncio.run(wait()))) == 1
    assert mock_server.token_requests() == 1
    assert ticks > 10, "the event loop was not blocked"
    wait_until(lambda: threading.active_count() == before, within_s=5, what="the thread ends after the wait")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_waits_in_either_framework(tokens: TokenCache, mock_server: MockServer, backend: str) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    before, values, ticks = threading.active_count(), list[str](), 0

    async def get() -> None:
        values.append(await tokens.aget())

    async def tick() -> None:
        nonlocal ticks
        while len(values) < TASKS:
            await anyio.sleep(0.001)
            ticks += 1

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for task in [tick] + [get] * TASKS:
                tasks.start_soon(task)
            await anyio.sleep(LATENCY_MS / 3000)
            assert threading.active_count() == before + 1

    anyio.run(main, backend=backend)
    assert len(set(values)) == mock_server.token_requests() == 1
    assert ticks > 10, "the event loop was not blocked"


def test_waits_while_another_thread_imports_trio(
    tokens: TokenCache, mock_server: MockServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    monkeypatch.setitem(sys.modules, "trio", ModuleType("trio"))
    assert asyncio.run(tokens.aget()) == tokens.get()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_httpx_works_in_either_framework(tokens: TokenCache, mock_server: MockServer, backend: str) -> None:
    async def main() -> list[int]:
        async with httpx.AsyncClient(auth=BankHubAuth(tokens), base_url=mock_server.url) as client:
            first = await client.get("/v1/company")
            mock_server.revoke()
            return [first.status_code, (await client.get("/v1/company")).status_code]

    assert anyio.run(main, backend=backend) == [200, 200]
    assert mock_server.token_requests() == 2


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_ends_wait_at_timeout_or_error(tokens: TokenCache, mock_server: MockServer, backend: str) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    mock_server.respond(503)
    with pytest.raises(DeadlineExceeded):
        anyio.run(tokens.aget, 0.05, backend=backend)
    with pytest.raises(Unavailable):
        anyio.run(tokens.aget, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_cancelled_task_leaves_nothing(tokens: TokenCache, mock_server: MockServer, backend: str) -> None:
    mock_server.settings(latency_ms=20_000)
    before = threading.active_count()

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            for _ in range(TASKS):
                tasks.start_soon(tokens.aget)
            await anyio.sleep(0.05)
            tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)
    wait_until(lambda: threading.active_count() == before, within_s=5, what="the thread ends with the last wait")
    assert not tokens._shared_waits


CLOSES_LOOP = """
import asyncio, bankhub, gc, time
tokens = bankhub.TokenCache.from_env()
loop = asyncio.new_event_loop()
task = loop.create_task(tokens.aget())
task._log_destroy_pending = False  # what asyncio itself says of any such task
loop.run_until_complete(asyncio.sleep(0.05))
loop.close()
if DROP:
    del task
    gc.collect()
while not tokens.generation:
    time.sleep(0.01)
while tokens._shared_waits:
    time.sleep(0.01)
print(bool(tokens.get()))
"""


@pytest.mark.parametrize("drop", [False, True])
def test_closed_loop_prints_nothing(mock_server: MockServer, drop: bool) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    program = CLOSES_LOOP.replace("DROP", str(drop))
    environment = {**os.environ, **mock_server.environment, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=20)
    assert (done.stdout, done.stderr) == ("True\n", "")


def test_cancels_only_one_task(tokens: TokenCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)

    async def cancel_one() -> str:
        one, other = (asyncio.ensure_future(tokens.aget()) for _ in range(2))
        await asyncio.sleep(0)
        one.cancel()
        with pytest.raises(asyncio.CancelledError):
            await one
        return await other

    assert asyncio.run(cancel_one()) == tokens.get()
    assert mock_server.token_requests() == 1


def test_reports_thread_that_cannot_start(tokens: TokenCache, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch, pytest.raises(InternalError, match="can't start new thread"):
        patch.setattr(threading.Thread, "start", start)
        asyncio.run(tokens.aget())
    assert asyncio.run(tokens.aget()) == tokens.get()


@pytest.mark.parametrize("error", [MemoryError, KeyboardInterrupt])
def test_waits_after_failed_start(
    tokens: TokenCache, mock_server: MockServer, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def start(self: threading.Thread) -> None:
        raise error

    mock_server.settings(latency_ms=LATENCY_MS)
    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(threading.Thread, "start", start)
        asyncio.run(tokens.aget())
    began_at = time.monotonic()
    assert asyncio.run(tokens.aget(timeout=10)) == tokens.get()
    assert time.monotonic() - began_at < 5, "the call does not wait for a thread that never started"


def test_ends_wait_at_timeout(tokens: TokenCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=5_000)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded):
        asyncio.run(tokens.aget(timeout=0.05))
    assert time.monotonic() - start < 2


def test_raises_error_in_every_task(tokens: TokenCache, mock_server: MockServer) -> None:
    mock_server.respond(503)

    async def wait() -> list[object]:
        return await asyncio.gather(*(tokens.aget() for _ in range(10)), return_exceptions=True)

    assert {type(outcome) for outcome in asyncio.run(wait())} == {Unavailable}
    tokens.close()
    with pytest.raises(Closed):
        asyncio.run(tokens.aget())


def test_waits_in_forked_child(tokens: TokenCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    asyncio.run(tokens.aget())
    tokens.invalidate(tokens.get())
    child = os.fork()
    if child == 0:
        os._exit(0 if asyncio.run(tokens.aget(timeout=5)) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_waits_in_two_event_loops(tokens: TokenCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    values: list[str] = []
    threads = [threading.Thread(target=lambda: values.append(asyncio.run(tokens.aget()))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(values) == 2
    assert len(set(values)) == 1
