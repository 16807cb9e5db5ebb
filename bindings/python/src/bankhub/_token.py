"""One access token, whose value does not show when it is printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Token:
    """One access token."""

    value: str = field(repr=False)
    """The text that belongs after "Authorization: Bearer ". It is a secret."""
    generation: int
    """Never 0; grows with every new token of its cache."""
    expires_at: datetime
    """The moment its request was sent, plus its ttl; in UTC."""
