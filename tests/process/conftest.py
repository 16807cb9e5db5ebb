"""A sandbox for each test, and the programs it is played with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sandbox import Sandbox

from .programs import Programs


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.kill()


@pytest.fixture(scope="session")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Programs:
    return Programs(tmp_path_factory.mktemp("programs"))
