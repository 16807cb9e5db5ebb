"""Tests of the adapters for requests and httpx, except for what the conformance suite tests for all languages."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Iterator
from typing import Any, Optional

import httpx
import pytest
import requests

import bankhub.httpx
import bankhub.requests
from bankhub import TokenCache
from bankhub._origin import origin
from support.mock_server import MockServer

ECHO = "/v1/mock/echo"


@pytest.fixture
def rejected(tokens: TokenCache, mock_server: MockServer) -> Iterator[TokenCache]:
    """A cache whose token the API rejects from now on."""
    tokens.get()
    mock_server.revoke()
    yield tokens


def test_requests_rewinds_file(rejected: TokenCache, mock_server: MockServer) -> None:
    file = io.BytesIO(b"not this, but this")
    file.seek(10)
    response = requests.post(mock_server.url + ECHO, data=file, auth=bankhub.requests.BankHubAuth(rejected), timeout=5)
    assert (response.status_code, response.text) == (200, "but this")
    assert [earlier.status_code for earlier in response.history] == [401]


def test_requests_works_in_session(rejected: TokenCache, mock_server: MockServer) -> None:
    with requests.Session() as session:
        session.auth = bankhub.requests.BankHubAuth(rejected)
        assert [session.get(f"{mock_server.url}/v1/company", timeout=5).status_code for _ in range(3)] == [200] * 3
    assert mock_server.counters().resource_requests == 4


@pytest.mark.parametrize("client", [requests, httpx])
def test_keeps_rejected_response_in_history(rejected: TokenCache, mock_server: MockServer, client: Any) -> None:
    adapter = {requests: bankhub.requests, httpx: bankhub.httpx}[client]
    response = client.get(f"{mock_server.url}/v1/company", auth=adapter.BankHubAuth(rejected), timeout=5)
    assert [earlier.json()["code"] for earlier in response.history] == [401]


def test_httpx_does_not_resend_files(rejected: TokenCache, mock_server: MockServer) -> None:
    files = {"file": io.BytesIO(b"text")}
    response = httpx.post(mock_server.url + ECHO, files=files, auth=bankhub.httpx.BankHubAuth(rejected))
    assert response.status_code == 401
    assert mock_server.counters().resource_requests == 1


def test_httpx_restores_request(rejected: TokenCache, mock_server: MockServer) -> None:
    with httpx.Client(auth=bankhub.httpx.BankHubAuth(rejected)) as client:
        request = client.build_request("GET", f"{mock_server.url}/v1/company")
        for _ in range(2):
            assert client.send(request).status_code == 200
            assert "Authorization" not in request.headers


@pytest.mark.parametrize("rejection", [1, 2])
def test_reports_second_rejection(tokens: TokenCache, mock_server: MockServer, rejection: int) -> None:
    url = f"{mock_server.url}/v1/mock/unauthorized"
    adapters = {
        1: lambda: requests.get(url, auth=bankhub.requests.BankHubAuth(tokens), timeout=5).status_code,
        2: lambda: httpx.get(url, auth=bankhub.httpx.BankHubAuth(tokens)).status_code,
    }
    assert adapters[rejection]() == 401
    assert tokens.stats().rejections == 2


class Fake:
    """What a user's test may pass instead of a cache."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.rejected: list[str] = []

    def get(self, timeout: Optional[float] = None) -> str:
        return f"token{len(self.rejected)}"

    async def aget(self, timeout: Optional[float] = None) -> str:
        return self.get(timeout)

    def invalidate(self, token: str) -> None:
        self.rejected.append(token)


@pytest.mark.parametrize("adapter", ["requests", "httpx", "httpx-async"])
def test_accepts_fake(mock_server: MockServer, adapter: str) -> None:
    fake = Fake(mock_server.url)
    assert get(f"{mock_server.url}/v1/company", adapter, fake) == 401
    assert fake.rejected == ["token0", "token1"]


@pytest.mark.parametrize(
    ("timeout", "get_timeout", "waits"),
    [
        (0.2, None, 0.2),
        (httpx.Timeout(0.1, read=0.3), None, 0.3),
        (None, 0.2, 0.2),
        (httpx.Timeout(0.1, pool=None), 0.3, 0.3),
        (5, 0.2, 0.2),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_httpx_timeout_ends_wait(
    mock_server: MockServer, timeout: Any, get_timeout: Optional[float], waits: float, is_async: bool
) -> None:
    mock_server.settings(latency_ms=10_000)
    credentials = mock_server.client_id, mock_server.client_secret
    with TokenCache(*credentials, base_url=mock_server.url, get_timeout=get_timeout) as tokens:
        start = time.monotonic()
        with pytest.raises(bankhub.DeadlineExceeded):
            get(f"{mock_server.url}/v1/company", "httpx-async" if is_async else "httpx", tokens, timeout=timeout)
        assert waits <= time.monotonic() - start < waits + 1


def test_httpx_timeout_ends_wait_after_401(rejected: TokenCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=10_000)
    start = time.monotonic()
    assert get(f"{mock_server.url}/v1/company", "httpx", rejected, timeout=0.5) == 401
    assert time.monotonic() - start < 2


def get(url: str, adapter: str, tokens: Any, **options: Any) -> int:
    async def aget() -> int:
        async with httpx.AsyncClient(auth=bankhub.httpx.BankHubAuth(tokens)) as client:
            return (await client.get(url, **options)).status_code

    if adapter == "requests":
        return requests.get(url, auth=bankhub.requests.BankHubAuth(tokens), timeout=5).status_code
    if adapter == "httpx":
        return httpx.get(url, auth=bankhub.httpx.BankHubAuth(tokens), **options).status_code
    return asyncio.run(aget())


@pytest.mark.parametrize("adapter", ["requests", "httpx", "httpx-async"])
@pytest.mark.parametrize("status", [303, 307])
def test_does_not_repeat_redirect(tokens: TokenCache, mock_server: MockServer, adapter: str, status: int) -> None:
    url = f"{mock_server.url}/v1/mock/redirect?to=/v1/mock/unauthorized&status={status}"

    async def post() -> int:
        auth = bankhub.httpx.BankHubAuth(tokens)
        async with httpx.AsyncClient(auth=auth, follow_redirects=True) as client:
            return (await client.post(url, content="text")).status_code

    if adapter == "requests":
        got = requests.post(url, data="text", auth=bankhub.requests.BankHubAuth(tokens), timeout=5).status_code
    elif adapter == "httpx":
        auth = bankhub.httpx.BankHubAuth(tokens)
        got = httpx.post(url, content="text", auth=auth, follow_redirects=True).status_code
    else:
        got = asyncio.run(post())
    assert got == 401
    assert mock_server.counters().resource_requests == 3, "the redirect is sent once, its target twice"


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://hub.test/v1/company", True),
        ("https://HUB.test:443", True),
        ("HTTPS://hub.test", True),
        ("https://user@hub.test", True),
        ("http://hub.test", False),
        ("https://hub.test:8443", False),
        ("https://hub.test.evil.test", False),
        ("https://hub.test@evil.test", False),
    ],
)
def test_compares_origins(url: str, same: bool) -> None:
    assert (origin(url) == origin("https://hub.test")) == same
