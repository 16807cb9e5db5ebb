"""HTTP adapters: they send the token to its own origin only, and a 401 costs one new token and at most one retry."""

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
from .http_client import HttpClient

CALLS = 64
CHUNKS, EVERY_MS = 5, 100
LATENCY_MS = 200
"""The latency of a token request, so that many calls are rejected during a fetch."""
HANG_MS = 1_500
PROMPTLY_MS = 1_000

cannot_cancel = pytest.mark.all_but("c", "cpp", "requests", "httpx", because="only its timeout ends a call")

follows_redirects = pytest.mark.all_but("csharp", because="its handler leaves redirects to the program")


@pytest.fixture(params=["port", "host"])
def other_origin(request: pytest.FixtureRequest, mock_server: MockServer) -> Iterator[MockServer]:
    """A mock server of another origin: only its port differs, or only its host."""
    port = urllib.parse.urlsplit(mock_server.url).port
    assert port
    other = MockServer() if request.param == "port" else MockServer(address="127.0.0.2", port=port)
    yield other
    other.kill()


def resource(mock_server: MockServer, name: str) -> str:
    return f"{mock_server.url}/v1/{name}"


def test_sends_the_token(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "company")).status == 200
    reply = http_client.send(resource(mock_server, "mock/echo"), method="POST", text="a text")
    assert (reply.status, reply.body) == (200, "a text")
    assert mock_server.token_requests() == 1


def test_sends_a_token_of_any_visible_ascii(http_client: HttpClient, mock_server: MockServer) -> None:
    token = "".join(map(chr, range(0x21, 0x7F)))
    mock_server.respond(201, json.dumps({"code": 201, "access_token": token, "ttl": 60_000}))

    assert http_client.send(resource(mock_server, "company")).status == 401, "the mock server did not issue this token"

    request = mock_server.counters().last_resource_request
    assert request and request.headers["authorization"] == f"Bearer {token}"


def test_two_programs_fetch_two_tokens_without_a_store(
    http_client: HttpClient, mock_server: MockServer, store: dict[str, str]
) -> None:
    other = HttpClient(http_client.name, mock_server, **store)
    for program in (http_client, other):
        assert program.send(resource(mock_server, "company")).status == 200
    other.end()
    assert mock_server.token_requests() == (1 if store else 2)


def test_a_revocation_costs_one_token_request(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "company")).status == 200
    mock_server.revoke()
    mock_server.settings(latency_ms=LATENCY_MS)
    http_client.start(CALLS, resource(mock_server, "company"))
    assert [reply.status for reply in http_client.join()] == [200] * CALLS
    assert mock_server.token_requests() == 2


def test_four_revocations_in_a_row_fail_no_call(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "company")).status == 200
    for _ in range(4):
        http_client.start(CALLS, resource(mock_server, "company"))
        mock_server.revoke()
        assert [reply.status for reply in http_client.join()] == [200] * CALLS
        # Some calls may all have been answered before the revocation.
        assert http_client.send(resource(mock_server, "company")).status == 200
    assert mock_server.token_requests() == 5


def test_a_route_that_always_rejects_affects_no_other(http_client: HttpClient, mock_server: MockServer) -> None:
    rounds, calls = 3, 16
    for _ in range(rounds):
        http_client.start(calls, resource(mock_server, "mock/unauthorized"))
        http_client.start(calls, resource(mock_server, "company"))
        statuses = [reply.status for reply in http_client.join()]
        assert statuses == [401] * calls + [200] * calls
    counters = mock_server.counters()
    assert counters.unauthorized <= rounds * calls * 2, "a rejected call is repeated at most once"
    assert counters.resource_requests - counters.unauthorized == rounds * calls, "a call that succeeds is not repeated"
    # The first token, its replacement, and then one each after 0.1, 0.2, 0.3, 0.6, 1.2, 2.4 and 4.8 s.
    assert counters.token_requests <= 9


def test_reports_a_second_401(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "mock/unauthorized")).status == 401
    counters = mock_server.counters()
    assert (counters.resource_requests, counters.token_requests) == (2, 2)

    def replaced() -> bool:
        assert http_client.send(resource(mock_server, "company")).status == 200
        return mock_server.token_requests() == 3

    wait_until(replaced, within_s=5, what="the token of the repeated request is replaced")


def test_sends_a_repeatable_body_again(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "company")).status == 200
    mock_server.revoke()
    reply = http_client.send(resource(mock_server, "mock/echo"), method="POST", text="twice")
    assert (reply.status, reply.body) == (200, "twice")
    assert mock_server.counters().resource_requests == 3


def test_sends_the_cookies_of_a_401_along(http_client: HttpClient, mock_server: MockServer) -> None:
    reply = http_client.send(resource(mock_server, "mock/cookie?value=1"))
    assert (reply.status, reply.body) == (200, "mock=1")
    assert mock_server.counters().resource_requests == 2


def test_does_not_send_a_one_time_body_again(http_client: HttpClient, mock_server: MockServer) -> None:
    reply = http_client.send(resource(mock_server, "mock/echo"), method="POST", once="once")
    assert (reply.status, reply.body) == (200, "once")
    mock_server.revoke()
    assert http_client.send(resource(mock_server, "mock/echo"), method="POST", once="once").status == 401
    assert mock_server.counters().resource_requests == 2
    assert http_client.send(resource(mock_server, "company")).status == 200
    assert mock_server.token_requests() == 2


def test_sends_no_token_to_another_origin(
    http_client: HttpClient, mock_server: MockServer, other_origin: MockServer
) -> None:
    assert http_client.send(resource(other_origin, "company")).status == 401
    check_no_token(other_origin)
    assert mock_server.token_requests() == other_origin.token_requests() == 0


