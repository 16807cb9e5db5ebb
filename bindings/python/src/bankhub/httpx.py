"""Adds the token of a cache to httpx requests: `httpx.Client(auth=BankHubAuth(cache))`, or an AsyncClient.

Install it with `bankhub[httpx]`.
"""

from __future__ import annotations

import contextlib
import math
import sys
from collections.abc import AsyncGenerator, Generator
from typing import Any, Optional

import httpx

from ._cookies import second_cookies
from ._errors import BankHubError
from ._origin import origin
from ._token_source import AsyncTokenSource


class BankHubAuth(httpx.Auth):
    """Adds the token to requests to the origin of the cache, and to no others. Threads and tasks may share it.

    When an API answers 401, the token is reported, and the request is sent once more if there is another token and the
    body can be sent again: bytes, text, JSON or a form, but not a stream or files. The cookies of the 401 are sent
    along. Otherwise the caller gets the 401; a second 401 is also returned to the caller. After a redirect, only the
    request that was rejected is sent again.

    If an event hook or the transport of the client raises because of the 401, the caller gets that exception. The token
    is reported, so that the next request has another one.

    If there is no token, the BankHubError is raised. The wait for it ends with the `get_timeout` of the cache, or with
    the longest of the client's own timeouts, if that is shorter. A request that has an Authorization header is sent
    unchanged.
    """

    def __init__(self, cache: AsyncTokenSource) -> None:
        self._cache = cache
        self._origin = origin(cache.base_url)

    def sync_auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        if not self._needs_token(request):
            yield request
            return
        token = self._cache.get(self._longest_wait(request))
        with _Sending(request, token, is_async=False) as first:
            with contextlib.suppress(GeneratorExit):  # what httpx does here if anything raises instead of a response
                first.response = yield request
            retry = self._report(first)
            if retry is None:
                return
            with contextlib.suppress(BankHubError):
                newer = self._cache.get(self._longest_wait(request))
                if newer != token:
                    with _Sending(retry, newer, is_async=False, after=first.response) as second:
                        with contextlib.suppress(GeneratorExit):
                            second.response = yield retry
                        self._report(second)

    async def async_auth_flow(self, request: httpx.Request) -> AsyncGenerator[httpx.Request, httpx.Response]:
        if not self._needs_token(request):
            yield request
            return
        token = await self._cache.aget(self._longest_wait(request))
        with _Sending(request, token, is_async=True) as first:
            with contextlib.suppress(GeneratorExit):  # what httpx does here if anything raises instead of a response
                first.response = yield request
            retry = self._report(first)
            if retry is None:
                return
            with contextlib.suppress(BankHubError):
                newer = await self._cache.aget(self._longest_wait(request))
                if newer != token:
                    with _Sending(retry, newer, is_async=True, after=first.response) as second:
                        with contextlib.suppress(GeneratorExit):
                            second.response = yield retry
                        self._report(second)

    def _needs_token(self, request: httpx.Request) -> bool:
        return origin(str(request.url)) == self._origin and "Authorization" not in request.headers

    def _longest_wait(self, request: httpx.Request) -> Optional[float]:
        """None: the `get_timeout` of the cache, which is shorter than what the client waits for."""
        timeouts = request.extensions.get("timeout", {}).values()
        longest = max((math.inf if timeout is None else timeout for timeout in timeouts), default=math.inf)
        return longest if longest < getattr(self._cache, "get_timeout", math.inf) else None

    def _report(self, sending: _Sending) -> Optional[httpx.Request]:
        """Reports the token if the API rejected it. Returns what to send once more, or None."""
        if not sending.was_rejected(sys.exc_info()[1]):
            return None
        with contextlib.suppress(BankHubError):
            self._cache.invalidate(sending.token)
            response = sending.response
            if response and response.status_code == 401 and isinstance(response.request.stream, httpx.ByteStream):
                return response.request
        return None


class _Sending:
    """One sending of a request with a token, and whether the API rejected the token.

    An auth does not always get the response: a transport that retries may hide it, and what an event hook raises
    because of it ends the auth. So this also listens to the connection, by the extension "trace" of the request.
    """

    def __init__(
        self, request: httpx.Request, token: str, *, is_async: bool, after: Optional[httpx.Response] = None
    ) -> None:
        self.token = token
        self.response: Optional[httpx.Response] = None
        self._request = request
        self._after = after
        self._trace = self._atrace if is_async else self._note
        self._bearer = f"Bearer {token}"
        self._was_sent = self._saw_401 = False

    def __enter__(self) -> _Sending:
        headers = self._request.headers
        self._cookie, self._extensions = headers.get("Cookie"), self._request.extensions
        headers["Authorization"] = self._bearer
        if self._after is not None:
            set_cookies, jar = self._after.headers.get_list("Set-Cookie"), self._after.cookies.jar
            _set(headers, "Cookie", second_cookies(str(self._request.url), self._cookie, set_cookies, jar))
        self._request.extensions = {**self._extensions, "trace": self._trace}
        return self

    def __exit__(self, *_: object) -> None:
        """Restores the request, so that its next use gets its own token."""
        _set(self._request.headers, "Authorization", None)
        _set(self._request.headers, "Cookie", self._cookie)
        self._request.extensions = self._extensions

    def was_rejected(self, error: Optional[BaseException]) -> bool:
        """Whether the API answered 401. `error` is what was raised instead of a response."""
        errors: list[BaseException] = []
        while error is not None and error not in errors:  # `raise error from error` makes it its own cause
            errors.append(error)
            error = error.__cause__ or error.__context__
        responses = [self.response, *(getattr(error, "response", None) for error in errors)]
        return self._saw_401 or any(map(self._is_rejection, responses))

    def _is_rejection(self, response: object) -> bool:
        """A redirect may have dropped the token."""
        return (
            isinstance(response, httpx.Response)
            and response.status_code == 401
            and response.request.headers.get("Authorization") == self._bearer
        )

    async def _atrace(self, event: str, info: dict[str, Any]) -> None:
        own = self._note(event, info)
        if own:
            await own

    def _note(self, event: str, info: dict[str, Any]) -> Any:
        """Called by the connection. The events are those of httpcore."""
        if event.endswith(".send_request_headers.started"):
            self._was_sent = (b"Authorization", self._bearer.encode()) in info["request"].headers
        elif event.endswith(".receive_response_headers.complete") and self._was_sent:
            # HTTP/1.1: the version, the status …; HTTP/2: the status …
            status = next(value for value in info["return_value"] if isinstance(value, int))
            self._saw_401 = status == 401 or (self._saw_401 and status >= 300)
        own = self._extensions.get("trace")
        return own and own(event, info)


def _set(headers: httpx.Headers, name: str, value: Optional[str]) -> None:
    if value is None:
        headers.pop(name, None)
    else:
        headers[name] = value
