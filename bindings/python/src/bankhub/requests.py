"""Authenticates requests with a token cache: `requests.get(url, auth=BankHubAuth(cache))`.

Takes `bankhub[requests]`.
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
    """Adds the token to requests that go to the cache's origin, and to no others. For any number of threads at once.

    A request that is answered 401 is sent once more if there is another token and its body can be sent again: bytes,
    text, or a file that can be rewound. Otherwise, and the second time, the 401 is the caller's.

    A request for which there is no token raises the BankHubError. One with an Authorization header is left alone. After
    a redirect, requests itself prefers what a .netrc says of the host, unless the Session's trust_env is off.
    """

    def __init__(self, cache: TokenCache) -> None:
        self._cache = cache
        self._origin = origin(cache.base_url)

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if origin(request.url or "") == self._origin and "Authorization" not in request.headers:
            token = self._cache.get()
            request.headers["Authorization"] = f"Bearer {token}"
            request.register_hook("response", functools.partial(self._answered, token))  # type: ignore[no-untyped-call]
        return request

    def _answered(self, token: str, response: Response, **options: Any) -> Response:
        # A redirect to another origin comes here, too, without the token.
        if response.status_code != 401 or response.request.headers.get("Authorization") != f"Bearer {token}":
            return response
        try:
            self._cache.invalidate(token)
            newer = self._cache.get()
        except BankHubError:
            return response
        again = response.request.copy()
        if newer == token or not _rewound(again):
            return response
        _ = response.content  # so that it can be read in the history, and its connection used again
        response.close()
        again.headers["Authorization"] = f"Bearer {newer}"
        second: Response = response.connection.send(again, **options)
        second.history.append(response)
        second.request = again
        if second.status_code == 401:
            with contextlib.suppress(BankHubError):
                self._cache.invalidate(newer)
        return second


def _rewound(request: PreparedRequest) -> bool:
    """Whether its body can be sent again; a file is where it was when it was sent first."""
    if request.body is None or isinstance(request.body, (bytes, str)):
        return True
    try:
        rewind_body(request)
    except UnrewindableBodyError:
        return False
    return True
