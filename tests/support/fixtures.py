"""Fixtures that several folders of tests use; a conftest.py imports them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .mock_server import MockServer
from .redis_server import RedisServer


@pytest.fixture
def mock_server() -> Iterator[MockServer]:
    """A new one for each test, so that no fetch of an earlier test reaches it."""
    mock_server = MockServer()
    yield mock_server
    mock_server.kill()


@pytest.fixture
def tls_mock_server(tmp_path: Path) -> Iterator[MockServer]:
    """A new one for each test, which also listens with TLS."""
    mock_server = MockServer(ca_file=tmp_path / "ca.pem")
    yield mock_server
    mock_server.kill()


@pytest.fixture(scope="session")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One Redis server for the whole run; a test that uses it empties it first."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.kill()
