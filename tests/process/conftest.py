"""A mock server with TLS for each test, and the C programs and Python scripts that use it."""

from __future__ import annotations

import pytest

from support.mock_server import MockServer

from .programs import Programs


@pytest.fixture
def mock_server(tls_mock_server: MockServer) -> MockServer:
    return tls_mock_server


@pytest.fixture
def https(mock_server: MockServer) -> tuple[str, str]:
    """A TLS address of the mock server that needs no name lookup, and the CA file to trust."""
    return mock_server.tls["right"].replace("localhost", "127.0.0.1"), str(mock_server.ca_file)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))
