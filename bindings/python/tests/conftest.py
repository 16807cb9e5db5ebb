"""Fixtures: a mock server, and a cache that gets its tokens from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from mock_server import MockServer

from bankhub import TokenCache


@pytest.fixture
def mock_server() -> Iterator[MockServer]:
    mock_server = MockServer()
    yield mock_server
    mock_server.kill()


@pytest.fixture
def tokens(mock_server: MockServer) -> Iterator[TokenCache]:
    with TokenCache(mock_server.client_id, mock_server.client_secret, base_url=mock_server.url) as tokens:
        yield tokens
