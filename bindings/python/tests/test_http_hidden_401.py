"""Tests of the adapters where something of the program's own hides a 401, or makes an exception of it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Callable, Optional

import httpx
import httpx_retries
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

import bankhub.httpx
import bankhub.requests
from bankhub import TokenCache
from support.mock_server import MockServer

CALLS = 10


@pytest.fixture
def rejected(tokens: TokenCache, mock_server: MockServer) -> Iterator[TokenCache]:
    """A cache whose token the API rejects from now on."""
    tokens.get()
    mock_server.revoke()
    yield tokens


def raise_for_status(response: Any) -> None:
    """The event hook of httpx's documentation."""
    response.raise_for_status()


def raise_own_error(response: httpx.Response) -> None:
    if response.status_code == 401:
        raise PermissionError("not with this token")


def raise_from_itself(response: httpx.Response) -> None:
    try:
        response.raise_for_status()
    except httpx.HTTPStatusError as error:
        raise error from error


class RaisingTransport(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if response.status_code == 401:
            response.close()
            raise PermissionError("not with this token")
        return response


class RewritingTransport(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        response = super().handle_request(request)
        if response.status_code == 401:
            response.close()
            return httpx.Response(502)
        return response


def hooks(*functions: Callable[..., Any]) -> dict[str, Any]:
    return {"event_hooks": {"response": list(functions)}}


def retries() -> httpx_retries.Retry:
    return httpx_retries.Retry(total=1, backoff_factor=0, status_forcelist=[401])


@pytest.mark.parametrize(
    ("options", "failures"),
    [
        pytest.param(hooks(raise_for_status), 1, id="hook"),
        pytest.param(hooks(raise_own_error), 1, id="own error"),
        pytest.param(hooks(raise_from_itself), 1, id="error is its own cause"),
        pytest.param({"transport": RaisingTransport()}, 1, id="transport raises"),
        pytest.param({"transport": RewritingTransport()}, 1, id="transport rewrites"),
        pytest.param({"transport": httpx_retries.RetryTransport(retry=retries())}, 0, id="transport retries"),
    ],
)
def test_httpx_reports_token(
    rejected: TokenCache, mock_server: MockServer, options: dict[str, Any], failures: int
) -> None:
    auth = bankhub.httpx.BankHubAuth(rejected)
    with httpx.Client(auth=auth, base_url=mock_server.url, **options) as client:
        statuses = [status_of(lambda: client.get("/v1/company")) for _ in range(CALLS)]
    assert statuses == [None] * failures + [200] * (CALLS - failures)
    assert rejected.stats().rejections == 1
    assert mock_server.token_requests() == 2


@pytest.mark.parametrize("hook", [raise_for_status, raise_own_error])
def test_httpx_async_reports_token(
    rejected: TokenCache, mock_server: MockServer, hook: Callable[[httpx.Response], None]
) -> None:
    async def async_hook(response: httpx.Response) -> None:
        hook(response)

    async def calls() -> list[Optional[int]]:
        auth = bankhub.httpx.BankHubAuth(rejected)
        async with httpx.AsyncClient(auth=auth, base_url=mock_server.url, **hooks(async_hook)) as client:
            replies = [await asyncio.gather(client.get("/v1/company"), return_exceptions=True) for _ in range(CALLS)]
        return [reply.status_code if isinstance(reply, httpx.Response) else None for [reply] in replies]

    assert asyncio.run(calls()) == [None] + [200] * (CALLS - 1)
    assert rejected.stats().rejections == 1


def test_httpx_reports_token_without_connection(tokens: TokenCache) -> None:
    def respond(request: httpx.Request) -> httpx.Response:
        return httpx.Response(401)

    async def async_hook(response: httpx.Response) -> None:
        response.raise_for_status()

    async def call() -> Optional[int]:
        async with httpx.AsyncClient(auth=auth, transport=httpx.MockTransport(respond), **hooks(async_hook)) as client:
            [reply] = await asyncio.gather(client.get(tokens.base_url), return_exceptions=True)
            return reply.status_code if isinstance(reply, httpx.Response) else None

    auth = bankhub.httpx.BankHubAuth(tokens)
    with httpx.Client(auth=auth, transport=httpx.MockTransport(respond), **hooks(raise_for_status)) as client:
        assert status_of(lambda: client.get(tokens.base_url)) is None
    assert tokens.stats().rejections == 1
    assert asyncio.run(call()) is None
    assert tokens.stats().rejections == 2


def test_httpx_does_not_report_token_to_other_origin(tokens: TokenCache, mock_server: MockServer) -> None:
    other = MockServer()
    url = f"{mock_server.url}/v1/mock/redirect?to={other.url}/v1/company"
    options = hooks(raise_own_error)
    with httpx.Client(auth=bankhub.httpx.BankHubAuth(tokens), follow_redirects=True, **options) as client:
        assert status_of(lambda: client.get(url)) is None
    assert (tokens.stats().rejections, tokens.stats().ignored_rejections) == (0, 0)
    other.kill()


def test_httpx_leaves_extensions_alone(rejected: TokenCache, mock_server: MockServer) -> None:
    events: list[str] = []
    extensions = {"trace": lambda event, info: events.append(event)}
    with httpx.Client(auth=bankhub.httpx.BankHubAuth(rejected)) as client:
        request = client.build_request("GET", f"{mock_server.url}/v1/company", extensions=extensions)
        before = dict(request.extensions)
        assert client.send(request).status_code == 200
    assert request.extensions == before
    assert events.count("http11.send_request_headers.started") == 2


@pytest.mark.parametrize("total", [0, 2])
@pytest.mark.parametrize("raise_on_status", [True, False])
def test_requests_sends_again_after_retries(
    rejected: TokenCache, mock_server: MockServer, total: int, raise_on_status: bool
) -> None:
    retry = Retry(total, status_forcelist=[401, 503], raise_on_status=raise_on_status)
    with session(rejected, HTTPAdapter(max_retries=retry)) as client:
        assert [client.get(f"{mock_server.url}/v1/company", timeout=5).status_code for _ in range(CALLS)] == [200] * 10
        assert client.post(f"{mock_server.url}/v1/mock/echo", data="text", timeout=5).text == "text"
    assert mock_server.counters().resource_requests == (total or 0) + 1 + CALLS + 1
    assert rejected.stats().rejections == 1


class RaisingAdapter(HTTPAdapter):
    def send(self, *arguments: Any, **options: Any) -> requests.Response:
        response = super().send(*arguments, **options)
        response.raise_for_status()
        return response


@pytest.mark.parametrize("adapter", [HTTPAdapter(), RaisingAdapter()])
def test_requests_sends_again_despite_raise_for_status(
    rejected: TokenCache, mock_server: MockServer, adapter: HTTPAdapter
) -> None:
    with session(rejected, adapter) as client:
        client.hooks["response"].append(lambda response, **_: response.raise_for_status())
        response = client.get(f"{mock_server.url}/v1/company", timeout=5)
    assert [response.status_code, *(earlier.status_code for earlier in response.history)] == [200, 401]


@pytest.mark.parametrize("raise_on_status", [True, False])
def test_requests_reports_second_rejection_after_retries(
    tokens: TokenCache, mock_server: MockServer, raise_on_status: bool
) -> None:
    retry = Retry(1, status_forcelist=[401], raise_on_status=raise_on_status)
    with session(tokens, HTTPAdapter(max_retries=retry)) as client:
        expected = None if raise_on_status else 401
        assert status_of(lambda: client.get(f"{mock_server.url}/v1/mock/unauthorized", timeout=5)) == expected
    assert (tokens.stats().rejections, tokens.stats().ignored_rejections) == (2, 0)
    assert mock_server.counters().resource_requests == 4


def test_requests_asks_once_for_another_token(rejected: TokenCache, mock_server: MockServer) -> None:
    mock_server.credentials(enabled=False)
    with session(rejected, HTTPAdapter()) as client:
        assert client.get(f"{mock_server.url}/v1/company", timeout=5).status_code == 401
    assert (rejected.stats().rejections, rejected.stats().ignored_rejections) == (1, 0)


def test_requests_without_auth_are_unchanged(mock_server: MockServer) -> None:
    with requests.Session() as client:
        client.mount("http://", HTTPAdapter(max_retries=Retry(0, status_forcelist=[401])))
        with pytest.raises(requests.exceptions.RetryError, match="too many 401"):
            client.get(f"{mock_server.url}/v1/company", timeout=5)
    assert mock_server.counters().resource_requests == 1


@pytest.mark.parametrize("hooks", [None, {}, {"response": lambda response, **_: response}])
def test_requests_takes_hooks_as_requests_does(mock_server: MockServer, hooks: Any) -> None:
    with requests.Session() as client:
        request = client.prepare_request(requests.Request("GET", f"{mock_server.url}/v1/company"))
        request.hooks = hooks
        assert client.send(request, timeout=5).status_code == 401


def session(tokens: TokenCache, adapter: HTTPAdapter) -> requests.Session:
    client = requests.Session()
    client.auth = bankhub.requests.BankHubAuth(tokens)
    client.mount("http://", adapter)
    return client


def status_of(call: Callable[[], Any]) -> Optional[int]:
    """None if the call raises what a program or a library makes of a 401."""
    try:
        status: int = call().status_code
    except (httpx.HTTPStatusError, requests.RequestException, PermissionError):
        return None
    return status if status != 502 else None
