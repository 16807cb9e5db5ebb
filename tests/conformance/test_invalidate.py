"""Reporting a rejected token: the current token is replaced once; any other text changes nothing."""

from __future__ import annotations

from typing import Optional

import pytest

from support.driver_process import Cache, Driver, Status
from support.mock_server import MockServer
from support.waiting import at_most, wait_until

ROUNDS = 40
REVOCATIONS = 4
"""In a row, and not one call fails."""
WAIT_MS = 300
"""The longest wait before the request for a replacement."""
REQUEST_MS = 500
"""Far more than a request to the mock server takes."""


def test_replaces_the_current_token(cache: Cache, mock_server: MockServer) -> None:
    first = cache.token().ok()
    mock_server.revoke()
    assert mock_server.resource(first.value) == 401

    cache.invalidate(first.value).ok()

    second = cache.token().ok()
    assert second.value != first.value
    assert second.generation > first.generation
    assert mock_server.resource(second.value) == 200
    assert mock_server.token_requests() == 2
    assert cache.stats().ok().number("rejections") == 1


def test_fetches_the_replacement_at_once(cache: Cache, mock_server: MockServer) -> None:
    cache.invalidate(cache.get().ok().value).ok()
    wait_until(lambda: mock_server.token_requests() == 2, within_s=5, what="the request for the new token")


def test_callers_wait_for_the_replacement(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    first = cache.get().ok().value
    mock_server.settings(latency_ms=300)
    cache.invalidate(first).ok()
    cache.start(16)

    values = {reply.ok().value for reply in driver.join()}
    assert len(values) == 1 and first not in values
    assert mock_server.token_requests() == 2


def test_invalidate_does_not_wait(cache: Cache, mock_server: MockServer) -> None:
    token = cache.get().ok().value
    mock_server.settings(latency_ms=2000)
    with at_most(400, "invalidate"):
        cache.invalidate(token).ok()


def test_a_hundred_reports_cost_one_request(cache: Cache, mock_server: MockServer) -> None:
    first = cache.get().ok().value
    mock_server.settings(latency_ms=200)
    for _ in range(50):
        cache.invalidate(first).ok()
    second = cache.get().ok().value
    for _ in range(50):
        cache.invalidate(first).ok()

    assert cache.get().ok().value == second != first
    assert mock_server.token_requests() == 2


def test_ignores_an_old_token(cache: Cache, mock_server: MockServer) -> None:
    first = cache.get().ok().value
    cache.invalidate(first).ok()
    second = cache.token().ok()

    cache.invalidate(first).ok()

    assert cache.token().ok() == second
    assert mock_server.token_requests() == 2
    stats = cache.stats().ok()
    assert (stats.number("rejections"), stats.number("ignored_rejections")) == (1, 1)


@pytest.mark.parametrize(
    "rejected",
    [
        pytest.param("f00df00df00df00df00df00df00df00df00df00d", id="foreign"),
        pytest.param("ünïcödé and späces", id="no-token"),
        pytest.param("x" * 5000, id="longer-than-any"),
        pytest.param("", id="empty"),
        pytest.param(None, id="null"),
    ],
)
def test_ignores_any_other_text(cache: Cache, mock_server: MockServer, rejected: Optional[str]) -> None:
    token = cache.token().ok()

    cache.invalidate(rejected).ok()

    assert cache.token().ok() == token
    assert mock_server.token_requests() == 1
    stats = cache.stats().ok()
    assert (stats.number("rejections"), stats.number("ignored_rejections")) == (0, 1)


@pytest.mark.parametrize("change", ["prefix", "longer", "case"])
def test_ignores_a_token_that_is_nearly_the_current_one(cache: Cache, mock_server: MockServer, change: str) -> None:
    token = cache.get().ok().value
    other = {"prefix": token[:-1], "longer": token + "0", "case": token.swapcase()}[change]

    cache.invalidate(other).ok()

    assert cache.get().ok().value == token
    assert mock_server.token_requests() == 1


@pytest.mark.all_but("c", because="a C string ends at its first NUL")
def test_ignores_the_current_token_with_a_nul(cache: Cache, mock_server: MockServer) -> None:
    token = cache.get().ok().value

    reply = cache.invalidate(token + "\0")

    assert reply.status in (Status.OK, Status.INVALID_ARGUMENT)
    assert cache.get().ok().value == token
    assert mock_server.token_requests() == 1


def test_an_empty_cache_ignores_reports(cache: Cache, mock_server: MockServer) -> None:
    cache.invalidate("f00df00df00df00df00df00df00df00df00df00d").ok()
    assert mock_server.token_requests() == 0

    cache.get().ok()
    assert mock_server.token_requests() == 1


def test_revocations_in_a_row_cost_one_short_wait_each(cache: Cache, mock_server: MockServer) -> None:
    token = cache.get().ok().value
    for revocations in range(1, REVOCATIONS + 1):
        mock_server.revoke()
        cache.invalidate(token).ok()
        with at_most(WAIT_MS + REQUEST_MS, f"the token after revocation {revocations}"):
            token = cache.get().ok().value
        assert mock_server.resource(token) == 200
        assert mock_server.token_requests() == 1 + revocations


def test_replaces_in_the_background_after_many_rejections_in_a_row(cache: Cache, mock_server: MockServer) -> None:
    for _ in range(REVOCATIONS):
        cache.invalidate(cache.get().ok().value).ok()
    token = cache.get().ok().value
    cache.invalidate(token).ok()
    with at_most(WAIT_MS, "the rejected token"):
        assert cache.get().ok().value == token
    wait_until(lambda: cache.get().ok().value != token, within_s=5, what="another token")


def test_does_not_hammer_a_server_that_rejects_every_token(cache: Cache, mock_server: MockServer) -> None:
    for _ in range(ROUNDS):
        with at_most(WAIT_MS + REQUEST_MS, "a token"):
            token = cache.get().ok().value
        cache.invalidate(token).ok()

    # The first token and its replacement; three more after 100, 200 and 300 ms; the next is another 600 ms away.
    assert mock_server.token_requests() <= 6
