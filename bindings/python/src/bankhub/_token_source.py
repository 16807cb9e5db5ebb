"""What the HTTP adapters need of a cache, so that a test may use an object of its own instead."""

from __future__ import annotations

from typing import Optional, Protocol


class TokenSource(Protocol):
    """What `bankhub.requests.BankHubAuth` accepts: a `TokenCache`, or anything with these members.

    A method may raise any BankHubError, as those of a `TokenCache` do, which document them.
    """

    @property
    def base_url(self) -> str:
        """The token is sent to the origin of this URL only."""

    def get(self, timeout: Optional[float] = None, /) -> str:
        """The text to send after "Authorization: Bearer "; after `invalidate`, another one if there is another."""

    def invalidate(self, token: str, /) -> None:
        """Called if an API answered 401 to this text."""


class AsyncTokenSource(TokenSource, Protocol):
    """What `bankhub.httpx.BankHubAuth` accepts. A `httpx.Client` calls `get`, an `httpx.AsyncClient` calls `aget`."""

    async def aget(self, timeout: Optional[float] = None, /) -> str:
        """`get` for a coroutine."""
