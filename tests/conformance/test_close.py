"""Closing a cache: its waiters wake, later calls return CLOSED, and other caches are not affected."""

from __future__ import annotations

import pytest

from support.driver_process import Cache, Driver, Status
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer
from support.waiting import at_most, wait_until

from .conftest import Drivers, NewCache

ROUNDS = 30


def test_close_wakes_16_waiting_threads(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=10_000)
    cache.start(16)
    wait_until(lambda: cache.stats().ok().number("waiters") == 16, within_s=5, what="16 waiters")
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")

    with at_most(1000, "waking"):
        cache.close().ok()
        replies = driver.join()

    assert [reply.status for reply in replies] == [Status.CLOSED] * 16
    assert mock_server.token_requests() == 1


@pytest.mark.parametrize("used", [True, False], ids=["used", "never-used"])
def test_calls_after_close_return_closed(cache: Cache, mock_server: MockServer, used: bool) -> None:
    token = cache.token().ok().value if used else "f00df00df00df00df00df00df00df00df00df00d"
    cache.close().ok()
    requests = mock_server.token_requests()

    for reply in (
        cache.get(),
        cache.get(timeout=0),
        cache.token(),
        cache.invalidate(token),
        cache.invalidate(None),
    ):
        error = reply.expect(Status.CLOSED)
        assert error.http_status == error.retry_after_ms == 0
        assert "closed" in error.message.lower()
    cache.stats().expect(Status.CLOSED)
    assert cache.generation() == 0
    assert mock_server.token_requests() == requests == int(used)


def test_close_twice_is_fine(cache: Cache) -> None:
    cache.get().ok()
    cache.close().ok()
    cache.close().ok()
    cache.get().expect(Status.CLOSED)


def test_a_fetch_outlives_its_cache(new_cache: NewCache, mock_server: MockServer, store: dict[str, str]) -> None:
    mock_server.settings(latency_ms=800)
    closed = new_cache()
    closed.get(timeout=0).expect(Status.DEADLINE)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    with at_most(400, "close"):
        closed.close().ok()

    # Its token arrives after the token of the closed cache.
    other = new_cache()
    other.get().ok()
    closed.get().expect(Status.CLOSED)
    assert mock_server.token_requests() == (1 if store else 2), "with a store, the fetch of the closed cache is useful"


def test_a_closed_handle_never_reaches_another_cache(new_cache: NewCache, mock_server: MockServer) -> None:
    """The library uses the memory of a closed cache again, so an old handle must not reach the new cache."""
    closed = []
    for _ in range(ROUNDS):
        cache = new_cache()
        cache.close().ok()
        closed.append(cache)
    alive = new_cache()
    token = alive.get().ok().value

    for cache in closed:
        cache.get(timeout=0).expect(Status.CLOSED)
        cache.invalidate(token).expect(Status.CLOSED)
        cache.close().ok()
    assert alive.get(timeout=0).ok().value == token
    assert mock_server.token_requests() == 1


def test_close_during_calls_of_8_threads(new_cache: NewCache, driver: Driver, mock_server: MockServer) -> None:
    for _ in range(ROUNDS):
        cache = new_cache()
        cache.start(8)
        cache.close().ok()
        for reply in driver.join():
            assert reply.status in (Status.OK, Status.CLOSED), reply.message
        cache.get().expect(Status.CLOSED)


@pytest.mark.parametrize("fetching", [False, True], ids=["idle", "fetching"])
def test_a_program_ends_with_open_caches(
    drivers: Drivers, language: str, mock_server: MockServer, store: dict[str, str], fetching: bool
) -> None:
    mock_server.settings(latency_ms=5000 if fetching else 0)
    driver = drivers.start(language)
    cache = driver.new(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url=mock_server.url, **store)
    reply = cache.get(timeout=0 if fetching else 5000)
    assert reply.status == (Status.DEADLINE if fetching else Status.OK)

    with at_most(3000, "ending"):
        driver.end()
