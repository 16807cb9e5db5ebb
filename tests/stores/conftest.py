"""A mock server and an empty store for each test, and processes in every language that share it."""

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
    group.addoption("--rounds", type=float, default=1.0, help="so many times as many rounds")


@dataclass
class Store:
    """Where the processes of a test share their token."""

    url: str
    empty: Callable[[], object]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture(params=["file", "redis"])
def store(request: pytest.FixtureRequest, folder: Path) -> Store:
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.ask("FLUSHALL")
        return Store(server.url, lambda: server.ask("FLUSHALL"))
    return Store(f"file:{folder}", lambda: shutil.rmtree(folder, ignore_errors=True))


@pytest.fixture(scope="session")
def processes() -> Iterator[Processes]:
    processes = Processes()
    yield processes
    processes.end()


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[[int], range]:
    """How many of them a test plays, which has so many by itself."""
    factor: Optional[float] = request.config.getoption("--rounds")
    return lambda usual: range(max(1, round(usual * (factor or 1.0))))
