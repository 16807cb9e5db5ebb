"""Converts Python values to arguments for C. It refuses only what C cannot represent; the library checks the rest."""

from __future__ import annotations

import contextlib
import math
import os

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


def path(name: str, value: str | os.PathLike[str] | None) -> bytes | None:
    """A path for C."""
    return text(name, value.__fspath__() if isinstance(value, os.PathLike) else value)


def flag(name: str, value: bool) -> bool:
    """Only True and False: a text such as "false" would count as true."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} is of type {type(value).__name__}; expected bool")
    return value


def timeout(seconds: float) -> float:
    """Checks how long a call may wait."""
    number = _number("timeout", seconds)
    if not 0 <= number <= SECONDS_MAX:
        raise InvalidArgument(f"timeout is {number}; expected 0 to {SECONDS_MAX} seconds")
    return number


def _number(name: str, seconds: float) -> float:
    """Takes every kind of number, such as Decimal and those of numpy, but neither a text nor a truth value."""
    is_number = hasattr(seconds, "__float__") or hasattr(seconds, "__index__")
    with contextlib.suppress(TypeError, ValueError):  # an array of numpy; a NaN of Decimal that signals
        if is_number and not isinstance(seconds, bool):
            try:
                return float(seconds)
            except OverflowError:
                return math.inf
    raise TypeError(f"{name} is of type {type(seconds).__name__}; expected a number of seconds")


def duration(name: str, seconds: float | None, per_second: int) -> int:
    """A field of bankhub_config, where 0 means the default. It rounds up, so that only None becomes 0."""
    if seconds is None:
        return 0
    number = _number(name, seconds)
    if not 0 < number <= SECONDS_MAX:
        raise InvalidArgument(f"{name} is {number}; expected more than 0 and at most {SECONDS_MAX} seconds")
    return math.ceil(number * per_second)
