"""HTTP adapters: the token goes along, to its own origin alone, and a 401 costs one new token and at most one retry."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.languages import BUILD, binary, clean_environment
from support.mock_server import MockServer
from support.waiting import wait_until

from .conftest import Require
from .http_client import Caller

CALLS = 64
CHUNKS, EVERY_MS = 5, 100
LATENCY_MS = 200
"""Of a token, so that many calls are rejected while one is fetched."""
HANG_MS = 1_500
PROMPTLY_MS = 1_000

cannot_cancel = pytest.mark.but("c", "cpp", "requests", "httpx", because="its calls end by their timeouts alone")

follows_redirects = pytest.mark.but("csharp", because="a handler of its own follows none, see the next scenario")


@pytest.fixture(params=["port", "host"])
def elsewhere(request: pytest.FixtureRequest, mock_server: MockServer) -> Iterator[MockServer]:
    """Another origin: only its port differs, or only its host."""
    port = urllib.parse.urlsplit(mock_server.url).port
    assert port
    other = MockServer() if request.param == "port" else MockServer(address="127.0.0.2", port=port)
    yield other
    other.kill()


def resource(mock_server: MockServer, name: str) -> str:
    return f"{mock_server.url}/v1/{name}"


def test_the_token_goes_along(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, "company")).status == 200
    answer = caller.send(resource(mock_server, "mock/echo"), method="POST", text="a text")
    assert (answer.status, answer.body) == (200, "a text")
    assert mock_server.token_requests() == 1


def test_two_programs_are_two_unless_they_share_a_store(
    caller: Caller, mock_server: MockServer, store: dict[str, str]
) -> None:
    other = Caller(caller.name, mock_server, **store)
    for program in (caller, other):
        assert program.send(resource(mock_server, "company")).status == 200
    other.end()
    assert mock_server.token_requests() == (1 if store else 2)


def test_a_revocation_costs_one_token_and_no_call(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, "company")).status == 200
    mock_server.revoke()
    mock_server.settings(latency_ms=LATENCY_MS)
    caller.start(CALLS, resource(mock_server, "company"))
    assert [answer.status for answer in caller.join()] == [200] * CALLS
    assert mock_server.token_requests() == 2


def test_a_route_that_always_rejects_harms_no_other(caller: Caller, mock_server: MockServer) -> None:
    rounds, calls = 3, 16
    for _ in range(rounds):
        caller.start(calls, resource(mock_server, "mock/unauthorized"))
        caller.start(calls, resource(mock_server, "company"))
        statuses = [answer.status for answer in caller.join()]
        assert statuses == [401] * calls + [200] * calls
    counters = mock_server.counters()
    assert counters.unauthorized <= rounds * calls * 2, "a rejected call is repeated once at most"
    assert counters.resource_requests - counters.unauthorized == rounds * calls, "a healthy one never"
    # The first token, its replacement, and then one after 1 s, 2 s and 4 s.
    assert counters.token_requests <= 5


def test_a_second_401_is_reported_too(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, "mock/unauthorized")).status == 401
    counters = mock_server.counters()
    assert (counters.resource_requests, counters.token_requests) == (2, 2)

    def replaced() -> bool:
        assert caller.send(resource(mock_server, "company")).status == 200
        return mock_server.token_requests() == 3

    wait_until(replaced, within_s=5, what="the token of the repeated request is replaced, too")


def test_a_body_that_can_be_sent_again_is(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, "company")).status == 200
    mock_server.revoke()
    answer = caller.send(resource(mock_server, "mock/echo"), method="POST", text="twice")
    assert (answer.status, answer.body) == (200, "twice")
    assert mock_server.counters().resource_requests == 3


def test_a_body_that_cannot_be_sent_again_is_not(caller: Caller, mock_server: MockServer) -> None:
    answer = caller.send(resource(mock_server, "mock/echo"), method="POST", once="once")
    assert (answer.status, answer.body) == (200, "once")
    mock_server.revoke()
    assert caller.send(resource(mock_server, "mock/echo"), method="POST", once="once").status == 401
    assert mock_server.counters().resource_requests == 2
    assert caller.send(resource(mock_server, "company")).status == 200
    assert mock_server.token_requests() == 2


def test_another_origin_gets_no_token(caller: Caller, mock_server: MockServer, elsewhere: MockServer) -> None:
    assert caller.send(resource(elsewhere, "company")).status == 401
    check_no_token(elsewhere)
    assert mock_server.token_requests() == elsewhere.token_requests() == 0


@follows_redirects
def test_a_redirect_to_another_origin_carries_no_token(
    caller: Caller, mock_server: MockServer, elsewhere: MockServer
) -> None:
    answer = caller.send(resource(mock_server, f"mock/redirect?to={resource(elsewhere, 'company')}"))
    assert answer.status == 401
    check_no_token(elsewhere)
    assert caller.send(resource(mock_server, "company")).status == 200
    assert mock_server.token_requests() == 1, "its 401 says nothing of the token"


def check_no_token(mock_server: MockServer) -> None:
    seen = mock_server.counters().last_resource_request
    assert seen and "authorization" not in seen.headers


@follows_redirects
def test_a_redirect_within_the_origin_carries_it(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, f"mock/redirect?to={resource(mock_server, 'company')}")).status == 200
    assert caller.send(resource(mock_server, "mock/redirect?to=/v1/company")).status == 200


@follows_redirects
@pytest.mark.parametrize("status", [303, 307])
def test_what_was_redirected_is_not_sent_again(caller: Caller, mock_server: MockServer, status: int) -> None:
    path = f"mock/redirect?to=/v1/mock/unauthorized&status={status}"
    assert caller.send(resource(mock_server, path), method="POST", text="once").status == 401
    assert mock_server.counters().resource_requests <= 3, "the redirect, and at most twice what it leads to"


@pytest.mark.only("csharp", because=".NET follows redirects without the token, also within the origin")
def test_a_redirect_is_the_callers(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, "mock/redirect?to=/v1/company")).status == 307
    assert mock_server.counters().resource_requests == 1


@pytest.mark.but("c", "cpp", because="libcurl does not tell what headers a handle has, so the program decides")
def test_the_callers_own_header_is_left_alone(caller: Caller, mock_server: MockServer) -> None:
    answer = caller.ask("header", resource(mock_server, "company"), "Authorization", "Bearer own")
    seen = mock_server.counters().last_resource_request
    assert answer.status == 401
    assert seen and seen.headers["authorization"] == "Bearer own"
    assert mock_server.counters().resource_requests == 1


def test_a_body_is_received_as_it_comes(caller: Caller, mock_server: MockServer) -> None:
    answer = caller.ask("download", resource(mock_server, f"mock/stream?chunks={CHUNKS}&every_ms={EVERY_MS}"))
    assert (answer.status, answer.number("length")) == (200, CHUNKS * len("chunk\n"))
    assert answer.number("spread_ms") >= EVERY_MS


def test_a_body_is_sent_as_it_comes(caller: Caller, mock_server: MockServer) -> None:
    answer = caller.ask("upload", CHUNKS, EVERY_MS, resource(mock_server, "mock/arrival"))
    assert answer.status == 200
    arrived = json.loads(answer.body)
    assert arrived["length"] == CHUNKS * len("chunk\n")
    assert arrived["spread_ms"] >= EVERY_MS


@cannot_cancel
@pytest.mark.parametrize("hanging", ["token", "resource"])
def test_a_cancelled_call_ends(caller: Caller, mock_server: MockServer, hanging: str) -> None:
    path = "company"
    if hanging == "token":
        mock_server.settings(latency_ms=HANG_MS)
    else:
        path = f"mock/slow?ms={HANG_MS}"
    answer = caller.ask("cancel", EVERY_MS, "GET", resource(mock_server, path))
    assert answer.number("cancelled") == 1
    assert answer.number("ms") < PROMPTLY_MS
    assert caller.send(resource(mock_server, "company")).status == 200
    assert mock_server.token_requests() == 1, "the next call has the token that the cancelled one asked for"


def test_a_closed_cache_is_the_callers_error(caller: Caller, mock_server: MockServer) -> None:
    caller.ask("close")
    assert "closed" in caller.send(resource(mock_server, "company")).error
    assert mock_server.counters().resource_requests == 0


def test_an_endpoint_that_is_down_is_the_callers_error(caller: Caller, mock_server: MockServer) -> None:
    mock_server.answer(503)
    assert "unavailable" in caller.send(resource(mock_server, "company")).error
    assert mock_server.counters().resource_requests == 0


def test_a_401_is_the_callers_where_no_other_token_can_be_had(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, "company")).status == 200
    mock_server.credentials(enabled=False)
    mock_server.revoke()
    answer = caller.send(resource(mock_server, "company"))
    assert (answer.status, answer.body) == (401, '{"code":401,"message":"Unauthenticated"}')
    assert mock_server.counters().resource_requests == 2


def test_a_401_is_the_callers_where_the_cache_is_closed_meanwhile(caller: Caller, mock_server: MockServer) -> None:
    assert caller.send(resource(mock_server, "company")).status == 200
    mock_server.revoke()
    mock_server.settings(latency_ms=HANG_MS)
    caller.start(1, resource(mock_server, "company"))
    wait_until(lambda: mock_server.token_requests() == 2, within_s=5, what="the call waits for another token")
    caller.ask("close")
    assert [answer.status for answer in caller.join()] == [401]


@pytest.mark.parametrize("program", ["libcurl-c", "libcurl-cpp"])
def test_the_example_for_libcurl(require: Require, program: str, mock_server: MockServer) -> None:
    require(binary(BUILD / program))
    assert json.loads(run(BUILD / program, mock_server))["data"]["name"] == "MockServer company"


@pytest.mark.parametrize("program", ["test-cpp", "test-libcurl"])
def test_what_cpp_and_libcurl_add(require: Require, program: str, mock_server: MockServer) -> None:
    require(binary(BUILD / program))
    assert " 0 failed" in run(BUILD / program, mock_server)


def run(program: Path, mock_server: MockServer) -> str:
    """What it prints, on its standard output."""
    environment = {
        **clean_environment(),
        **mock_server.environment,
    }
    return subprocess.run([program], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout
