"""A store on a Redis server, in clear and with TLS: faults of the server, lost leases, and failover."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Optional

import pytest

from support.certificates import Authority
from support.driver_process import Cache, Status
from support.languages import ROOT
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer
from support.recording_proxy import RecordingProxy
from support.redis_server import LEAST_RULES, USER, USER_PASSWORD, RedisServer
from support.resp_front import RespFront
from support.waiting import at_most, wait_until

from .conftest import NewCache, check_shared

WITHOUT_MS = 4_000
"""Enough for a few operations of a second each, and a token request."""

REQUEST_MS = 2_000
"""The time of a token request during which connections are lost; far longer than it takes to lose them."""

LEASE_MS = 3_000
EXTEND_LEASE = (ROOT / "src" / "store" / "redis" / "extend_lease.lua").read_text()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.resume()
    server.kill()


def keys(server: RedisServer, *words: object) -> list[str]:
    return server.run(*words, "KEYS", "*").split()


def connections(server: RedisServer) -> int:
    """The number of clients, except for the one of this command."""
    return len(server.run("CLIENT", "LIST", "TYPE", "normal").splitlines()) - 1


def test_entry_holds_no_secret_and_expires_with_the_token(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    mock_server.settings(ttl=600)
    token = new_cache(server.url).get().ok().value
    [key] = keys(server)
    entry = server.run("GET", key)
    for secret in (token, CLIENT_ID, CLIENT_SECRET, mock_server.url, "127.0.0.1"):
        assert secret not in key + entry
    assert 590_000 < int(server.run("PTTL", key)) <= 600_000


def test_uses_user_password_and_database(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    server.run("ACL", "SETUSER", "app", "on", ">a:p@ss/word", *LEAST_RULES, "+select")
    check_shared(new_cache, mock_server, f"redis://app:a%3Ap%40ss%2Fword@{server.address}/2")
    assert keys(server) == []
    assert len(keys(server, "-n", 2)) == 1


def test_tls_trusts_ca_file_only(new_cache: NewCache, mock_server: MockServer, tmp_path: Path) -> None:
    authority = Authority()
    server = RedisServer(tmp_path, tls=authority)
    check_shared(new_cache, mock_server, server.url, ca_file=str(tmp_path / "ca.pem"))
    assert len(keys(server)) == 1
    untrusting = new_cache(server.url)
    untrusting.get().ok()
    assert "certificate" in untrusting.stats().fields["last_error.message"]
    server.kill()


@contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    server.pause()
    yield
    server.resume()


@contextmanager
def ended(server: RedisServer) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def full(server: RedisServer) -> Iterator[None]:
    server.run("CONFIG", "SET", "maxmemory", "1")
    yield
    server.run("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def forbidding(server: RedisServer) -> Iterator[None]:
    server.run("ACL", "SETUSER", USER, "-eval")
    yield
    server.run("ACL", "SETUSER", USER, "+eval")


@contextmanager
def with_another_password(server: RedisServer) -> Iterator[None]:
    server.run("ACL", "SETUSER", USER, "resetpass", ">another")
    yield
    server.run("ACL", "SETUSER", USER, "resetpass", f">{USER_PASSWORD}")


@contextmanager
def a_replica(server: RedisServer) -> Iterator[None]:
    """A replica whose primary fails, until it becomes the primary."""
    server.run("REPLICAOF", "localhost", "1")
    yield
    server.run("REPLICAOF", "NO", "ONE")


FAULTS = [
    (paused, "did not respond in time"),
    (ended, "refused"),
    (full, "OOM"),
    (forbidding, "NOPERM"),
    (with_another_password, "WRONGPASS"),
    (a_replica, "READONLY"),
]


@pytest.mark.parametrize("fault, words", [pytest.param(*fault, id=fault[0].__name__) for fault in FAULTS])
def test_works_without_the_server_and_shares_again(
    new_cache: NewCache,
    mock_server: MockServer,
    server: RedisServer,
    fault: Callable[[RedisServer], AbstractContextManager[None]],
    words: str,
) -> None:
    caches = [new_cache(server.url) for _ in range(2)]
    with fault(server):
        for cache in caches:
            with at_most(WITHOUT_MS, "a token without Redis"):
                cache.get().ok()
            stats = cache.stats().ok()
            assert Status(stats.number("last_error.status")) == Status.UNAVAILABLE
            assert words in stats.fields["last_error.message"]
        tokens = [cache.get().ok().value for cache in caches]
        assert len(set(tokens)) == mock_server.token_requests() == 2
    for cache, token in zip(caches, tokens):
        cache.invalidate(token).ok()
    assert len({cache.get().ok().value for cache in caches}) == 1
    assert mock_server.token_requests() == 3
    # The other one has read the token, and not yet done what failed, such as to acquire the lease.
    [fetched] = [stats for cache in caches if (stats := cache.stats().ok()).number("requests") == 2]
    assert fetched.number("last_error.status") == Status.OK


def test_a_server_that_stops_during_a_request_fails_no_call(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    mock_server.settings(latency_ms=800)
    cache = new_cache(server.url, request_timeout_ms=1_000)
    cache.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    with paused(server):
        [reply] = cache.driver.join()
    reply.ok()


def test_a_server_that_was_late_during_a_request_gets_the_token(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    """The lease was not extended meanwhile, and no other process has it."""
    mock_server.settings(latency_ms=2_500)
    cache = new_cache(server.url)
    cache.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    server.run("CLIENT", "PAUSE", 2_100)
    [reply] = cache.driver.join()
    assert cache.stats().number("last_error.status") == Status.OK
    assert new_cache(server.url).get().ok().value == reply.ok().value
    assert mock_server.token_requests() == 1


def test_a_holder_keeps_the_lease_although_one_extension_fails(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    failed: list[list[str]] = []

    def fail_once(words: list[str]) -> Optional[bytes]:
        if words[:2] != ["EVAL", EXTEND_LEASE] or failed:
            return None
        failed.append(words)
        return b"-BUSY Redis is busy running a script.\r\n"

    mock_server.settings(latency_ms=LEASE_MS + 1_000)
    front = RespFront(fail_once, server.address)
    caches = [new_cache(f"redis://{USER}:{USER_PASSWORD}@{front.address}") for _ in range(2)]
    for cache in caches:
        cache.start(1)
    [_] = {reply.ok().value for cache in caches for reply in cache.driver.join()}
    assert failed
    assert mock_server.token_requests() == 1
    front.close()


def test_an_operation_ends_in_time_despite_reconnects(new_cache: NewCache, mock_server: MockServer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=end_each_connection_late, args=(listener,), daemon=True).start()
        cache = new_cache(f"redis://127.0.0.1:{listener.getsockname()[1]}")
        with at_most(1_500, "a token without the store, after one operation of a second"):
            cache.get().ok()


def end_each_connection_late(listener: socket.socket) -> None:
    with suppress(OSError):
        while True:
            connection, _ = listener.accept()
            connection.recv(4096)
            time.sleep(0.9)
            connection.close()


def test_waits_for_a_slow_server(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    caches = [new_cache(server.url) for _ in range(2)]
    server.run("CLIENT", "PAUSE", 700)
    assert len({cache.get().ok().value for cache in caches}) == 1
    assert mock_server.token_requests() == 1


def test_fills_a_flushed_server_again(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    token = new_cache(server.url).get().ok().value
    server.run("FLUSHALL")
    check_shared(new_cache, mock_server, server.url)
    assert mock_server.token_requests() == 2
    assert mock_server.resource(token) == 200


def test_replaces_a_changed_token(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    new_cache(server.url).get().ok()
    [key] = keys(server)
    server.run("SETRANGE", key, 40, "changed")
    reader = new_cache(server.url)
    reader.get().ok()
    assert "damaged" in reader.stats().fields["last_error.message"]
    check_shared(new_cache, mock_server, server.url)
    assert mock_server.token_requests() == 2


def test_a_killed_holder_delays_others_by_its_lease_at_most(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    request_timeout_ms = 500
    mock_server.settings(latency_ms=400)
    holder = new_cache(server.url, request_timeout_ms=request_timeout_ms)
    holder.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    holder.driver.signal(signal.SIGKILL)
    mock_server.settings(latency_ms=0)
    other = new_cache(server.url, request_timeout_ms=request_timeout_ms)
    with at_most(request_timeout_ms + 4_000, "a token after the holder's end"):
        other.get(timeout=10_000).ok()
    assert other.stats().number("last_error.status") == Status.OK, "it acquired the lease itself"


def test_waits_for_the_lease_despite_lost_connections(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    mock_server.settings(latency_ms=REQUEST_MS)
    caches = [new_cache(server.url) for _ in range(8)]
    caches[0].start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the holder's request")
    for waiting in caches[1:]:
        waiting.start(1)
    wait_until(lambda: connections(server) == len(caches), within_s=1, what="all wait")
    server.run("CLIENT", "KILL", "TYPE", "normal")
    tokens = [reply.ok().value for cache in caches for reply in cache.driver.join()]
    assert len(set(tokens)) == mock_server.token_requests() == 1


def test_a_refresh_under_a_lost_lease_replaces_the_due_token(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    caches = [new_cache(server.url, refresh_ahead_s=100) for _ in range(2)]
    mock_server.settings(ttl=4)
    assert len({cache.get().ok().value for cache in caches}) == 1
    mock_server.settings(latency_ms=1_000, ttl=600)
    wait_until(lambda: bool(caches[0].get().ok()) and mock_server.token_requests() == 2, within_s=5, what="the refresh")
    [lease] = (key for key in keys(server) if key.endswith(":lease"))
    server.run("DEL", lease)
    wait_until(lambda: not caches[0].stats().number("fetching"), within_s=5, what="the end of the refresh")
    assert caches[0].stats().number("last_error.status") == Status.OK
    assert new_cache(server.url).get().ok().value == caches[0].get().ok().value
    assert mock_server.token_requests() == 2


@pytest.fixture
def replica(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Another server, in sync with `server`."""
    replica = RedisServer(tmp_path_factory.mktemp("replica"))
    replica.run("REPLICAOF", *server.address.split(":"))
    wait_until(lambda: "master_link_status:up" in replica.run("INFO"), within_s=10, what="the replica is in sync")
    yield replica
    replica.kill()


