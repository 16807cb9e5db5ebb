"""Fixtures: a mock server, and a cache that gets its tokens from it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bankhub import TokenCache
from support.fixtures import mock_server
from support.mock_server import MockServer

__all__ = ["mock_server", "tokens"]


@pytest.fixture
def tokens(mock_server: MockServer) -> Iterator[TokenCache]:
    with TokenCache(mock_server.client_id, mock_server.client_secret, base_url=mock_server.url) as tokens:
        yield tokens
