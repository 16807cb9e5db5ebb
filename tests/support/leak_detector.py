"""What must never be said: secrets and tokens, whole or in part, and in the encodings in which they travel."""

from __future__ import annotations

import base64
import urllib.parse
from typing import Optional

FRAGMENT_LENGTH = 8
"""So much of a secret in a row is a leak; less could be chance."""


class Secrecy:
    """Learns secrets, and finds them in texts. One shorter than a fragment is not kept."""

    def __init__(self) -> None:
        self._fragments: set[str] = set()

    def keep(self, secret: str) -> None:
        self._keep(secret)
        self._keep(_base64(secret))
        self._keep(urllib.parse.quote(secret, safe=""))

    def keep_credentials(self, client_id: str, client_secret: str) -> None:
        """The id is no secret, the Basic header made from it is."""
        self.keep(client_secret)
        self._keep(_base64(f"{client_id}:{client_secret}"))

    def leak(self, text: str) -> Optional[str]:
        """The first piece of a secret in `text`."""
        windows = (text[start : start + FRAGMENT_LENGTH] for start in range(len(text)))
        return next((window for window in windows if window in self._fragments), None)

    def _keep(self, form: str) -> None:
        for start in range(len(form) - FRAGMENT_LENGTH + 1):
            self._fragments.add(form[start : start + FRAGMENT_LENGTH])


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