@follows_redirects
def test_sends_no_token_after_a_redirect_to_another_origin(
    http_client: HttpClient, mock_server: MockServer, other_origin: MockServer
) -> None:
    reply = http_client.send(resource(mock_server, f"mock/redirect?to={resource(other_origin, 'company')}"))
    assert reply.status == 401
    check_no_token(other_origin)
    assert http_client.send(resource(mock_server, "company")).status == 200
    assert mock_server.token_requests() == 1, "a 401 of another origin does not reject the token"


def check_no_token(mock_server: MockServer) -> None:
    request = mock_server.counters().last_resource_request
    assert request and "authorization" not in request.headers


@follows_redirects
def test_sends_the_token_after_a_redirect_within_the_origin(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, f"mock/redirect?to={resource(mock_server, 'company')}")).status == 200
    assert http_client.send(resource(mock_server, "mock/redirect?to=/v1/company")).status == 200


@follows_redirects
@pytest.mark.parametrize("status", [303, 307])
def test_does_not_repeat_a_redirected_request(http_client: HttpClient, mock_server: MockServer, status: int) -> None:
    path = f"mock/redirect?to=/v1/mock/unauthorized&status={status}"
    assert http_client.send(resource(mock_server, path), method="POST", text="once").status == 401
    assert mock_server.counters().resource_requests <= 3, "the redirect, and its target at most twice"


@pytest.mark.only("csharp", because=".NET follows redirects without the token, also within the origin")
def test_csharp_leaves_a_redirect_to_the_program(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "mock/redirect?to=/v1/company")).status == 307
    assert mock_server.counters().resource_requests == 1


@pytest.mark.all_but("c", "cpp", because="libcurl does not show the headers of a handle, so the program decides")
def test_keeps_the_programs_own_header(http_client: HttpClient, mock_server: MockServer) -> None:
    reply = http_client.ask("header", resource(mock_server, "company"), "Authorization", "Bearer own")
    request = mock_server.counters().last_resource_request
    assert reply.status == 401
    assert request and request.headers["authorization"] == "Bearer own"
    assert mock_server.counters().resource_requests == 1


def test_streams_a_download(http_client: HttpClient, mock_server: MockServer) -> None:
    reply = http_client.ask("download", resource(mock_server, f"mock/stream?chunks={CHUNKS}&every_ms={EVERY_MS}"))
    assert (reply.status, reply.number("length")) == (200, CHUNKS * len("chunk\n"))
    assert reply.number("spread_ms") >= EVERY_MS


def test_streams_an_upload(http_client: HttpClient, mock_server: MockServer) -> None:
    reply = http_client.ask("upload", CHUNKS, EVERY_MS, resource(mock_server, "mock/arrival"))
    assert reply.status == 200
    arrival = json.loads(reply.body)
    assert arrival["length"] == CHUNKS * len("chunk\n")
    assert arrival["spread_ms"] >= EVERY_MS


@cannot_cancel
@pytest.mark.parametrize("hanging", ["token", "resource"])
def test_cancels_a_call(http_client: HttpClient, mock_server: MockServer, hanging: str) -> None:
    path = "company"
    if hanging == "token":
        mock_server.settings(latency_ms=HANG_MS)
    else:
        path = f"mock/slow?ms={HANG_MS}"
    reply = http_client.ask("cancel", EVERY_MS, "GET", resource(mock_server, path))
    assert reply.number("cancelled") == 1
    assert reply.number("ms") < PROMPTLY_MS
    assert http_client.send(resource(mock_server, "company")).status == 200
    assert mock_server.token_requests() == 1, "the next call gets the token that the cancelled call requested"


def test_a_closed_cache_is_an_error(http_client: HttpClient, mock_server: MockServer) -> None:
    http_client.ask("close")
    assert "closed" in http_client.send(resource(mock_server, "company")).error
    assert mock_server.counters().resource_requests == 0


def test_an_endpoint_that_is_down_is_an_error(http_client: HttpClient, mock_server: MockServer) -> None:
    mock_server.respond(503)
    assert "unavailable" in http_client.send(resource(mock_server, "company")).error
    assert mock_server.counters().resource_requests == 0


def test_returns_the_401_if_no_other_token_can_be_fetched(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "company")).status == 200
    mock_server.credentials(enabled=False)
    mock_server.revoke()
    reply = http_client.send(resource(mock_server, "company"))
    assert (reply.status, reply.body) == (401, '{"code":401,"message":"Unauthenticated"}')
    assert mock_server.counters().resource_requests == 2


def test_returns_the_401_if_the_cache_is_closed_meanwhile(http_client: HttpClient, mock_server: MockServer) -> None:
    assert http_client.send(resource(mock_server, "company")).status == 200
    mock_server.revoke()
    mock_server.settings(latency_ms=HANG_MS)
    http_client.start(1, resource(mock_server, "company"))
    wait_until(lambda: mock_server.token_requests() == 2, within_s=5, what="the call waits for another token")
    http_client.ask("close")
    assert [reply.status for reply in http_client.join()] == [401]


@pytest.mark.parametrize("program", ["libcurl-c", "libcurl-cpp"])
def test_libcurl_example(require: Require, program: str, mock_server: MockServer) -> None:
    require(binary(BUILD / program))
    assert json.loads(run(BUILD / program, mock_server))["data"]["name"] == "MockServer company"


@pytest.mark.parametrize("program", ["test-cpp", "test-libcurl"])
def test_cpp_programs_pass(require: Require, program: str, mock_server: MockServer) -> None:
    require(binary(BUILD / program))
    assert " 0 failed" in run(BUILD / program, mock_server)


def run(program: Path, mock_server: MockServer) -> str:
    """Returns the standard output of the program."""
    environment = {
        **clean_environment(),
        **mock_server.environment,
    }
    return subprocess.run([program], env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout
