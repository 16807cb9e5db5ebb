"""Getting a token: which calls send a request, which calls wait, and how long."""

from __future__ import annotations

import base64
import socket
import time

import pytest

from support.driver_process import Cache, Driver, Status
from support.languages import version
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer
from support.waiting import Stopwatch, at_most, wait_until

from .conftest import NewCache

takes_long = pytest.mark.with_a_store("c", because="it waits for seconds, and tests the core alone")

TTL_S = 60_000
PROMPT_MS = 400
"""The longest time of a call that does not wait, on a busy machine."""


def test_first_get_sends_the_documented_request(cache: Cache, mock_server: MockServer) -> None:
    assert mock_server.token_requests() == 0, "a cache sends no request before the first call"

    token = cache.get().ok().value

    counters = mock_server.counters()
    assert counters.token_requests == 1
    request = counters.last_token_request
    assert request is not None
    assert (request.method, request.path) == ("POST", "/v1/token")
    assert (
        request.headers["authorization"]
        == "Basic " + base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
    )
    assert request.headers["user-agent"] == f"bankhub/{version()}"
    assert request.headers["host"] == mock_server.address
    assert request.body_length == 0
    assert mock_server.resource(token) == 200


def test_token_has_generation_and_expires_at(cache: Cache, mock_server: MockServer) -> None:
    before = time.time()
    token = cache.token().ok()

    assert token.generation > 0
    assert int(before) + TTL_S <= token.expires_at <= time.time() + TTL_S
    assert token.value == cache.get().ok().value
    assert cache.generation() == token.generation


@takes_long
def test_ttl_counts_from_when_the_request_was_sent(cache: Cache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=2500)
    before = time.time()
    token = cache.token().ok()

    assert token.expires_at <= before + TTL_S + 1 < time.time() + TTL_S


def test_second_get_sends_no_request(cache: Cache, mock_server: MockServer) -> None:
    first = cache.token().ok()
    for _ in range(5):
        assert cache.get().ok().value == first.value
        assert cache.token().ok() == first
        assert cache.get(timeout=0).ok().value == first.value
    assert mock_server.token_requests() == 1


def test_generation_of_an_empty_cache_is_zero(cache: Cache) -> None:
    assert cache.generation() == 0


def test_64_threads_on_an_empty_cache_send_one_request(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=300)
    cache.start(64)
    replies = driver.join()

    assert len({reply.ok().value for reply in replies}) == 1
    assert mock_server.token_requests() == 1


def test_64_threads_on_a_full_cache_send_no_request(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    token = cache.get().ok().value
    cache.start(64)

    assert {reply.ok().value for reply in driver.join()} == {token}
    assert mock_server.token_requests() == 1


def test_two_caches_fetch_two_tokens_without_a_store(
    new_cache: NewCache, mock_server: MockServer, store: dict[str, str]
) -> None:
    tokens = {new_cache().get().ok().value for _ in range(2)}

    assert len(tokens) == mock_server.token_requests() == (1 if store else 2)


def test_timeout_0_starts_a_fetch_without_waiting(cache: Cache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=700)
    with at_most(PROMPT_MS, "get with timeout 0"):
        error = cache.get(timeout=0).expect(Status.DEADLINE)
    assert error.http_status == 0
    assert cache.stats().ok().number("fetching") == 1

    cache.get().ok()
    assert mock_server.token_requests() == 1


def test_timeout_ends_the_wait_but_not_the_fetch(cache: Cache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=700)
    elapsed_ms = Stopwatch()
    cache.get(timeout=150).expect(Status.DEADLINE)
    assert 150 <= elapsed_ms() <= 150 + PROMPT_MS

    cache.get(timeout=5000).ok()
    assert mock_server.token_requests() == 1


def test_timeout_names_the_last_failure(cache: Cache, mock_server: MockServer) -> None:
    mock_server.respond(503)
    cache.get(timeout=0).expect(Status.DEADLINE)
    wait_until(lambda: cache.stats().ok().number("failures") > 0, within_s=5, what="a failed request")

    error = cache.get(timeout=0).expect(Status.DEADLINE)
    assert "503" in error.message


def test_uses_the_configured_get_timeout(new_cache: NewCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=700)
    cache = new_cache(get_timeout_ms=150)
    elapsed_ms = Stopwatch()
    cache.get().expect(Status.DEADLINE)
    assert 150 <= elapsed_ms() <= 150 + PROMPT_MS


def test_each_caller_has_its_own_deadline(cache: Cache, driver: Driver, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=800)
    cache.start(8, timeout=100)
    cache.start(8, timeout=5000)
    replies = driver.join()

    assert [reply.status for reply in replies] == [Status.DEADLINE] * 8 + [Status.OK] * 8
    assert mock_server.token_requests() == 1


def test_a_slow_server_is_unavailable(new_cache: NewCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=5000)
    cache = new_cache(request_timeout_ms=200)
    with at_most(3000, "get"):
        error = cache.get().expect(Status.UNAVAILABLE)
    assert error.http_status == 0
    assert error.retry_after_ms > 0
    assert 1 <= mock_server.token_requests() <= 3


def test_a_closed_port_is_unavailable(new_cache: NewCache) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]

    error = new_cache(base_url=f"http://127.0.0.1:{port}").get().expect(Status.UNAVAILABLE)
    assert "127.0.0.1" in error.message, "an operator wants to know which host could not be reached"
    assert error.http_status == 0


