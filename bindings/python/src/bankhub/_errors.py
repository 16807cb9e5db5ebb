"""The exceptions of this package: one class for each status of bankhub.h."""

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
    """Why a call failed. The text is one sentence for an operator, without any secret."""

    status: int = BANKHUB_INTERNAL
    """The number of the status in bankhub.h."""

    def __init__(self, message: str, http_status: int | None = None, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.http_status = http_status
        """The HTTP status of the response that caused the failure, or None if there was none."""
        self.retry_after = retry_after
        """Seconds until the next token request may be sent. None: no known wait; see the class."""


class InvalidArgument(BankHubError, ValueError):
    """An argument is wrong; the message names it. The same call fails again."""

    status = BANKHUB_INVALID_ARGUMENT


class Unauthenticated(BankHubError):
    """The server refuses the client id or secret, or the client is disabled."""

    status = BANKHUB_UNAUTHENTICATED


class RateLimited(BankHubError):
    """The server received too many requests. `retry_after` says when the next one may be sent."""

    status = BANKHUB_RATE_LIMITED


class Unavailable(BankHubError):
    """The server could not be reached, or it failed. Try again later."""

    status = BANKHUB_UNAVAILABLE


class BadResponse(BankHubError):
    """The server sent a response that the API does not document."""

    status = BANKHUB_BAD_RESPONSE


class DeadlineExceeded(BankHubError, TimeoutError):
    """The timeout of the call passed before there was a token. The message names the last failure."""

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
    """The exception for an error of the library; the base class for a status that only a later library knows."""
    error = _KINDS.get(native.status, BankHubError)(
        native.message.decode(errors="replace"), native.http_status or None, native.retry_after_ms / 1000 or None
    )
    error.status = native.status
    return error
