"""The statistics of a cache, for monitoring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone

from ._abi import BANKHUB_OK, bankhub_stats
from ._errors import BankHubError, new_error


@dataclass(frozen=True)
class Stats:
    """The counters and times of a cache: for monitoring, not for deciding when to call `get`. Contains no secret.

    Times are in UTC. A time that is not known is None.
    """

    generation: int
    """The generation of the token that `get` would return at once; 0 if there is none."""
    expires_at: datetime | None
    """When the current token expires."""
    refresh_at: datetime | None
    """When the refresh of the current token in the background is due."""
    next_attempt_at: datetime | None
    """No token request is sent before this time."""
    last_success_at: datetime | None
    """When a token request last returned a usable token."""
    last_failure_at: datetime | None
    """When a token request last failed."""
    requests: int
    """Token requests sent."""
    successes: int
    """Token requests that returned a usable token."""
    failures: int
    """Token requests that failed."""
    consecutive_failures: int
    """Failures since the last success."""
    rejections: int
    """Calls of `invalidate` with the current token."""
    ignored_rejections: int
    """Calls of `invalidate` with any other text."""
    waiters: int
    """Calls that wait inside the library now."""
    fetching: bool
    """Whether a fetch is in flight."""
    last_error: BankHubError | None
    """The error of the last failed fetch, until one succeeds, else of the store, until it works again; or None."""


def new_stats(native: bankhub_stats) -> Stats:
    """Converts what the library has written."""
    return Stats(
        generation=native.generation,
        expires_at=_utc(native.expires_at),
        refresh_at=_utc(native.refresh_at),
        next_attempt_at=_utc(native.next_attempt_at),
        last_success_at=_utc(native.last_success_at),
        last_failure_at=_utc(native.last_failure_at),
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


def _utc(seconds: int) -> datetime | None:
    return datetime.fromtimestamp(seconds, timezone.utc) if seconds else None
