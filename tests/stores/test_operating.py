"""An operator handles a store by hand, as docs/shared-stores.md says."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Callable

import pytest

from support.driver_process import Cache, Driver, Status, Word
from support.languages import ROOT
from support.mock_server import MockServer
from support.redis_server import RedisServer
from support.waiting import wait_until

from .topologies import Topology

TTL_MS = 60_000_000
READ_PAUSE_S = 5
"""How often a process whose backoff forbids a request reads the store, at most."""
DOCUMENT = (ROOT / "docs/shared-stores.md").read_text()
NewCache = Callable[[], Cache]


def make(driver: Driver, mock_server: MockServer, **config: Word) -> Cache:
    credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
    return driver.new(**credentials, base_url=mock_server.url, **config)


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver("c")
    yield driver
    driver.kill()


@pytest.fixture
def new_cache(mock_server: MockServer, store: Topology) -> Iterator[NewCache]:
    """Makes caches, each in another process of the C driver."""
    drivers = []

    def new() -> Cache:
        drivers.append(Driver("c"))
        return make(drivers[-1], mock_server, **store.config)

    yield new
    for driver in drivers:
        driver.kill()


def serves(cache: Cache, token: str) -> bool:
    return cache.get().fields.get("value") == token


def test_a_process_that_adopts_tokens_counts_no_request(new_cache: NewCache) -> None:
    new_cache().get().ok()
    adopting = new_cache()
    adopting.get().ok()
    stats = adopting.stats().ok()
    assert stats.generation == 1
    assert {stats.number(name) for name in ("requests", "successes", "last_success_at", "last_error.status")} == {0}


def test_a_removed_entry_costs_one_request(new_cache: NewCache, mock_server: MockServer, store: Topology) -> None:
    running = new_cache()
    token = running.get().ok().value
    store.empty()
    newer = new_cache().get().ok().value
    assert newer != token and new_cache().get().ok().value == newer
    assert running.get().ok().value == token, "a process with a valid token does not look"
    assert mock_server.token_requests() == 2


def test_invalidate_in_one_process_replaces_the_token_in_the_store(
    new_cache: NewCache, mock_server: MockServer
) -> None:
    first, second = new_cache(), new_cache()
    token = first.get().ok().value
    assert second.get().ok().value == token
    first.invalidate(token).ok()
    newer = first.get().ok().value
    assert newer != token and new_cache().get().ok().value == newer
    assert second.get().ok().value == token, "it serves its own until that is due or rejected"
    second.invalidate(token).ok()
    assert second.get().ok().value == newer
    assert mock_server.token_requests() == 2


def test_a_shared_failure_is_cleared_by_removing_the_entry(
    new_cache: NewCache, mock_server: MockServer, store: Topology
) -> None:
    """The endpoint has recovered long before the time that it named."""
    mock_server.respond(503, headers={"Retry-After": "3600"}, count=1)
    running = [new_cache() for _ in range(2)]
    for cache in running:
        assert cache.get().expect(Status.UNAVAILABLE).retry_after_ms > 3_000_000
    assert new_cache().get().status == Status.UNAVAILABLE, "a new process hears of it"
    store.empty()
    token = new_cache().get().ok().value
    recovered = [partial(serves, cache, token) for cache in running]
    for has_token in recovered:
        wait_until(has_token, within_s=READ_PAUSE_S + 1, what="a running process has the token of the new one")
    assert mock_server.token_requests() == 2


def documented(program: str) -> list[list[str]]:
    """The commands of docs/shared-stores.md with that program, as words."""
    return [shlex.split(line) for line in re.findall(rf"^{program} .*$", DOCUMENT, re.MULTILINE)]


def test_the_commands_for_redis(driver: Driver, mock_server: MockServer, tmp_path: Path) -> None:
    server = RedisServer(tmp_path)
    mock_server.settings(latency_ms=300)
    cache = make(driver, mock_server, store=server.url)
    cache.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    scan, pttl, lease, delete = (words[1:] for words in documented("redis-cli"))
    [key] = server.run(*scan).split()
    [name] = re.findall(r"^bankhub:\{(\w+)\}:lease$", key)
    assert server.run(*(word.replace("NAME", name) for word in lease)).strip()
    driver.join()
    assert 0 < int(server.run(*(word.replace("NAME", name) for word in pttl))) <= TTL_MS
    assert server.run(*(word.replace("NAME", name) for word in delete)).strip() == "1"
    assert not server.run(*scan).split()
    server.kill()


def test_the_commands_for_a_directory(driver: Driver, mock_server: MockServer, tmp_path: Path) -> None:
    directory = tmp_path / "store"
    make(driver, mock_server, store=f"file:{directory}").get().ok()
    for words in [*documented("ls"), *documented("rm")]:
        command = " ".join(words).replace("/run/bankhub", str(directory), 1)
        done = subprocess.run(command, shell=True, check=True, stdout=subprocess.PIPE, text=True)
        assert words[0] == "rm" or re.search(r"^-rw-------.* bankhub-\w+\.token$", done.stdout, re.MULTILINE)
    assert not list(directory.glob("*.token"))


def test_a_stopped_holder_says_that_it_has_lost_the_lease(new_cache: NewCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=500)
    stopped, other = new_cache(), new_cache()
    stopped.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    stopped.driver.signal(signal.SIGSTOP)
    token = other.get().ok().value
    stopped.driver.signal(signal.SIGCONT)
    stopped.driver.join()
    message = stopped.stats().fields["last_error.message"]
    assert "another process has taken over the lease" in message or "has a newer token" in message, message
    assert new_cache().get().ok().value == token, "it has not written its own"
