"""Adds the token of a cache to the requests of requests: `requests.get(url, auth=BankHubAuth(cache))`.

Install it with `bankhub[requests]`.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

from requests import PreparedRequest, Response
from requests.auth import AuthBase
from requests.exceptions import UnrewindableBodyError
from requests.utils import rewind_body

from ._errors import BankHubError
from ._origin import origin
from ._token_cache import TokenCache


class BankHubAuth(AuthBase):
    """Adds the token to requests to the origin of the cache, and to no others. Any number of threads may share it.

    When an API answers 401, the token is reported, and the request is sent once more if there is another token and the
    body can be sent again: bytes, text, or a file that can be rewound. Otherwise the caller gets the 401; a second 401
    is also returned to the caller.

    If there is no token, the BankHubError is raised. A request that has an Authorization header is sent unchanged.
    After a redirect, requests prefers the credentials in .netrc for the host, unless trust_env of the Session is off.
    """

    def __init__(self, cache: TokenCache) -> None:
        self._cache = cache
        self._origin = origin(cache.base_url)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if origin(request.url or "") == self._origin and "Authorization" not in request.headers:
            token = self._cache.get()
            request.headers["Authorization"] = f"Bearer {token}"
            request.register_hook("response", functools.partial(self._retry, token))  # type: ignore[no-untyped-call]
        return request

    def _retry(self, token: str, response: Response, **options: Any) -> Response:
        # requests also calls this after a redirect to another origin, where the token is not sent.
        if response.status_code != 401 or response.request.headers.get("Authorization") != f"Bearer {token}":
            return response
        try:
            self._cache.invalidate(token)
            newer = self._cache.get()
        except BankHubError:
            return response
        retry = response.request.copy()
        if newer == token or not _can_be_sent_again(retry):
            return response
        _ = response.content  # read, so that the history has it and its connection can be reused
        response.close()
        retry.headers["Authorization"] = f"Bearer {newer}"
        second: Response = response.connection.send(retry, **options)
        second.history.append(response)
        second.request = retry
        if second.status_code == 401:
            with contextlib.suppress(BankHubError):
                self._cache.invalidate(newer)
        return second


def _can_be_sent_again(request: PreparedRequest) -> bool:
    """Whether the body can be sent again. It rewinds a file to where it was before the first request."""
    if request.body is None or isinstance(request.body, (bytes, str)):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True
