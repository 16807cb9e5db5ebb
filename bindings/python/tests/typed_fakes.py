"""A user's fakes of a cache. test_typing.py has mypy check them, and the step `pyright` of `make test` has pyright."""

from __future__ import annotations

from typing import Optional, Union

import httpx
import requests

import bankhub
import bankhub.httpx
import bankhub.requests


class Fake:
    base_url = "http://api.test"

    def get(self, timeout: Optional[float] = None) -> str:
        return "token"

    def invalidate(self, token: str) -> None:
        pass


class AsyncFake(Fake):
    async def aget(self, timeout: Optional[float] = None) -> str:
        raise bankhub.Unavailable("the server is down", retry_after=1.5)


def first_header(tokens: Union[bankhub.TokenCache, Fake]) -> str:
    source: bankhub.TokenSource = tokens
    return "Bearer " + source.get()


def clients(tokens: Union[bankhub.TokenCache, AsyncFake]) -> None:
    source: bankhub.AsyncTokenSource = tokens
    requests.Session().auth = bankhub.requests.BankHubAuth(source)
    httpx.Client(auth=bankhub.httpx.BankHubAuth(tokens))
    httpx.AsyncClient(auth=bankhub.httpx.BankHubAuth(source))


bankhub.requests.BankHubAuth(Fake())
# A type checker must refuse these.
bankhub.requests.BankHubAuth("token")  # type: ignore[arg-type]
bankhub.httpx.BankHubAuth(Fake())  # type: ignore[arg-type]
