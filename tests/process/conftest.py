"""A sandbox for each test, in clear and behind TLS, and the programs it is played with."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
from sandbox import Sandbox
from tls_forwarder import TlsForwarder

from .programs import Programs


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.kill()


@pytest.fixture
def https(sandbox: Sandbox, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of the sandbox behind TLS, and a file that makes its certificate trusted."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    forwarder = TlsForwarder(authority.issue_cert("127.0.0.1"), sandbox.address)
    yield f"https://127.0.0.1:{forwarder.port}", str(tmp_path / "ca.pem")
    forwarder.close()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))
