"""Runs every scenario with every language: selects the languages, and starts a driver process for each."""

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

from .http_client import HTTP_CLIENTS, HttpClient

HANGS_TOLERATED = 2
"""A language that hangs more often fails at once from then on, so that the suite ends."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("conformance")
    group.addoption("--language", action="append", choices=list(LANGUAGES), help="only this language; may be repeated")
    group.addoption("--store", choices=["file", "redis"], help="give every cache such a store")
    group.addoption("--strict-languages", action="store_true", help="fail if a driver is missing, as with CI=true")
    group.addoption("--fault", help="run the drivers with this fault of faulty_driver.py; a scenario must fail")
    group.addoption("--deadline", type=float, default=DEADLINE_S, help="seconds until a driver must reply")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for name in _selected(config):
        reason = LANGUAGES[name].missing()
        if reason:
            terminalreporter.write_line(f"{name} was not tested: {reason}")


@pytest.hookimpl(trylast=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    # As the last hook, so that a test id ends with the name of the language.
    for fixture, all_names in (("language", _selected(metafunc.config)), ("adapter", HTTP_CLIENTS)):
        if fixture in metafunc.fixturenames:
            names = [name for name in all_names if _runs_with(metafunc.definition, name)]
            metafunc.parametrize(fixture, names)


def _runs_with(scenario: pytest.Item, language: str) -> bool:
    only, all_but, stored = map(scenario.get_closest_marker, ("only", "all_but", "with_a_store"))
    for marker in filter(None, (only, all_but, stored)):
        assert marker.kwargs["because"], "a marker that leaves out a language needs a reason"
    if stored and scenario.config.getoption("--store") and language not in stored.args:
        return False
    return (only is None or language in only.args) and (all_but is None or language not in all_but.args)


def _selected(config: pytest.Config) -> list[str]:
    return config.getoption("--language") or list(LANGUAGES)


Require = Callable[[Language], None]
"""Skips or fails the test if a program is missing."""


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
    """One process per language for the whole run, replaced after a scenario that left it unusable."""

    def __init__(self, config: pytest.Config) -> None:
        self._require = requirement(config)
        self._deadline_s = float(config.getoption("--deadline"))
        fault: Optional[str] = config.getoption("--fault")
        wrapper = [sys.executable, str(Path(__file__).with_name("faulty_driver.py")), fault] if fault else []
        # Only for the selected languages: another one may run because they are compared with it.
        self._wrapper = {name: wrapper for name in _selected(config)}
        self._running: dict[str, Driver] = {}
        self._hangs = dict.fromkeys(LANGUAGES, 0)

    def require(self, name: str) -> None:
        """Skips or fails the test if the driver of the language is missing."""
        self._require(LANGUAGES[name])

    def start(self, name: str, *, environment: Optional[Mapping[str, str]] = None) -> Driver:
        """Starts another process, with more variables in its environment."""
        self.require(name)
        wrapper = self._wrapper.get(name, [])
        return Driver(name, wrapper=wrapper, environment=environment, deadline_s=self._deadline_s)

    def running(self, name: str) -> Driver:
        if self._hangs[name] > HANGS_TOLERATED:
            pytest.fail(f"{name} hung {self._hangs[name]} times and is not started again")
        if name not in self._running:
            self._running[name] = self.start(name)
        return self._running[name]

    def clean_up(self, name: str) -> None:
        """Closes the caches of a scenario, or kills the driver if another scenario cannot use it."""
        driver = self._running[name]
        if driver.is_reusable():
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
    drivers.clean_up(language)


def new_tls_cache(driver: Driver, mock_server: MockServer, base_url: str, **config: Word) -> Cache:
    """A cache for one of the TLS addresses of the mock server, whose authority it trusts."""
    credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
    return driver.new(**credentials, base_url=base_url, ca_file=str(mock_server.ca_file), **config)


@pytest.fixture
def http_client(require: Require, adapter: str, mock_server: MockServer, store: dict[str, str]) -> Iterator[HttpClient]:
    """A new one for each scenario, because its cache is for the mock server of the scenario."""
    require(HTTP_CLIENTS[adapter])
    client = HttpClient(adapter, mock_server, **store)
    yield client
    client.end()


class NewCache(Protocol):
    """Makes a cache for the mock server of the scenario; `config` adds to or replaces its settings."""

    def __call__(self, **config: Word) -> Cache: ...


@pytest.fixture
def store(request: pytest.FixtureRequest, tmp_path: Path) -> dict[str, str]:
    """The setting of a cache for its store: none without --store, otherwise an empty store for each scenario."""
    kind = request.config.getoption("--store")
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis")
        server.run("FLUSHALL")
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
