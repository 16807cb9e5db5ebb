"""Tests of the cookies of a 401, which are sent along with the second sending."""

from __future__ import annotations

from typing import Optional

import httpx
import pytest
import requests

import bankhub.httpx
import bankhub.requests
from bankhub import TokenCache
from bankhub._cookies import second_cookies
from support.mock_server import MockServer


@pytest.mark.parametrize(
    ("first", "set_cookies", "second"),
    [
        (None, [], None),
        ("a=1; b=2", [], "a=1; b=2"),
        (None, ["a=1"], "a=1"),
        ("a=1; b=2", ["c=3; Path=/; HttpOnly"], "a=1; b=2; c=3"),
        ("a=1; b=2", ["a=3"], "b=2; a=3"),
        ("b=2;a=1", ["b=3"], "a=1; b=3"),
        ("a=1; b=2", ["a=; Max-Age=0"], "b=2"),
        ("a=1", ["a=; Expires=Thu, 01 Jan 1970 00:00:00 GMT"], None),
        (None, ["a=1; Secure"], None),
        (None, ["a=1; Path=/v2"], None),
        (None, ["a=1; Domain=other.test"], None),
        (None, ["a=1", "b=2; Path=/"], "a=1; b=2"),
    ],
)
def test_adds_cookies(first: Optional[str], set_cookies: list[str], second: Optional[str]) -> None:
    url = "http://hub.test/v1/company"
    headers = [("Set-Cookie", cookie) for cookie in set_cookies]
    response = httpx.Response(401, headers=headers, request=httpx.Request("GET", url))
    assert second_cookies(url, first, set_cookies, response.cookies.jar) == second


def test_requests_keeps_cookies(tokens: TokenCache, mock_server: MockServer) -> None:
    with requests.Session() as session:
        session.auth = bankhub.requests.BankHubAuth(tokens)
        session.cookies.set("own", "0")
        response = session.get(f"{mock_server.url}/v1/mock/cookie?value=1", timeout=5)
        assert (response.status_code, response.text) == (200, "own=0; mock=1")
        assert session.cookies.get_dict() == {"own": "0", "mock": "1"}


def test_httpx_keeps_cookies(tokens: TokenCache, mock_server: MockServer) -> None:
    auth = bankhub.httpx.BankHubAuth(tokens)
    with httpx.Client(auth=auth, cookies={"own": "0"}) as client:
        request = client.build_request("GET", f"{mock_server.url}/v1/mock/cookie?value=1")
        response = client.send(request)
        assert (response.status_code, response.text) == (200, "own=0; mock=1")
        assert dict(client.cookies) == {"own": "0", "mock": "1"}
        assert request.headers["Cookie"] == "own=0", "the request of the program is as it was"
