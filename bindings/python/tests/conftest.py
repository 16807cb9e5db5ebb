"""A sandbox to get tokens from, and a cache that does."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sandbox import Sandbox

from bankhub import TokenCache


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.kill()


@pytest.fixture
def tokens(sandbox: Sandbox) -> Iterator[TokenCache]:
    with TokenCache(sandbox.client_id, sandbox.client_secret, base_url=sandbox.url) as tokens:
        yield tokens
