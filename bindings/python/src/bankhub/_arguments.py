"""Python values as arguments for C. Only what C could not carry is refused here; the library judges the rest."""

from __future__ import annotations

import math

from ._abi import BANKHUB_TIMEOUT_DEFAULT
from ._errors import InvalidArgument

SECONDS_MAX = (BANKHUB_TIMEOUT_DEFAULT - 1) / 1000


def text(name: str, value: str | None) -> bytes | None:
    """A string for C, without its NUL."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise TypeError(f"{name} is of type {type(value).__name__}; expected str")
    if "\0" in value:
        raise InvalidArgument(f"{name} contains a NUL character")
    # A lone surrogate becomes bytes that the library refuses: Python's own error would carry the text along.
    return value.encode(errors="surrogatepass")


def timeout(seconds: float) -> float:
    """How long a call may wait."""
    if not 0 <= seconds <= SECONDS_MAX:
        raise InvalidArgument(f"timeout is {seconds}; expected 0 to {SECONDS_MAX} seconds")
    return seconds


def duration(name: str, seconds: float | None, per_second: int) -> int:
    """A field of bankhub_config, where 0 is what None is here. Rounded up, so that nothing else becomes 0."""
    if seconds is None:
        return 0
    if not 0 < seconds <= SECONDS_MAX:
        raise InvalidArgument(f"{name} is {seconds}; expected more than 0 and at most {SECONDS_MAX} seconds")
    return math.ceil(seconds * per_second)
