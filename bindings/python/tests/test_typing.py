"""Tests the types of the installed package with the type checker of a user."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import httpx
import pytest

import bankhub

PROGRAM = """
from datetime import datetime
from pathlib import Path
from typing import Optional

import bankhub

with bankhub.TokenCache("id", "secret", ca_file=Path("ca.pem"), get_timeout=5, refresh_ahead=None) as tokens:
    text: str = tokens.get(timeout=1.5)
    token: bankhub.Token = tokens.token()
    end: datetime = token.expires_at
    tokens.invalidate(None)
    stats: bankhub.Stats = tokens.stats()
    numbers: list[int] = [tokens.generation, stats.requests]
    error: Optional[bankhub.BankHubError] = stats.last_error

try:
    bankhub.TokenCache.from_env()
except bankhub.RateLimited as limited:
    wait: Optional[float] = limited.retry_after
    limited.retry_after + 1  # type: ignore[operator]

# mypy must refuse these: --strict reports an `ignore` that is not needed.
bankhub.TokenCache("id")  # type: ignore[call-arg]
bankhub.TokenCache("id", "secret", "https://hub.test")  # type: ignore[misc]
bankhub.TokenCache(b"id", "secret")  # type: ignore[arg-type]
tokens.invalidate(token)  # type: ignore[arg-type]
tokens.generation = 1  # type: ignore[misc]
token.value = ""  # type: ignore[misc]
"""

FAKES = Path(__file__).with_name("typed_fakes.py").read_text()


@pytest.mark.parametrize("text", [PROGRAM, FAKES], ids=["program", "fakes"])
def test_passes_mypy_strict(tmp_path: Path, text: str) -> None:
    environment = tmp_path / "venv"
    venv.create(environment, symlinks=True, with_pip=False)
    (site_packages,) = environment.glob("lib/*/site-packages")
    packages = [Path(module.__file__ or "").parents[1] for module in (bankhub, httpx)]
    (site_packages / "bankhub.pth").write_text("\n".join(map(str, packages)))
    program = tmp_path / "program.py"
    program.write_text(text)
    mypy = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--python-executable", environment / "bin/python", program],
        env={},
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert mypy.returncode == 0, mypy.stdout
