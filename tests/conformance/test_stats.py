"""The statistics of a cache, in each state that a caller can cause."""

from __future__ import annotations

import time

from support.driver_process import Cache, Driver, Reply, Status
from support.mock_server import MockServer
from support.waiting import wait_until

from .conftest import NewCache

COUNTERS = (
    "requests",
    "successes",
    "failures",
    "consecutive_failures",
    "rejections",
    "ignored_rejections",
    "waiters",
    "fetching",
)
TIMES = ("expires_at", "refresh_at", "next_attempt_at", "last_success_at", "last_failure_at")
TTL_S = 60_000


def check(stats: Reply, **expected: int) -> None:
    """The given counters have these values, and every other counter is 0."""
    actual = {name: stats.number(name) for name in COUNTERS}
    assert actual == {**dict.fromkeys(COUNTERS, 0), **expected}


def check_times(stats: Reply, **expected: float) -> None:
    """The given times have these values, within two seconds; every other time is 0, which means none."""
    for name in TIMES:
        actual = stats.number(name)
        assert abs(actual - expected.get(name, 0)) <= 2, f"{name}={actual}, expected {expected.get(name, 0)}"


def test_new_cache(cache: Cache) -> None:
    stats = cache.stats().ok()

    check(stats)
    check_times(stats)
    assert stats.generation == 0
    assert (stats.number("last_error.status"), stats.number("last_error.http_status")) == (Status.OK, 0)
    assert stats.fields["last_error.message"] == ""


def test_after_a_token(cache: Cache) -> None:
    token = cache.token().ok()
    stats = cache.stats().ok()

    check(stats, requests=1, successes=1)
    now = time.time()
    assert stats.number("expires_at") == token.expires_at
    assert stats.generation == token.generation
    # A tenth of the ttl, with a jitter of a tenth of it, before stale_at, which is up to 30 s before the end.
    assert now + TTL_S * 0.88 <= stats.number("refresh_at") <= now + TTL_S * 0.92
    check_times(stats, expires_at=token.expires_at, refresh_at=stats.number("refresh_at"), last_success_at=now)
    assert stats.number("last_error.status") == Status.OK


def test_uses_the_configured_refresh_ahead(new_cache: NewCache) -> None:
    cache = new_cache(refresh_ahead_s=1000)
    cache.get().ok()

    ahead = time.time() + TTL_S - cache.stats().ok().number("refresh_at")
    assert 900 <= ahead <= 1000 * 1.1 + 30 + 2


def test_caches_refresh_at_different_times_unless_they_share_a_store(
    new_cache: NewCache, store: dict[str, str]
) -> None:
    caches = [new_cache() for _ in range(3)]
    for cache in caches:
        cache.get().ok()

    # The jitter covers 1,200 s: three within one second have a chance below one in a hundred thousand.
    refresh_times = [cache.stats().ok().number("refresh_at") for cache in caches]
    assert (max(refresh_times) - min(refresh_times) <= 1) == bool(store)


def test_counts_16_waiters(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=700)
    cache.start(16)
    wait_until(lambda: cache.stats().ok().number("waiters") == 16, within_s=5, what="16 waiters")
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")

    check(cache.stats().ok(), requests=1, waiters=16, fetching=1)
    for reply in driver.join():
        reply.ok()
    check(cache.stats().ok(), requests=1, successes=1)


def test_after_a_failure(cache: Cache, mock_server: MockServer) -> None:
    mock_server.credentials(enabled=False)
    error = cache.get().expect(Status.UNAUTHENTICATED)
    stats = cache.stats().ok()

    check(stats, requests=1, failures=1, consecutive_failures=1)
    check_times(stats, last_failure_at=time.time(), next_attempt_at=time.time() + error.retry_after_ms / 1000)
    assert stats.generation == 0
    assert stats.number("last_error.status") == Status.UNAUTHENTICATED
    assert stats.number("last_error.http_status") == 401
    assert stats.fields["last_error.message"] == error.message


def test_after_a_fetch_with_retries(cache: Cache, mock_server: MockServer) -> None:
    mock_server.respond(503, count=2)
    cache.get().ok()
    stats = cache.stats().ok()

    check(stats, requests=3, successes=1, failures=2)
    assert stats.number("last_error.status") == Status.OK


def test_after_a_rejection(cache: Cache) -> None:
    first = cache.token().ok()
    cache.invalidate(first.value).ok()
    second = cache.token().ok()
    cache.invalidate("f00df00df00df00df00df00df00df00df00df00d").ok()
    stats = cache.stats().ok()

    check(stats, requests=2, successes=2, rejections=1, ignored_rejections=1)
    assert stats.generation == second.generation
