"""The lease of a store if its holder is stopped or killed, or if the endpoint or a name lookup is slow."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from support.driver_process import Cache, Driver, Status
from support.mock_server import FaultStep, MockServer, drip
from support.waiting import Stopwatch, at_most, wait_until

from .topologies import Topology

LEASE_MS = 3_000
"""For so long a lease lasts that its holder does not extend."""
TAKE_OVER_MS = LEASE_MS + 1_000
LONGER_MS = LEASE_MS + 1_200
"""Longer than a lease and the pause between two polls of it."""
REQUEST_MS = 500
WAITING = 8
PROMPTLY_MS = 1_000

SLOW_LOOKUP = Path(__file__).with_name("slow_lookup.c")
TOKEN = '{"access_token": "a-token-of-a-slow-endpoint", "ttl": 60000}'
SLOW_RESPONSE = f"HTTP/1.1 201 Created\r\nContent-Length: {len(TOKEN)}\r\n\r\n{TOKEN}"

NewCache = Callable[..., Cache]


@pytest.fixture(scope="module")
def slow_lookup(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The path of a library that makes the lookup of hub.test slow."""
    library = str(tmp_path_factory.mktemp("lookup") / "slow_lookup.so")
    compiler = [os.environ.get("CC", "cc"), "-std=c11", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run([*compiler, str(SLOW_LOOKUP), "-o", library, "-ldl"], check=True)
    return library


@pytest.fixture
def new_cache(mock_server: MockServer, store: Topology, slow_lookup: str) -> Iterator[NewCache]:
    """Makes caches, each in another process of the C driver, which looks the name of the server up."""
    drivers = []
    by_name = mock_server.url.replace("127.0.0.1", "hub.test")

    def new(lookup_ms: int = 0) -> Cache:
        drivers.append(Driver("c", environment={"LD_PRELOAD": slow_lookup, "SLOW_LOOKUP_MS": str(lookup_ms)}))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**credentials, base_url=by_name, allow_http=1, **store.config)

    yield new
    for driver in drivers:
        driver.kill()


@pytest.fixture
def holder(new_cache: NewCache, mock_server: MockServer) -> Cache:
    """Its request, which takes REQUEST_MS, has arrived."""
    mock_server.settings(latency_ms=REQUEST_MS)
    holder = new_cache()
    holder.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request of the holder")
    return holder


@pytest.fixture
def is_leased(store: Topology) -> Callable[[], bool]:
    """Whether a process has the lease."""
    return lambda: bool(store.left_behind())


def start(caches: list[Cache]) -> None:
    for cache in caches:
        cache.start(1)


def tokens(caches: list[Cache]) -> set[str]:
    return {reply.ok().value for cache in caches for reply in cache.driver.join()}


def test_one_of_many_takes_over_from_a_stopped_holder(
    new_cache: NewCache, mock_server: MockServer, store: Topology, holder: Cache
) -> None:
    mock_server.settings(end_old_token=True)
    holder.driver.signal(signal.SIGSTOP)
    waiting = [new_cache() for _ in range(WAITING)]
    with at_most(TAKE_OVER_MS + REQUEST_MS, "a token for all who wait"):
        start(waiting)
        [token] = tokens(waiting)
    assert mock_server.token_requests() == 2, "the holder's, and that of the process that took over"
    assert mock_server.resource(token) == 200

    holder.driver.signal(signal.SIGCONT)
    [reply] = holder.driver.join()
    if reply.ok().value != token:
        holder.invalidate(reply.value).ok()
    assert holder.get().ok().value == token, "the token of the stopped holder did not replace the newer one"
    assert new_cache().get().ok().value == token
    assert mock_server.token_requests() == 2
    assert store.left_behind() == []


def test_a_holder_that_goes_on_while_another_one_fetches_does_not_disturb_it(
    new_cache: NewCache, mock_server: MockServer, store: Topology, holder: Cache
) -> None:
    holder.driver.signal(signal.SIGSTOP)
    mock_server.settings(latency_ms=2 * PROMPTLY_MS)
    second, third = new_cache(), new_cache()
    second.start(1)
    wait_until(lambda: mock_server.token_requests() == 2, within_s=TAKE_OVER_MS / 1000, what="the second request")
    holder.driver.signal(signal.SIGCONT)
    tokens([holder])
    third.start(1)
    [token] = tokens([second, third])
    assert second.stats().number("last_error.status") == Status.OK, "it wrote its token"
    assert mock_server.token_requests() == 2
    assert new_cache().get().ok().value == token
    assert store.left_behind() == []


def test_a_killed_holder_delays_others_by_seconds(
    new_cache: NewCache, mock_server: MockServer, store: Topology, holder: Cache
) -> None:
    holder.driver.signal(signal.SIGKILL)
    waiting = [new_cache() for _ in range(2)]
    limit_ms = PROMPTLY_MS if store.config["store"].startswith("file:") else TAKE_OVER_MS
    with at_most(limit_ms + REQUEST_MS, "a token after the end of the holder"):
        start(waiting)
        [_] = tokens(waiting)
    assert mock_server.token_requests() == 2
    assert waiting[0].stats().number("last_error.status") == Status.OK


@pytest.mark.parametrize("slow", [[], [drip(SLOW_RESPONSE, every_ms=LONGER_MS // len(SLOW_RESPONSE))]])
def test_a_holder_keeps_the_lease_during_a_slow_request(
    new_cache: NewCache, mock_server: MockServer, slow: list[FaultStep]
) -> None:
    mock_server.settings(latency_ms=LONGER_MS)
    if slow:
        mock_server.raw_fault(*slow)
    caches = [new_cache() for _ in range(3)]
    elapsed_ms = Stopwatch()
    start(caches)
    [_] = tokens(caches)
    assert elapsed_ms() > LONGER_MS * 0.9, "longer than a lease that is not extended"
    assert mock_server.token_requests() == 1


def test_a_holder_keeps_the_lease_during_a_slow_name_lookup(
    new_cache: NewCache, mock_server: MockServer, is_leased: Callable[[], bool]
) -> None:
    caches = [new_cache(lookup_ms=LONGER_MS)]
    elapsed_ms = Stopwatch()
    start(caches)
    wait_until(is_leased, within_s=1, what="the lease of the process whose lookup is slow")
    others = [new_cache() for _ in range(2)]
    start(others)
    [_] = tokens([*caches, *others])
    assert elapsed_ms() > LONGER_MS * 0.9, "nobody took over"
    assert mock_server.token_requests() == 1
