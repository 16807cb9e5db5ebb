"""Tests of the exceptions: their classes, pickling, and a status that is not known."""

from __future__ import annotations

import pickle

import pytest

import bankhub
from bankhub import _abi
from bankhub._errors import new_error

STATUSES = {
    _abi.BANKHUB_INVALID_ARGUMENT: bankhub.InvalidArgument,
    _abi.BANKHUB_UNAUTHENTICATED: bankhub.Unauthenticated,
    _abi.BANKHUB_RATE_LIMITED: bankhub.RateLimited,
    _abi.BANKHUB_UNAVAILABLE: bankhub.Unavailable,
    _abi.BANKHUB_BAD_RESPONSE: bankhub.BadResponse,
    _abi.BANKHUB_DEADLINE: bankhub.DeadlineExceeded,
    _abi.BANKHUB_CLOSED: bankhub.Closed,
    _abi.BANKHUB_INTERNAL: bankhub.InternalError,
    1_000_000: bankhub.BankHubError,  # from a later library
}


@pytest.mark.parametrize(("status", "kind"), STATUSES.items())
def test_maps_status_to_class(status: int, kind: type[bankhub.BankHubError]) -> None:
    error = new_error(_abi.bankhub_error(status=status, http_status=503, retry_after_ms=1_500, message=b"try later"))
    for copy in (error, pickle.loads(pickle.dumps(error))):
        assert type(copy) is kind
        assert (copy.status, copy.http_status, copy.retry_after, str(copy)) == (status, 503, 1.5, "try later")


def test_leaves_unknown_values_none() -> None:
    error = new_error(_abi.bankhub_error(status=_abi.BANKHUB_CLOSED))
    assert (error.http_status, error.retry_after) == (None, None)


def test_inherits_from_builtin_exceptions() -> None:
    assert issubclass(bankhub.InvalidArgument, ValueError)
    assert issubclass(bankhub.DeadlineExceeded, TimeoutError)
    assert all(issubclass(kind, bankhub.BankHubError) for kind in STATUSES.values())
    assert repr(bankhub.Closed) == "<class 'bankhub.Closed'>"