def test_an_unknown_host_is_unavailable(new_cache: NewCache) -> None:
    cache = new_cache(base_url="https://bankhub.invalid", proxy="", request_timeout_ms=1000)
    error = cache.get().expect(Status.UNAVAILABLE)
    assert "bankhub.invalid" in error.message
    assert error.http_status == 0


@pytest.mark.parametrize(
    "client_id, client_secret",
    [
        pytest.param("id", "with:colons:in:it", id="colons-in-the-secret"),
        pytest.param("khách-hàng", "mật-khẩu-bí-mật", id="utf-8"),
        pytest.param("a b%2B+/=", 'q"uo\\te &amp; %41', id="punctuation"),
        pytest.param("i" * 300, "s" * 300, id="long"),
    ],
)
def test_sends_credentials_unchanged(new_cache: NewCache, client_id: str, client_secret: str) -> None:
    mock_server = MockServer(client_id=client_id, client_secret=client_secret)
    try:
        new_cache(client_id=client_id, client_secret=client_secret, base_url=mock_server.url).get().ok()
        request = mock_server.counters().last_token_request
    finally:
        mock_server.kill()
    assert request is not None
    basic = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    assert request.headers["authorization"] == f"Basic {basic}"


def test_ignores_a_slash_at_the_end_of_base_url(new_cache: NewCache, mock_server: MockServer) -> None:
    new_cache(base_url=f"{mock_server.url}/").get().ok()

    request = mock_server.counters().last_token_request
    assert request is not None and request.path == "/v1/token"


@takes_long
def test_refreshes_in_the_background(cache: Cache, mock_server: MockServer) -> None:
    mock_server.settings(ttl=3)
    first = cache.token().ok()
    mock_server.settings(latency_ms=600)

    def refreshed() -> bool:
        with at_most(PROMPT_MS, "get during a refresh"):
            return cache.get().ok().value != first.value

    wait_until(refreshed, within_s=5, what="the refreshed token")
    second = cache.token().ok()
    assert second.generation > first.generation
    assert mock_server.token_requests() == 2


@takes_long
def test_generation_starts_a_due_refresh(cache: Cache, mock_server: MockServer) -> None:
    mock_server.settings(ttl=3)
    first = cache.token().ok().generation

    wait_until(lambda: cache.generation() not in (0, first), within_s=5, what="another generation")
    assert mock_server.token_requests() == 2


@takes_long
def test_serves_a_valid_token_while_refresh_fails(cache: Cache, mock_server: MockServer) -> None:
    mock_server.settings(ttl=3)
    token = cache.token().ok()
    mock_server.respond(503)
    served_after_failure = False

    def ended() -> bool:
        nonlocal served_after_failure
        failed = mock_server.token_requests() > 1
        called_at = time.time()
        reply = cache.get(timeout=0)
        if reply.status == Status.OK:
            assert reply.value == token.value
            assert called_at < token.expires_at + 1, "an expired token was served"
            assert mock_server.resource(reply.value) == 200, "a token that a resource rejects was served"
            served_after_failure |= failed
        else:
            assert reply.status in (Status.UNAVAILABLE, Status.DEADLINE)
        return reply.status != Status.OK

    wait_until(ended, within_s=6, what="the end of the token")
    assert served_after_failure
    assert cache.generation() == 0


@takes_long
def test_replaces_an_expired_token(cache: Cache, mock_server: MockServer) -> None:
    mock_server.settings(ttl=1)
    first = cache.token().ok()
    # stats, unlike get and generation, starts no refresh.
    wait_until(lambda: cache.stats().ok().generation == 0, within_s=3, what="the end of the token")

    assert cache.get().ok().value != first.value
    assert cache.token().ok().generation > first.generation
    assert mock_server.token_requests() == 2
