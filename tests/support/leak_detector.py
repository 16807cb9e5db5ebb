"""Finds secrets and tokens in texts: whole or in part, and in the encodings in which they are sent."""

from __future__ import annotations

import base64
import urllib.parse
from typing import Optional

FRAGMENT_LENGTH = 8
"""That many characters of a secret in a row are a leak; fewer could be chance."""


class LeakDetector:
    """Knows secrets, and finds them in texts. It ignores a secret that is shorter than a fragment."""

    def __init__(self) -> None:
        self._fragments: set[str] = set()

    def add_secret(self, secret: str) -> None:
        self._add(secret)
        self._add(_base64(secret))
        self._add(urllib.parse.quote(secret, safe=""))

    def add_credentials(self, client_id: str, client_secret: str) -> None:
        """The secret, and the Basic header. The id alone is not a secret."""
        self.add_secret(client_secret)
        self._add(_base64(f"{client_id}:{client_secret}"))

    def find_leak(self, text: str) -> Optional[str]:
        """The first piece of a secret in `text`."""
        windows = (text[start : start + FRAGMENT_LENGTH] for start in range(len(text)))
        return next((window for window in windows if window in self._fragments), None)

    def _add(self, form: str) -> None:
        for start in range(len(form) - FRAGMENT_LENGTH + 1):
            self._fragments.add(form[start : start + FRAGMENT_LENGTH])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
