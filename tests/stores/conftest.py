"""An empty store for each test, and processes in every language that share it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Optional

import pytest

from support.redis_server import RedisServer

from .processes import Processes


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("stores")
    group.addoption("--rounds", type=float, default=1.0, help="multiply the rounds of each test by this")


@dataclass
class Store:
    """The store in which the processes of a test share their token."""

    url: str
    empty: Callable[[], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, folder: Path) -> Store:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.run("FLUSHALL")
        return Store(server.url, lambda: server.run("FLUSHALL"))
    return Store(f"file:{folder}", lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.end()


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int], range]:
    """The rounds of a test: its usual number, multiplied by --rounds."""
    factor: Optional[float] = request.config.getoption("--rounds")
    return lambda usual: range(max(1, round(usual * (factor or 1.0))))
