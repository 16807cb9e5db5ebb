"""An empty store for each test, on each topology that is asked for, and processes in every language that share it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Callable, Optional

import pytest

from support.driver_process import Cache, Driver, Word
from support.mock_server import MockServer

from .processes import Processes
from .topologies import TOPOLOGIES, Topology

USUAL = ["file", "acl"]


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("stores")
    group.addoption("--rounds", type=float, default=1.0, help="multiply the rounds of each test by this")
    group.addoption("--processes", type=int, help="let this many processes share a store")
    group.addoption(
        "--topology",
        action="append",
        choices=[*TOPOLOGIES, "all"],
        help=f"use this store; without: {' and '.join(USUAL)}",
    )


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "store" in metafunc.fixturenames:
        chosen = metafunc.config.getoption("--topology") or USUAL
        metafunc.parametrize("store", TOPOLOGIES if "all" in chosen else chosen, indirect=True)


NewCache = Callable[..., Cache]


@pytest.fixture
def new_cache(mock_server: MockServer) -> Iterator[NewCache]:
    """Makes caches, each in another process of the C driver."""
    drivers = []

    def new(store: str, **config: Word) -> Cache:
        drivers.append(Driver("c"))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**credentials, base_url=mock_server.url, store=store, **config)

    yield new
    for driver in drivers:
        driver.kill()


def check_shared(new_cache: NewCache, mock_server: MockServer, store: str, **config: Word) -> None:
    """Two more processes need at most one token request."""
    before = mock_server.token_requests()
    caches = [new_cache(store, **config) for _ in range(2)]
    tokens = {cache.get().ok().value for cache in caches}
    assert [store_problem(cache) for cache in caches] == ["", ""]
    assert len(tokens) == 1
    assert mock_server.token_requests() <= before + 1


def store_problem(cache: Cache) -> str:
    """The message about the store in its statistics."""
    return cache.stats().ok().fields["last_error.message"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "store"


class Running:
    """The topologies that run: each starts when a test first needs it."""

    def __init__(self, parent: Callable[[str], Path]) -> None:
        self._parent = parent
        self._topologies: dict[str, Topology] = {}

    def start(self, name: str) -> Topology:
        if name not in self._topologies:
            self._topologies[name] = TOPOLOGIES[name](self._parent(name))
        return self._topologies[name]

    def end(self) -> None:
        for topology in self._topologies.values():
            topology.end()


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = Running(tmp_path_factory.mktemp)
    yield running
    running.end()


@pytest.fixture
def store(request: pytest.FixtureRequest, running: Running) -> Topology:
    """Empty."""
    topology = running.start(request.param)
    topology.empty()
    return topology


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


@pytest.fixture
def count(request: pytest.FixtureRequest) -> Callable[[int], int]:
    """The processes of a test: its usual number, or --processes."""
    given: Optional[int] = request.config.getoption("--processes")
    return lambda usual: given or usual
