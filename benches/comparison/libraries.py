"""The columns of the comparison: this library in three languages and its peers, and when the token of each is due."""

from __future__ import annotations

import importlib.metadata
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from support.languages import BUILD, LIBRARIES

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Lifetime:
    """A ttl, and how many seconds after its answer such a token is due, and then ends."""

    ttl: int
    due_s: float
    end_s: float


# Sent 0.2 s before its answer, it is served for 19/20 of its ttl, and due 2 s (give or take a tenth) before that.
BANKHUB = Lifetime(ttl=6, due_s=3.7, end_s=5.5)
# oauth2 refreshes 10 s before the end.
OAUTH2 = Lifetime(ttl=13, due_s=3, end_s=13)
# google-auth refreshes 225 s before the end.
GOOGLE_AUTH = Lifetime(ttl=228, due_s=3, end_s=228)


@dataclass(frozen=True)
class Library:
    """One column: the command that starts its caller, and a lifetime in which its token falls due soon."""

    name: str
    command: tuple[str, ...]
    soon_due: Lifetime

    @property
    def ours(self) -> bool:
        return self.soon_due is BANKHUB


def _oauth2_version() -> str:
    [version] = re.findall(r"golang.org/x/oauth2 v([\d.]+)", (HERE / "go" / "go.mod").read_text())
    return str(version)


_PYTHON = (sys.executable, str(HERE / "callers.py"))
_GO = str(BUILD / "comparison-go")
_RUST = str(LIBRARIES / "comparison-rust")
COLUMNS = (
    Library("bankhub (Rust)", (_RUST,), BANKHUB),
    Library("bankhub (Go)", (_GO, "bankhub"), BANKHUB),
    Library("bankhub (Python)", (*_PYTHON, "bankhub"), BANKHUB),
    Library(f"oauth2 {_oauth2_version()} (Go)", (_GO, "oauth2"), OAUTH2),
    Library(f"google-auth {importlib.metadata.version('google-auth')}", (*_PYTHON, "google-auth"), GOOGLE_AUTH),
    Library("google-auth in the background", (*_PYTHON, "google-auth-background"), GOOGLE_AUTH),
)
IDLE = Library("no library", (_RUST, "--idle"), BANKHUB)
"""Its calls do nothing: what they take is the machine's own."""
