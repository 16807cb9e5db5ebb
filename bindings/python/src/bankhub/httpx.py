"""Adds the token of a cache to httpx requests: `httpx.Client(auth=BankHubAuth(cache))`, or an AsyncClient.

Install it with `bankhub[httpx]`.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Generator

import httpx

from ._errors import BankHubError
from ._origin import origin
from ._token_cache import TokenCache


class BankHubAuth(httpx.Auth):
    """Adds the token to requests to the origin of the cache, and to no others. Threads and tasks may share it.

    When an API answers 401, the token is reported, and the request is sent once more if there is another token and the
    body can be sent again: bytes, text, JSON or a form, but not a stream or files. Otherwise the caller gets the 401; a
    second 401 is also returned to the caller. After a redirect, only the request that was rejected is sent again.

    If there is no token, the BankHubError is raised. A request that has an Authorization header is sent unchanged.
    """

    def __init__(self, cache: TokenCache) -> None:
        self._cache = cache
        self._origin = origin(cache.base_url)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._needs_token(request):
            yield request
            return
        try:
            token = self._cache.get()
            response = yield _with_token(request, token)
            if self._report_rejection(token, response) and isinstance(response.request.stream, httpx.ByteStream):
                with contextlib.suppress(BankHubError):
                    newer = self._cache.get()
                    if newer != token:
                        self._report_rejection(newer, (yield _with_token(response.request, newer)))
        finally:
            request.headers.pop("Authorization", None)  # the next use of this request gets its own token

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self._needs_token(request):
            yield request
            return
        try:
            token = await self._cache.aget()
            response = yield _with_token(request, token)
            if self._report_rejection(token, response) and isinstance(response.request.stream, httpx.ByteStream):
                with contextlib.suppress(BankHubError):
                    newer = await self._cache.aget()
                    if newer != token:
                        self._report_rejection(newer, (yield _with_token(response.request, newer)))
        finally:
            request.headers.pop("Authorization", None)  # the next use of this request gets its own token

    def _needs_token(self, request: httpx.Request) -> bool:
        return origin(str(request.url)) == self._origin and "Authorization" not in request.headers

    def _report_rejection(self, token: str, response: httpx.Response) -> bool:
        """Reports the token if this is a 401 to it, and returns whether. A redirect may have dropped the token."""
        if response.status_code != 401 or response.request.headers.get("Authorization") != f"Bearer {token}":
            return False
        with contextlib.suppress(BankHubError):
            self._cache.invalidate(token)
            return True
        return False


def _with_token(request: httpx.Request, token: str) -> httpx.Request:
    request.headers["Authorization"] = f"Bearer {token}"
    return request
