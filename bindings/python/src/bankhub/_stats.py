"""What a cache has done and is doing, for monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from ._abi import BANKHUB_OK, bankhub_stats
from ._errors import BankHubError, new_error


@dataclass(frozen=True)
class Stats:
    """What a cache has done and is doing: for monitoring, never for deciding when to ask. Holds no secret.

    Moments are in UTC, and None where there is none.
    """

    generation: int
    """Of the token that `get` would return at once; 0 if there is none."""
    expires_at: datetime | None
    """Of the current token."""
    refresh_at: datetime | None
    """From when on the current token is renewed beside its callers."""
    next_attempt_at: datetime | None
    """Before which no token request goes out."""
    last_success_at: datetime | None
    last_failure_at: datetime | None
    requests: int
    """Token requests sent."""
    successes: int
    """Of them, those that brought a usable token."""
    failures: int
    """Of them, those that did not."""
    consecutive_failures: int
    """Failures since the last success."""
    rejections: int
    """Calls of `invalidate` that named the current token."""
    ignored_rejections: int
    """Calls of `invalidate` that named anything else."""
    waiters: int
    """Calls that wait inside the library now."""
    fetching: bool
    """Whether a fetch is in flight."""
    last_error: BankHubError | None
    """Of the last failed fetch, or else of the store; None if there was none since the last success."""


def new_stats(native: bankhub_stats) -> Stats:
    """What the library has written."""
    return Stats(
        generation=native.generation,
        expires_at=_moment(native.expires_at),
        refresh_at=_moment(native.refresh_at),
        next_attempt_at=_moment(native.next_attempt_at),
        last_success_at=_moment(native.last_success_at),
        last_failure_at=_moment(native.last_failure_at),
        requests=native.requests,
        successes=native.successes,
        failures=native.failures,
        consecutive_failures=native.consecutive_failures,
        rejections=native.rejections,
        ignored_rejections=native.ignored_rejections,
        waiters=native.waiters,
        fetching=bool(native.fetching),
        last_error=new_error(native.last_error) if native.last_error.status != BANKHUB_OK else None,
    )


def _moment(unix: int) -> datetime | None:
    return datetime.fromtimestamp(unix, timezone.utc) if unix else None