@pytest.fixture
def primary(server: RedisServer) -> Iterator[RecordingProxy]:
    """The address at which clients reach the current primary."""
    proxy = RecordingProxy(server.address)
    yield proxy
    proxy.close()


def url_at(primary: RecordingProxy) -> str:
    return f"redis://{USER}:{USER_PASSWORD}@127.0.0.1:{primary.port}"


def fail_over(server: RedisServer, replica: RedisServer, primary: RecordingProxy) -> None:
    server.kill()
    replica.run("REPLICAOF", "NO", "ONE")
    primary.target = replica.address


def share_a_good_token(caches: list[Cache], mock_server: MockServer) -> bool:
    """Each cache reports its token if a resource rejects it, as a program does."""
    tokens = [cache.get().ok().value for cache in caches]
    rejected = [token for token in tokens if mock_server.resource(token) == 401]
    for cache, token in zip(caches, tokens):
        if token in rejected:
            cache.invalidate(token).ok()
    return len(set(tokens)) == 1 and not rejected


@pytest.mark.parametrize("lease", ["replicated", "lost"])
def test_a_failover_during_a_fetch_fails_no_call(
    new_cache: NewCache,
    mock_server: MockServer,
    server: RedisServer,
    replica: RedisServer,
    primary: RecordingProxy,
    lease: str,
) -> None:
    if lease == "lost":
        replica.run("REPLICAOF", "NO", "ONE")
    mock_server.settings(latency_ms=REQUEST_MS)
    caches = [new_cache(url_at(primary)) for _ in range(4)]
    caches[0].start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the holder's request")
    for waiting in caches[1:]:
        waiting.start(1)
    if lease == "replicated":
        wait_until(lambda: len(keys(replica)) == 1, within_s=5, what="the replica has the lease")
    fail_over(server, replica, primary)

    tokens = [reply.ok().value for cache in caches for reply in cache.driver.join()]
    assert {mock_server.resource(token) for token in tokens} == {200}
    before = mock_server.token_requests()
    assert new_cache(url_at(primary)).get().ok().value == tokens[0], "the token of the holder is still shared"
    assert mock_server.token_requests() == before
    mock_server.settings(latency_ms=0)
    mock_server.revoke()
    wait_until(lambda: share_a_good_token(caches, mock_server), within_s=10, what="all share a token again")
    assert mock_server.token_requests() == before + 1


def test_a_replicated_token_survives_a_failover(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer, replica: RedisServer, primary: RecordingProxy
) -> None:
    token = new_cache(url_at(primary)).get().ok().value
    wait_until(lambda: keys(replica) == keys(server), within_s=5, what="the replica has the token")
    fail_over(server, replica, primary)
    assert new_cache(url_at(primary)).get().ok().value == token
    assert mock_server.token_requests() == 1
