"""Authenticates httpx with a token cache: `httpx.Client(auth=BankHubAuth(cache))`, or an AsyncClient.

Takes `bankhub[httpx]`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator

import httpx

from ._errors import BankHubError
from ._origin import origin
from ._token_cache import TokenCache


class BankHubAuth(httpx.Auth):
    """Adds the token to requests that go to the cache's origin, and to no others. For any number of threads or tasks.

    A request that is answered 401 is sent once more if there is another token and its body can be sent again: bytes,
    text, JSON or a form, not a stream and not files. Otherwise, and the second time, the 401 is the caller's. Of a
    redirect, only the request that was rejected is sent again.

    A request for which there is no token raises the BankHubError. One with an Authorization header is left alone.
    """

    def __init__(self, cache: TokenCache) -> None:
        self._cache = cache
        self._origin = origin(cache.base_url)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._takes_token(request):
            yield request
            return
        try:
            token = self._cache.get()
            response = yield _signed(request, token)
            if self._rejects(token, response) and isinstance(response.request.stream, httpx.ByteStream):
                with contextlib.suppress(BankHubError):
                    newer = self._cache.get()
                    if newer != token:
                        self._rejects(newer, (yield _signed(response.request, newer)))
        finally:
            request.headers.pop("Authorization", None)  # a request that is sent again asks again

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self._takes_token(request):
            yield request
            return
        try:
            token = await self._cache.aget()
            response = yield _signed(request, token)
            if self._rejects(token, response) and isinstance(response.request.stream, httpx.ByteStream):
                with contextlib.suppress(BankHubError):
                    newer = await self._cache.aget()
                    if newer != token:
                        self._rejects(newer, (yield _signed(response.request, newer)))
        finally:
            request.headers.pop("Authorization", None)  # a request that is sent again asks again

    def _takes_token(self, request: httpx.Request) -> bool:
        return origin(str(request.url)) == self._origin and "Authorization" not in request.headers

    def _rejects(self, token: str, response: httpx.Response) -> bool:
        """Whether this is a 401 to the token, which is reported then. A redirect may have led elsewhere, without it."""
        if response.status_code != 401 or response.request.headers.get("Authorization") != f"Bearer {token}":
            return False
        with contextlib.suppress(BankHubError):
            self._cache.invalidate(token)
            return True
        return False


def _signed(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
