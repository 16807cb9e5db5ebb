"""The origin of a URL. A token is sent only to the origin of the base URL."""

from __future__ import annotations

from typing import Optional
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def origin(url: str) -> tuple[str, Optional[str], Optional[int]]:
    """Scheme, host and port (RFC 6454)."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)
