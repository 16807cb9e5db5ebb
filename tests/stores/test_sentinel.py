"""A store on a Redis master that Sentinels watch: logins, TLS, Sentinels that are gone, and failovers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest

from support.certificates import Authority
from support.driver_process import Cache
from support.mock_server import MockServer
from support.redis_sentinels import MASTER_NAME, SENTINEL_PASSWORD, RedisSentinels, Sentinel
from support.redis_server import PASSWORD, USER, USER_PASSWORD, RedisServer
from support.resp_front import RespFront, bulk
from support.waiting import Stopwatch, at_most, wait_until

from .conftest import NewCache, check_shared, store_problem

FOUND_WITHIN_MS = 2_000
"""After a failover."""


@pytest.fixture
def setup(tmp_path: Path) -> Iterator[RedisSentinels]:
    setup = RedisSentinels(tmp_path)
    yield setup
    for server in [*setup.sentinels, *setup.servers]:
        server.resume()
    setup.end()


def test_shares_through_the_master(new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels) -> None:
    check_shared(new_cache, mock_server, setup.url)
    assert len(setup.master().run("KEYS", "*").split()) == 1


def test_tls_is_for_both(new_cache: NewCache, mock_server: MockServer, tmp_path: Path) -> None:
    authority = Authority()
    setup = RedisSentinels(tmp_path, tls=authority)
    check_shared(new_cache, mock_server, setup.url, ca_file=str(authority.write_ca_file(tmp_path)))
    untrusting = new_cache(setup.url)
    untrusting.get().ok()
    assert "the Sentinel at localhost:" in store_problem(untrusting)
    assert "certificate" in store_problem(untrusting)
    setup.end()


@pytest.mark.parametrize(
    "login, end",
    [
        pytest.param(f"{USER}:{USER_PASSWORD}", "", id="one-login"),
        pytest.param(f":{PASSWORD}", f"?sentinel_password={SENTINEL_PASSWORD}", id="two-passwords"),
        pytest.param(f"{USER}:{USER_PASSWORD}", f"?sentinel_password={SENTINEL_PASSWORD}", id="user-and-password"),
        pytest.param(
            f"default:{PASSWORD}", f"/2?sentinel_username={USER}&sentinel_password={USER_PASSWORD}", id="two-users"
        ),
    ],
)
def test_logs_in_to_both(
    new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels, login: str, end: str
) -> None:
    check_shared(new_cache, mock_server, setup.url_with(login, end))


@pytest.mark.parametrize("rules", ["nopass", f"resetpass >{USER_PASSWORD}"])
def test_a_sentinel_may_have_no_password_or_only_one(
    new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels, rules: str
) -> None:
    for sentinel in setup.sentinels:
        sentinel.run("ACL", "DELUSER", USER)
        sentinel.run("ACL", "SETUSER", "default", *rules.split())
    check_shared(new_cache, mock_server, setup.url)


def killed(sentinel: Sentinel) -> None:
    sentinel.kill()


def paused(sentinel: Sentinel) -> None:
    sentinel.pause()


@pytest.mark.parametrize("end", [killed, paused])
def test_one_sentinel_suffices(
    new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels, end: Callable[[Sentinel], None]
) -> None:
    for sentinel in setup.sentinels[:2]:
        end(sentinel)
    with at_most(2_500, "two tokens from a store of which two Sentinels are gone"):
        check_shared(new_cache, mock_server, setup.url)


def test_without_sentinels_each_process_works_alone(
    new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels
) -> None:
    for sentinel in setup.sentinels:
        sentinel.pause()
    cache = new_cache(setup.url)
    with at_most(1_300, "a token after one operation of a second"):
        cache.get().ok()
    assert "the Sentinel at localhost:" in store_problem(cache)
    assert "did not respond in time" in store_problem(cache)


def test_begins_with_the_sentinel_that_answered(
    new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels
) -> None:
    setup.sentinels[0].pause()
    cache = new_cache(setup.url)
    token = cache.get().ok().value
    with at_most(200, "a fetch that does not ask the Sentinel that is gone"):
        cache.invalidate(token).ok()
        cache.get().ok()


def without_rights(setup: RedisSentinels) -> RedisSentinels:
    for sentinel in setup.sentinels:
        sentinel.run("ACL", "SETUSER", USER, "-@all")
    return setup


FAILURES: list[tuple[str, Callable[[RedisSentinels], str], list[str]]] = [
    (
        "unknown-name",
        lambda setup: setup.url.replace(MASTER_NAME, "another"),
        ["the Sentinel at localhost:", "knows no master of this name"],
    ),
    (
        "no-sentinel",
        lambda setup: f"redis+sentinel://{USER}:{USER_PASSWORD}@{setup.servers[0].address}/{MASTER_NAME}",
        ["it is not a Sentinel"],
    ),
    (
        "no-login",
        lambda setup: setup.url.replace(f"{USER}:{USER_PASSWORD}@", ""),
        ["the Sentinel at localhost:", "NOAUTH"],
    ),
    (
        "no-rights",
        lambda setup: without_rights(setup).url,
        ["the Sentinel at localhost:", "(NOPERM); add +sentinel|get-master-addr-by-name to the rules"],
    ),
    ("wrong-password", lambda setup: setup.url_with(f"{USER}:wrong"), ["the Sentinel at localhost:", "WRONGPASS"]),
    (
        "wrong-password-of-redis",
        lambda setup: setup.url_with(f"{USER}:wrong", f"?sentinel_password={SENTINEL_PASSWORD}"),
        ["on Redis at 127.0.0.1:", "WRONGPASS"],
    ),
]


@pytest.mark.parametrize("url, words", [pytest.param(*failure[1:], id=failure[0]) for failure in FAILURES])
def test_says_what_is_wrong(
    new_cache: NewCache,
    mock_server: MockServer,
    setup: RedisSentinels,
    url: Callable[[RedisSentinels], str],
    words: list[str],
) -> None:
    cache = new_cache(url(setup))
    cache.get().ok()
    problem = store_problem(cache)
    assert all(word in problem for word in words), problem


def share_a_token(caches: list[Cache]) -> bool:
    """Each gets one after it was revoked."""
    return len({cache.get().ok().value for cache in caches}) == 1


@pytest.mark.parametrize("fail_over", [RedisSentinels.fail_over, RedisSentinels.kill_master])
def test_finds_the_new_master_within_two_seconds(
    new_cache: NewCache,
    mock_server: MockServer,
    setup: RedisSentinels,
    fail_over: Callable[[RedisSentinels], object],
) -> None:
    caches = [new_cache(setup.url) for _ in range(4)]
    token = caches[0].get().ok().value
    assert share_a_token(caches)
    fail_over(setup)
    elapsed_ms = Stopwatch()
    for cache in caches:
        cache.invalidate(token).ok()
    assert share_a_token(caches)
    assert elapsed_ms() <= FOUND_WITHIN_MS
    assert mock_server.token_requests() == 2
    assert [store_problem(cache) for cache in caches] == [""] * 4


def test_a_failover_during_a_request_loses_neither_lease_nor_token(
    new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels
) -> None:
    mock_server.settings(latency_ms=2_500)
    caches = [new_cache(setup.url) for _ in range(4)]
    for cache in caches:
        cache.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    setup.fail_over()
    tokens = [reply.ok().value for cache in caches for reply in cache.driver.join()]
    assert len(set(tokens)) == mock_server.token_requests() == 1


def test_a_master_that_became_a_replica_is_not_believed(
    new_cache: NewCache, mock_server: MockServer, setup: RedisSentinels
) -> None:
    """As a Sentinel that has missed the failover names it."""
    old = setup.master()
    setup.fail_over()
    wait_until(old.is_in_sync, within_s=10, what="the old master is a replica")
    stale = RespFront(lambda words: b"+OK\r\n" if words[0] == "AUTH" else named(old))
    good = setup.sentinels[0].address
    check_shared(
        new_cache, mock_server, f"redis+sentinel://{USER}:{USER_PASSWORD}@{stale.address},{good}/{MASTER_NAME}"
    )
    assert any(words[0] == "SENTINEL" for words in stale.commands)
    alone = new_cache(f"redis+sentinel://{USER}:{USER_PASSWORD}@{stale.address}/{MASTER_NAME}")
    token = alone.get().ok().value
    alone.invalidate(token).ok()
    alone.get().ok()
    assert "READONLY" in store_problem(alone)
    stale.close()


def named(server: RedisServer) -> bytes:
    return b"*2\r\n" + bulk("localhost") + bulk(str(server.port))


def test_an_address_that_no_host_has_is_not_followed(new_cache: NewCache, mock_server: MockServer) -> None:
    liar = RespFront(lambda words: b"*2\r\n" + bulk("a host\r\nof its own") + bulk("1"))
    cache = new_cache(f"redis+sentinel://{liar.address}/{MASTER_NAME}")
    cache.get().ok()
    assert "names an address of the master that cannot be used" in store_problem(cache)
    liar.close()
