"""Adds the token of a cache to the requests of requests: `requests.get(url, auth=BankHubAuth(cache))`.

Install it with `bankhub[requests]`. Its import wraps `requests.adapters.HTTPAdapter.send`: see `_send` below. That
changes nothing for requests without a BankHubAuth.
"""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Optional
from weakref import WeakSet

from requests import PreparedRequest, Response
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.exceptions import RetryError, UnrewindableBodyError
from requests.utils import rewind_body
from urllib3.exceptions import ResponseError

from ._cookies import second_cookies
from ._errors import BankHubError
from ._origin import origin
from ._token_source import TokenSource

RETRIED_401 = ResponseError.SPECIFIC_ERROR.format(status_code=401)
"""Why urllib3 gives up if 401 is in the `status_forcelist` of its Retry."""


class BankHubAuth(AuthBase):
    """Adds the token to requests to the origin of the cache, and to no others. Any number of threads may share it.

    When an API answers 401, the token is reported, and the request is sent once more if there is another token and the
    body can be sent again: bytes, text, or a file that can be rewound. The cookies of the 401 are sent along. Otherwise
    the caller gets the 401; a second 401 is also returned to the caller. If 401 is in the `status_forcelist` of a
    Retry, this happens after those attempts.

    If there is no token, the BankHubError is raised. The wait for it ends with the `get_timeout` of the cache: requests
    does not tell an auth the timeout of the request. A request that has an Authorization header is sent unchanged.
    After a redirect, requests prefers the credentials in .netrc for the host, unless trust_env of the Session is off.
    """

    def __init__(self, cache: TokenSource) -> None:
        self._cache = cache
        self._origin = origin(cache.base_url)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if origin(request.url or "") == self._origin and "Authorization" not in request.headers:
            token = self._cache.get()
            request.headers["Authorization"] = f"Bearer {token}"
            request.register_hook("response", _Retry(self._cache, token))  # type: ignore[no-untyped-call]
        return request


class _Retry:
    """Reports a token that was rejected, and sends its request once more. It is a response hook of the request."""

    def __init__(self, cache: TokenSource, token: str) -> None:
        self._cache = cache
        self._token = token
        self._seen: WeakSet[Response] = WeakSet()

    def __call__(self, response: Response, **options: Any) -> Response:
        def send(request: PreparedRequest) -> Response:
            second: Response = response.connection.send(request, **options)
            return second

        return self.after_response(response, send)

    def has_sent(self, request: PreparedRequest) -> bool:
        """A redirect may have dropped the token, or this may be the second sending."""
        return request.headers.get("Authorization") == f"Bearer {self._token}"

    def after_response(self, response: Response, send: Callable[[PreparedRequest], Response]) -> Response:
        """The response to return instead of this one, or this one."""
        if response.status_code != 401 or not self.has_sent(response.request) or response in self._seen:
            return response
        self._seen.add(response)  # the adapter passes it here, and requests does
        retry = self._next(response.request)
        if retry is None:
            return response
        _ = response.content  # read, so that the history has it and its connection can be reused
        response.close()
        _add_cookies(retry, response)
        second = self._send(retry, send)
        second.history.append(response)
        return second

    def after_error(self, request: PreparedRequest, send: Callable[[PreparedRequest], Response]) -> Optional[Response]:
        """The response to return instead of the error that urllib3 makes of a 401, or None."""
        retry = self._next(request) if self.has_sent(request) else None
        return None if retry is None else self._send(retry, send)

    def _next(self, request: PreparedRequest) -> Optional[PreparedRequest]:
        """What to send now that the token was rejected."""
        try:
            self._cache.invalidate(self._token)
            newer = self._cache.get()
        except BankHubError:
            return None
        retry = request.copy()
        if newer == self._token or not _can_be_sent_again(retry):
            return None
        retry.headers["Authorization"] = f"Bearer {newer}"
        return retry

    def _send(self, retry: PreparedRequest, send: Callable[[PreparedRequest], Response]) -> Response:
        rejected = False
        try:
            second = send(retry)
            second.request = retry
            rejected = second.status_code == 401
            return second
        except RetryError as error:
            rejected = _is_401(error)
            raise
        finally:
            if rejected:
                with contextlib.suppress(BankHubError):
                    self._cache.invalidate(retry.headers["Authorization"][len("Bearer ") :])


_adapter_send = HTTPAdapter.send


def _send(adapter: HTTPAdapter, request: PreparedRequest, *arguments: Any, **options: Any) -> Response:
    """Sends a request as the adapter does, and again after a 401.

    A response hook is not enough: requests calls no hook if the adapter raises because of a 401. It does so if 401 is
    in the `status_forcelist` of its Retry, and a subclass may do so.
    """

    def send(request: PreparedRequest) -> Response:
        return _adapter_send(adapter, request, *arguments, **options)

    hooks = (request.hooks or {}).get("response")  # as tolerant as requests is: a program may have replaced them
    retry = next((hook for hook in hooks if isinstance(hook, _Retry)), None) if isinstance(hooks, list) else None
    if retry is None:
        return send(request)
    try:
        response = send(request)
    except RetryError as error:
        second = retry.after_error(request, send) if _is_401(error) else None
        if second is None:
            raise
        return second
    return retry.after_response(response, send)


HTTPAdapter.send = _send  # type: ignore[assignment, method-assign]


def _is_401(error: RetryError) -> bool:
    reason = getattr(error.args[0], "reason", None) if error.args else None
    return isinstance(reason, ResponseError) and str(reason) == RETRIED_401


def _can_be_sent_again(request: PreparedRequest) -> bool:
    """Whether the body can be sent again. It rewinds a file to where it was before the first request."""
    if request.body is None or isinstance(request.body, (bytes, str)):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True


def _add_cookies(request: PreparedRequest, response: Response) -> None:
    headers: Any = getattr(response.raw, "headers", None)
    set_cookies = headers.getlist("Set-Cookie") if hasattr(headers, "getlist") else []
    cookies = second_cookies(request.url or "", request.headers.get("Cookie"), set_cookies, response.cookies)
    request.headers.pop("Cookie", None)
    if cookies is not None:
        request.headers["Cookie"] = cookies
