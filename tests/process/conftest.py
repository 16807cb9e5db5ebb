"""A sandbox for each test, in clear and with TLS, and the programs it is played with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sandbox import Sandbox

from .programs import Programs


@pytest.fixture
def sandbox(tmp_path: Path) -> Iterator[Sandbox]:
    sandbox = Sandbox(ca_file=tmp_path / "ca.pem")
    yield sandbox
    sandbox.kill()


@pytest.fixture
def https(sandbox: Sandbox) -> tuple[str, str]:
    """The address where the sandbox speaks TLS, without a name to look up, and a file that makes it trusted."""
    return sandbox.tls["right"].replace("localhost", "127.0.0.1"), str(sandbox.ca_file)


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))
