"""A C driver for each test, and servers that say what no real one can be made to say."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable, Optional

import pytest

from support.driver_process import Cache, Driver, Word
from support.mock_server import CLIENT_ID, CLIENT_SECRET
from support.raw_server import RawServer

os.environ["PATH"] += ":/usr/sbin:/sbin"  # where Debian has squid, nginx and ip, which not every user has on PATH

StartDriver = Callable[..., Driver]


@pytest.fixture
def start_driver() -> Iterator[StartDriver]:
    """Starts a driver with more variables in its environment. The core alone uses the network, so it is C's."""
    drivers: list[Driver] = []

    def start(environment: Optional[Mapping[str, str]] = None) -> Driver:
        drivers.append(Driver("c", environment=environment))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.end()


@pytest.fixture
def driver(start_driver: StartDriver) -> Driver:
    return start_driver()


def cache_of(driver: Driver, base_url: str, **config: Word) -> Cache:
    return driver.new(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url=base_url, **config)


@pytest.fixture
def raw_server() -> Iterator[RawServer]:
    server = RawServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def no_roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("roots") / "none.pem"
    path.touch()
    return path
