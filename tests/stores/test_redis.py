"""A store on a Redis server, in clear and with TLS, and what becomes of it when that fails or another takes over."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Thread

import pytest

from support.certificates import Authority
from support.driver_process import Cache, Driver, Status, Word
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer
from support.recording_proxy import RecordingProxy
from support.redis_server import PASSWORD, RedisServer
from support.waiting import at_most, wait_until

WITHOUT_MS = 4_000
"""A few operations of a second each, and a token request."""

REQUEST_MS = 2_000
"""A request takes so long during which connections are lost, and far longer than that."""

NewCache = Callable[..., Cache]


@pytest.fixture
def new_cache(mock_server: MockServer) -> Iterator[NewCache]:
    """Each in a process of its own, written in C."""
    drivers = []

    def new(store: str, **config: Word) -> Cache:
        drivers.append(Driver("c"))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**credentials, base_url=mock_server.url, store=store, **config)

    yield new
    for driver in drivers:
        driver.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.go_on()
    server.kill()


def keys(server: RedisServer, *words: object) -> list[str]:
    return server.ask(*words, "KEYS", "*").split()


def connections(server: RedisServer) -> int:
    """Those of clients, but for the one that asks."""
    return len(server.ask("CLIENT", "LIST", "TYPE", "normal").splitlines()) - 1


def check_shared(new_cache: NewCache, mock_server: MockServer, store: str, **config: Word) -> None:
    before = mock_server.token_requests()
    tokens = {new_cache(store, **config).get().ok().value for _ in range(2)}
    assert len(tokens) == 1
    assert mock_server.token_requests() <= before + 1


def test_what_lies_there_tells_nothing_and_ends_with_the_token(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    mock_server.settings(ttl=600)
    token = new_cache(server.url).get().ok().value
    [key] = keys(server)
    lying = server.ask("GET", key)
    for secret in (token, CLIENT_ID, CLIENT_SECRET, mock_server.url, "127.0.0.1"):
        assert secret not in key + lying
    assert 590_000 < int(server.ask("PTTL", key)) <= 600_000


def test_a_user_a_password_and_a_database(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    server.ask("ACL", "SETUSER", "app", "on", ">a:p@ss/word", "~bankhub:*", "+@all")
    check_shared(new_cache, mock_server, f"redis://app:a%3Ap%40ss%2Fword@{server.place}/2")
    assert keys(server) == []
    assert len(keys(server, "-n", 2)) == 1


def test_tls_with_the_roots_of_the_cache(new_cache: NewCache, mock_server: MockServer, tmp_path: Path) -> None:
    authority = Authority()
    server = RedisServer(tmp_path, tls=authority)
    check_shared(new_cache, mock_server, server.url, ca_file=str(tmp_path / "ca.pem"))
    assert len(keys(server)) == 1
    stranger = new_cache(server.url)
    stranger.get().ok()
    assert "certificate" in stranger.stats().fields["last_error.message"]
    server.kill()


@contextmanager
def paused(server: RedisServer) -> Iterator[None]:
    server.pause()
    yield
    server.go_on()


@contextmanager
def ended(server: RedisServer) -> Iterator[None]:
    server.kill()
    yield
    server.start()


@contextmanager
def full(server: RedisServer) -> Iterator[None]:
    server.ask("CONFIG", "SET", "maxmemory", "1")
    yield
    server.ask("CONFIG", "SET", "maxmemory", "0")


@contextmanager
def forbidding(server: RedisServer) -> Iterator[None]:
    server.ask("ACL", "SETUSER", "default", "-eval")
    yield
    server.ask("ACL", "SETUSER", "default", "+eval")


@contextmanager
def with_another_password(server: RedisServer) -> Iterator[None]:
    server.ask("ACL", "SETUSER", "default", "resetpass", ">another")
    yield
    server.ask("-a", "another", "--no-auth-warning", "ACL", "SETUSER", "default", "resetpass", f">{PASSWORD}")


@contextmanager
def a_replica(server: RedisServer) -> Iterator[None]:
    """The one that it follows fails, and it takes over in the end."""
    server.ask("REPLICAOF", "localhost", "1")
    yield
    server.ask("REPLICAOF", "NO", "ONE")


FAULTS = [
    (paused, "did not respond in time"),
    (ended, "refused"),
    (full, "OOM"),
    (forbidding, "NOPERM"),
    (with_another_password, "WRONGPASS"),
    (a_replica, "READONLY"),
]


@pytest.mark.parametrize("fault, told", [pytest.param(*fault, id=fault[0].__name__) for fault in FAULTS])
def test_without_it_each_goes_on_alone_and_joins_again(
    new_cache: NewCache,
    mock_server: MockServer,
    server: RedisServer,
    fault: Callable[[RedisServer], AbstractContextManager[None]],
    told: str,
) -> None:
    caches = [new_cache(server.url) for _ in range(2)]
    with fault(server):
        for cache in caches:
            with at_most(WITHOUT_MS, "a token without Redis"):
                cache.get().ok()
            stats = cache.stats().ok()
            assert Status(stats.number("last_error.status")) == Status.UNAVAILABLE
            assert told in stats.fields["last_error.message"]
        tokens = [cache.get().ok().value for cache in caches]
        assert len(set(tokens)) == mock_server.token_requests() == 2
    for cache, token in zip(caches, tokens):
        cache.invalidate(token).ok()
    assert len({cache.get().ok().value for cache in caches}) == 1
    assert mock_server.token_requests() == 3
    assert caches[0].stats().number("last_error.status") == Status.OK


def test_a_server_that_stops_amid_a_late_request_fails_no_call(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    mock_server.settings(latency_ms=800)
    cache = new_cache(server.url, request_timeout_ms=1_000)
    cache.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    with paused(server):
        [answer] = cache.driver.join()
    answer.ok()


def test_an_operation_ends_in_time_over_one_connection_after_the_other(
    new_cache: NewCache, mock_server: MockServer
) -> None:
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


def test_a_slow_server_is_waited_for(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    caches = [new_cache(server.url) for _ in range(2)]
    server.ask("CLIENT", "PAUSE", 700)
    assert len({cache.get().ok().value for cache in caches}) == 1
    assert mock_server.token_requests() == 1


def test_a_flushed_server_is_filled_again(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    token = new_cache(server.url).get().ok().value
    server.ask("FLUSHALL")
    check_shared(new_cache, mock_server, server.url)
    assert mock_server.token_requests() == 2
    assert mock_server.resource(token) == 200


def test_a_changed_token_is_replaced(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    new_cache(server.url).get().ok()
    [key] = keys(server)
    server.ask("SETRANGE", key, 40, "changed")
    reader = new_cache(server.url)
    reader.get().ok()
    assert "damaged" in reader.stats().fields["last_error.message"]
    check_shared(new_cache, mock_server, server.url)
    assert mock_server.token_requests() == 2


def test_a_killed_holder_delays_others_by_no_more_than_its_lease(
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
    assert other.stats().number("last_error.status") == Status.OK, "by a lease of its own"


def test_waiting_for_a_turn_outlives_a_connection(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    mock_server.settings(latency_ms=REQUEST_MS)
    caches = [new_cache(server.url) for _ in range(8)]
    caches[0].start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the holder's request")
    for waiting in caches[1:]:
        waiting.start(1)
    wait_until(lambda: connections(server) == len(caches), within_s=1, what="all wait")
    server.ask("CLIENT", "KILL", "TYPE", "normal")
    tokens = [answer.ok().value for cache in caches for answer in cache.driver.join()]
    assert len(set(tokens)) == mock_server.token_requests() == 1


def test_what_was_fetched_under_a_lost_lease_replaces_the_token_that_was_due(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    caches = [new_cache(server.url, refresh_ahead_s=100) for _ in range(2)]
    mock_server.settings(ttl=4)
    assert len({cache.get().ok().value for cache in caches}) == 1
    mock_server.settings(latency_ms=1_000, ttl=600)
    wait_until(lambda: bool(caches[0].get().ok()) and mock_server.token_requests() == 2, within_s=5, what="the renewal")
    [lease] = (key for key in keys(server) if key.endswith(":lease"))
    server.ask("DEL", lease)
    wait_until(lambda: not caches[0].stats().number("fetching"), within_s=5, what="the end of the renewal")
    assert caches[0].stats().number("last_error.status") == Status.OK
    assert new_cache(server.url).get().ok().value == caches[0].get().ok().value
    assert mock_server.token_requests() == 2


@pytest.fixture
def replica(server: RedisServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """Another server, in sync with `server`."""
    server.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
    replica = RedisServer(tmp_path_factory.mktemp("replica"))
    replica.ask("REPLICAOF", *server.place.split(":"))
    wait_until(lambda: "master_link_status:up" in replica.ask("INFO"), within_s=10, what="the replica is in sync")
    yield replica
    replica.kill()


@pytest.fixture
def address(server: RedisServer) -> Iterator[RecordingProxy]:
    """At which clients reach the server that is in charge."""
    forwarder = RecordingProxy(server.place)
    yield forwarder
    forwarder.close()


def url_at(address: RecordingProxy) -> str:
    return f"redis://:{PASSWORD}@127.0.0.1:{address.port}"


def fail_over(server: RedisServer, replica: RedisServer, address: RecordingProxy) -> None:
    server.kill()
    replica.ask("REPLICAOF", "NO", "ONE")
    address.target = replica.place


def share_a_good_token(caches: list[Cache], mock_server: MockServer) -> bool:
    """Each reports the token that is answered 401, as a program does."""
    tokens = [cache.get().ok().value for cache in caches]
    rejected = [token for token in tokens if mock_server.resource(token) == 401]
    for cache, token in zip(caches, tokens):
        if token in rejected:
            cache.invalidate(token).ok()
    return len(set(tokens)) == 1 and not rejected


@pytest.mark.parametrize("lease", ["replicated", "lost"])
def test_a_failover_amid_a_fetch_fails_no_call(
    new_cache: NewCache,
    mock_server: MockServer,
    server: RedisServer,
    replica: RedisServer,
    address: RecordingProxy,
    lease: str,
) -> None:
    if lease == "lost":
        replica.ask("REPLICAOF", "NO", "ONE")
    mock_server.settings(latency_ms=REQUEST_MS)
    caches = [new_cache(url_at(address)) for _ in range(4)]
    caches[0].start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the holder's request")
    for waiting in caches[1:]:
        waiting.start(1)
    if lease == "replicated":
        wait_until(lambda: len(keys(replica)) == 1, within_s=5, what="the replica has the lease")
    fail_over(server, replica, address)

    tokens = [answer.ok().value for cache in caches for answer in cache.driver.join()]
    assert {mock_server.resource(token) for token in tokens} == {200}
    before = mock_server.token_requests()
    assert new_cache(url_at(address)).get().ok().value == tokens[0], "what the holder fetched is shared all the same"
    assert mock_server.token_requests() == before
    mock_server.settings(latency_ms=0)
    mock_server.revoke()
    wait_until(lambda: share_a_good_token(caches, mock_server), within_s=10, what="all share a token again")
    assert mock_server.token_requests() == before + 1


def test_a_replicated_token_outlives_a_failover(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer, replica: RedisServer, address: RecordingProxy
) -> None:
    token = new_cache(url_at(address)).get().ok().value
    wait_until(lambda: keys(replica) == keys(server), within_s=5, what="the replica has the token")
    fail_over(server, replica, address)
    assert new_cache(url_at(address)).get().ok().value == token
    assert mock_server.token_requests() == 1
