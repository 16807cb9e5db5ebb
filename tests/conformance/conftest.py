"""Every scenario against every language: which are there, one driver process for each, a mock server for each."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Callable, Optional, Protocol

import pytest

from support.driver_process import DEADLINE_S, Cache, Driver, Word
from support.languages import LANGUAGES, Language
from support.line_process import ProcessFailed
from support.mock_server import MockServer
from support.redis_server import RedisServer

from .http_client import CALLERS, Caller

HANGS_TOLERATED = 2
"""A language that hangs more often is not waited for again: the suite itself has to end."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--language", action="append", choices=list(LANGUAGES), help="only this one; may be repeated")
    group.addoption("--store", choices=["file", "redis"], help="every cache shares its token in such a store")
    group.addoption("--strict-languages", action="store_true", help="a missing driver is a failure; so in CI")
    group.addoption("--lie", help="have faulty_driver.py falsify what the drivers say; the suite must turn red")
    group.addoption("--deadline", type=float, default=DEADLINE_S, help="seconds a driver has for an answer")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name in _selected(config):
        reason = LANGUAGES[name].missing()
        if reason:
            terminalreporter.write_line(f"{name} was not tried: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # Last, so that an id ends in the language's name.
    for fixture, all_names in (("language", _selected(metafunc.config)), ("adapter", CALLERS)):
        if fixture in metafunc.fixturenames:
            names = [name for name in all_names if _plays(metafunc.definition, name)]
            metafunc.parametrize(fixture, names)


def _plays(scenario: pytest.Item, language: str) -> bool:
    only, but, stored = map(scenario.get_closest_marker, ("only", "but", "with_a_store"))
    for marker in filter(None, (only, but, stored)):
        assert marker.kwargs["because"], "a language is only left out for a reason"
    if stored and scenario.config.getoption("--store") and language not in stored.args:
        return False
    return (only is None or language in only.args) and (but is None or language not in but.args)


def _selected(config: pytest.Config) -> list[str]:
    return config.getoption("--language") or list(LANGUAGES)


Require = Callable[[Language], None]
"""Skips or fails the test where a program is missing."""


def requirement(config: pytest.Config) -> Require:
    def require(language: Language) -> None:
        reason = language.missing()
        if reason and (config.getoption("--strict-languages") or os.environ.get("CI") == "true"):
            pytest.fail(reason)
        if reason:
            pytest.skip(reason)

    return require


@pytest.fixture
def require(request: pytest.FixtureRequest) -> Require:
    return requirement(request.config)


class Drivers:
    """One process per language for the whole session, replaced when a scenario left it unfit for the next."""

    def __init__(self, config: pytest.Config) -> None:
        self._require = requirement(config)
        self._deadline_s = float(config.getoption("--deadline"))
        lie: Optional[str] = config.getoption("--lie")
        liar = [sys.executable, str(Path(__file__).with_name("faulty_driver.py")), lie] if lie else []
        # Not around a language that others are compared with.
        self._wrapper = {name: liar for name in _selected(config)}
        self._running: dict[str, Driver] = {}
        self._hangs = dict.fromkeys(LANGUAGES, 0)

    def require(self, name: str) -> None:
        """Skips or fails the test where the language's driver is missing."""
        self._require(LANGUAGES[name])

    def start(self, name: str, *, environment: Optional[Mapping[str, str]] = None) -> Driver:
        """A process of its own, with more in its environment."""
        self.require(name)
        wrapper = self._wrapper.get(name, [])
        return Driver(name, wrapper=wrapper, environment=environment, deadline_s=self._deadline_s)

    def running(self, name: str) -> Driver:
        if self._hangs[name] > HANGS_TOLERATED:
            pytest.fail(f"{name} hung {self._hangs[name]} times and is not tried again")
        if name not in self._running:
            self._running[name] = self.start(name)
        return self._running[name]

    def settle(self, name: str) -> None:
        """After a scenario: a driver that cannot serve another goes."""
        driver = self._running[name]
        if driver.fit():
            driver.close_all()
            return
        self._hangs[name] += driver.hung
        driver.kill()
        del self._running[name]

    def end(self) -> None:
        failures = []
        for driver in self._running.values():
            try:
                driver.end()
            except ProcessFailed as failure:
                failures.append(str(failure))
        assert not failures, "; ".join(failures)


@pytest.fixture(scope="session")
def drivers(request: pytest.FixtureRequest) -> Iterator[Drivers]:
    drivers = Drivers(request.config)
    yield drivers
    drivers.end()


@pytest.fixture
def driver(drivers: Drivers, language: str) -> Iterator[Driver]:
    yield drivers.running(language)
    drivers.settle(language)


def new_tls_cache(driver: Driver, mock_server: MockServer, base_url: str, **config: Word) -> Cache:
    """For one of the addresses of a mock server that listens with TLS, whose authority is trusted."""
    credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
    return driver.new(**credentials, base_url=base_url, ca_file=str(mock_server.ca_file), **config)


@pytest.fixture
def caller(require: Require, adapter: str, mock_server: MockServer, store: dict[str, str]) -> Iterator[Caller]:
    """Anew for each scenario, since its cache is of the scenario's mock server."""
    require(CALLERS[adapter])
    caller = Caller(adapter, mock_server, **store)
    yield caller
    caller.end()


class NewCache(Protocol):
    """Makes a cache for the scenario's mock server, with anything else set as asked for."""

    def __call__(self, **config: Word) -> Cache: ...


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """What a cache is to be told of its store: none, unless the suite runs with one. An empty one for each scenario."""
    kind = request.config.getoption("--store")
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.ask("FLUSHALL")
        return {"store": server.url}
    return {"store": f"file:{tmp_path}/store"} if kind else {}


@pytest.fixture
def new_cache(driver: Driver, mock_server: MockServer, store: dict[str, str]) -> Iterator[NewCache]:
    made = []

    def new(**config: Word) -> Cache:
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        defaults = {**credentials, "base_url": mock_server.url, **store}
        made.append(driver.new(**{**defaults, **config}))
        return made[-1]

    yield new
    at_once = mock_server.counters().token_requests_at_once_max
    assert at_once <= len(made), f"{driver.name} had {at_once} requests of {len(made)} caches in flight at once"


@pytest.fixture
def cache(new_cache: NewCache) -> Cache:
    return new_cache()
