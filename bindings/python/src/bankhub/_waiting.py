"""How many callers wait for one fetch, without a thread for each: tasks of asyncio and trio, greenlets of gevent and
eventlet. None of these frameworks is imported here unless the program has imported it.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import sys
import threading
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, Callable, Optional

SIGNAL_CHECK_INTERVAL_S = 0.1
"""How long a call waits inside the library before Python can handle a signal, such as that of Ctrl-C."""

POLL_INTERVAL_S = 0.01
"""How often a greenlet polls on behalf of those that wait."""


class SharedWait:
    """The callers that wait for the same end of a fetch.

    It has no lock: in a child that was forked while another thread held it, a caller would hang.
    """

    def __init__(self, wait_max_s: float = math.inf) -> None:
        self._wakes: dict[object, Callable[[], object]] = {None: lambda: None}  # until the first caller is there
        self._ended = False
        self.wait_max_s = wait_max_s
        """After that, a caller polls itself."""

    def has_callers(self) -> bool:
        return bool(self._wakes)

    @contextlib.contextmanager
    def caller(self, wake: Callable[[], object]) -> Iterator[None]:
        """While it is entered, `end` calls `wake`, once. After the end, entering calls it."""
        key = object()
        self._wakes[key] = wake
        self._wakes.pop(None, None)
        try:
            if self._ended:
                self._wake(key)
            yield
        finally:
            self._wakes.pop(key, None)

    def end(self) -> None:
        self._ended = True  # before the loop: a caller that the loop does not see sees this
        for key in list(self._wakes):
            self._wake(key)

    def _wake(self, key: object) -> None:
        wake = self._wakes.pop(key, None)
        if wake:
            wake()


async def wait_in_task(shared: SharedWait, seconds: float) -> None:
    """Waits for the end, or for so long, in a task of asyncio or trio; anyio runs on either."""
    seconds = min(seconds, shared.wait_max_s)
    trio = sys.modules.get("trio")
    if trio and _is_trio_task(trio):
        await _wait_in_trio(trio, shared, seconds)
        return
    loop = asyncio.get_running_loop()
    woken = loop.create_future()

    def finish() -> None:
        if not woken.done():
            woken.set_result(None)

    def wake() -> None:
        with contextlib.suppress(RuntimeError):  # the loop was closed, so nobody waits there
            loop.call_soon_threadsafe(finish)

    timer = loop.call_later(seconds, finish)
    try:
        with shared.caller(wake):
            await woken
    finally:
        timer.cancel()


def _is_trio_task(trio: Any) -> bool:
    try:
        trio.lowlevel.current_task()
    except (RuntimeError, AttributeError):  # another thread may be about to import trio
        return False
    return True


async def _wait_in_trio(trio: Any, shared: SharedWait, seconds: float) -> None:
    run, woken = trio.lowlevel.current_trio_token(), trio.Event()

    def wake() -> None:
        with contextlib.suppress(trio.RunFinishedError):
            run.run_sync_soon(woken.set)

    with trio.move_on_after(seconds), shared.caller(wake):
        await woken.wait()


class Runner:
    """Runs the one loop that polls on behalf of all callers: in a thread of its own, or in a greenlet."""

    def __init__(self, key: object, spawn: Callable[..., object], pause: Callable[[], object], wait_s: float) -> None:
        self.key = key
        """Callers whose runners have the same key share one loop."""
        self.spawn = spawn
        self.pause = pause
        """What the loop does between two polls."""
        self.wait_s = wait_s
        """For how long one poll may block the thread."""


class Greenlets(Runner):
    """The greenlets of this thread, which must run while one of them waits."""

    def __init__(self, library: ModuleType, hub: object, wake: str) -> None:
        super().__init__(hub, library.spawn, lambda: library.sleep(POLL_INTERVAL_S), 0)
        self._event = import_module(f"{library.__name__}.event").Event
        self._wake = wake

    def wait(self, shared: SharedWait, seconds: float) -> None:
        """Waits for the end, or for so long."""
        woken = self._event()
        with shared.caller(getattr(woken, self._wake)):
            woken.wait(seconds)


def current_greenlets() -> Optional[Greenlets]:
    """None if a call that blocks this thread stops no greenlet."""
    gevent, local = sys.modules.get("gevent"), sys.modules.get("gevent._hub_local")
    if gevent and local:
        hub = local.get_hub_if_exists()
        if hub is not None and gevent.getcurrent() is not hub:
            return Greenlets(gevent, hub, "set")
    eventlet, hubs = sys.modules.get("eventlet"), sys.modules.get("eventlet.hubs")
    if eventlet and hubs:
        hub = getattr(hubs._threadlocal, "hub", None)
        if hub is not None and eventlet.getcurrent() is not hub.greenlet:
            return Greenlets(eventlet, hub, "send")
    return None


def _start_thread(loop: Callable[[], None]) -> None:
    threading.Thread(target=loop, name="bankhub-wait", daemon=True).start()


THREAD = Runner(None, _start_thread, lambda: None, SIGNAL_CHECK_INTERVAL_S)
