"""The access token, which hides its value when it is printed."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class Token:
    """One access token."""

    value: str = field(repr=False)
    """The text to send after "Authorization: Bearer ": 1 to 4,095 characters of visible ASCII (0x21 to 0x7E). A
    secret."""
    generation: int
    """Never 0; grows with every new token of its cache."""
    expires_at: datetime
    """When the token request was sent, plus the ttl; in UTC."""
