"""What can go wrong, as exceptions: a class for each thing that asks something else of the caller."""

from __future__ import annotations

from ._abi import (
    BANKHUB_BAD_RESPONSE,
    BANKHUB_CLOSED,
    BANKHUB_DEADLINE,
    BANKHUB_INTERNAL,
    BANKHUB_INVALID_ARGUMENT,
    BANKHUB_RATE_LIMITED,
    BANKHUB_UNAUTHENTICATED,
    BANKHUB_UNAVAILABLE,
    bankhub_error,
)


class BankHubError(Exception):
    """Why a call failed, in one sentence for an operator, which never holds a secret."""

    status: int = BANKHUB_INTERNAL
    """The number of this kind of failure in bankhub.h."""

    def __init__(self, message: str, http_status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status
        """Of the answer behind the failure, or None if there was none."""
        self.retry_after = retry_after
        """Seconds until the next token request may go out. None: now, or never."""


class InvalidArgument(BankHubError, ValueError):
    """An argument is wrong, and the message names it. The same call fails again."""

    status = BANKHUB_INVALID_ARGUMENT


class Unauthenticated(BankHubError):
    """The client id or secret is refused or disabled."""

    status = BANKHUB_UNAUTHENTICATED


class RateLimited(BankHubError):
    """Too many requests. `retry_after` says when the next one may go out."""

    status = BANKHUB_RATE_LIMITED


class Unavailable(BankHubError):
    """The server was not reached, or could not answer. Try later."""

    status = BANKHUB_UNAVAILABLE


class BadResponse(BankHubError):
    """An answer that the API does not promise."""

    status = BANKHUB_BAD_RESPONSE


class DeadlineExceeded(BankHubError, TimeoutError):
    """The caller's own timeout passed first. The message names the last failure."""

    status = BANKHUB_DEADLINE


class Closed(BankHubError):
    """The cache was closed."""

    status = BANKHUB_CLOSED


class InternalError(BankHubError):
    """A defect of the library, or a thread that could not start."""

    status = BANKHUB_INTERNAL


_KINDS = {
    kind.status: kind
    for kind in (
        InvalidArgument,
        Unauthenticated,
        RateLimited,
        Unavailable,
        BadResponse,
        DeadlineExceeded,
        Closed,
        InternalError,
    )
}


def new_error(native: bankhub_error) -> BankHubError:
    """The exception for what the library reported; the base class for a kind that only a later library knows."""
    error = _KINDS.get(native.status, BankHubError)(
        native.message.decode(errors="replace"), native.http_status or None, native.retry_after_ms / 1000 or None
    )
    error.status = native.status
    return error
