"""Converts Python values to arguments for C. It refuses only what C cannot represent; the library checks the rest."""

from __future__ import annotations

import math

from ._abi import BANKHUB_TIMEOUT_DEFAULT
from ._errors import InvalidArgument

SECONDS_MAX = (BANKHUB_TIMEOUT_DEFAULT - 1) / 1000


def text(name: str, value: str | None) -> bytes | None:
    """A string for C; ctypes adds the terminating NUL."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} is of type {type(value).__name__}; expected str")
    if "\0" in value:
        raise InvalidArgument(f"{name} contains a NUL character; remove it")
    # A lone surrogate becomes bytes that the library refuses. The error that Python raises would contain the text.
    return value.encode(errors="surrogatepass")


def timeout(seconds: float) -> float:
    """Checks how long a call may wait."""
    if not 0 <= seconds <= SECONDS_MAX:
        raise InvalidArgument(f"timeout is {seconds}; expected 0 to {SECONDS_MAX} seconds")
    return seconds


def duration(name: str, seconds: float | None, per_second: int) -> int:
    """A field of bankhub_config, where 0 means the default. It rounds up, so that only None becomes 0."""
    if seconds is None:
        return 0
    if not 0 < seconds <= SECONDS_MAX:
        raise InvalidArgument(f"{name} is {seconds}; expected more than 0 and at most {SECONDS_MAX} seconds")
    return math.ceil(seconds * per_second)
