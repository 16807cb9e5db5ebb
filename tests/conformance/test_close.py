"""The end of a cache: waiters wake, later calls are answered, and whatever comes after stands on its own."""

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
        answers = driver.join()

    assert [answer.status for answer in answers] == [Status.CLOSED] * 16
    assert mock_server.token_requests() == 1


@pytest.mark.parametrize("used", [True, False], ids=["used", "never-used"])
def test_every_call_after_close_says_so(cache: Cache, mock_server: MockServer, used: bool) -> None:
    token = cache.token().ok().value if used else "f00df00df00df00df00df00df00df00df00df00d"
    cache.close().ok()
    requests = mock_server.token_requests()

    for answer in (
        cache.get(),
        cache.get(timeout=0),
        cache.token(),
        cache.invalidate(token),
        cache.invalidate(None),
    ):
        error = answer.expect(Status.CLOSED)
        assert error.http_status == error.retry_after_ms == 0
        assert "closed" in error.message.lower()
    cache.stats().expect(Status.CLOSED)
    assert cache.generation() == 0
    assert mock_server.token_requests() == requests == int(used)


def test_close_twice(cache: Cache) -> None:
    cache.get().ok()
    cache.close().ok()
    cache.close().ok()
    cache.get().expect(Status.CLOSED)


def test_a_fetch_in_flight_outlives_its_cache(
    new_cache: NewCache, mock_server: MockServer, store: dict[str, str]
) -> None:
    mock_server.settings(latency_ms=800)
    closed = new_cache()
    closed.get(timeout=0).expect(Status.DEADLINE)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    with at_most(400, "close"):
        closed.close().ok()

    # Answered after the fetch of the closed one.
    other = new_cache()
    other.get().ok()
    closed.get().expect(Status.CLOSED)
    assert mock_server.token_requests() == (1 if store else 2), "what it brings is of use in a store"


def test_a_closed_cache_never_becomes_another(new_cache: NewCache, mock_server: MockServer) -> None:
    """Its memory is used again: what still holds the old one must not reach the new."""
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


def test_close_beside_8_calling_threads(new_cache: NewCache, driver: Driver, mock_server: MockServer) -> None:
    for _ in range(ROUNDS):
        cache = new_cache()
        cache.start(8)
        cache.close().ok()
        for answer in driver.join():
            assert answer.status in (Status.OK, Status.CLOSED), answer.message
        cache.get().expect(Status.CLOSED)


@pytest.mark.parametrize("fetching", [False, True], ids=["idle", "fetching"])
def test_a_program_ends_with_its_caches_open(
    drivers: Drivers, language: str, mock_server: MockServer, store: dict[str, str], fetching: bool
) -> None:
    mock_server.settings(latency_ms=5000 if fetching else 0)
    driver = drivers.start(language)
    cache = driver.new(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url=mock_server.url, **store)
    answer = cache.get(timeout=0 if fetching else 5000)
    assert answer.status == (Status.DEADLINE if fetching else Status.OK)

    with at_most(3000, "ending"):
        driver.end()
