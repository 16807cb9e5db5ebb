"""Many processes, in every language that is here, each with a driver of the conformance suite, asked at once."""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, TypeVar

from support.driver_process import Cache, Driver, Word
from support.languages import LANGUAGES
from support.mock_server import MockServer

Result = TypeVar("Result")


class Processes:
    """Started when they are first wanted, and kept for the whole session."""

    def __init__(self) -> None:
        missing = {name: language.missing() for name, language in LANGUAGES.items()}
        assert os.environ.get("CI") != "true" or not any(missing.values()), missing
        self._languages = itertools.cycle([name for name, reason in missing.items() if not reason])
        self._drivers: list[Driver] = []
        self._pool = ThreadPoolExecutor(64)

    def caches(self, count: int, mock_server: MockServer, **config: Word) -> list[Cache]:
        """So many, each in a process of its own."""
        while len(self._drivers) < count:
            self._drivers.append(Driver(next(self._languages)))
        defaults = {
            "client_id": mock_server.client_id,
            "client_secret": mock_server.client_secret,
            "base_url": mock_server.url,
        }
        return self.at_once(self._drivers[:count], lambda driver: driver.new(**{**defaults, **config}))

    def at_once(self, whom: Sequence[Word | Cache | Driver], ask: Callable[..., Result]) -> list[Result]:
        return list(self._pool.map(ask, whom))

    def close(self) -> None:
        """All their caches."""
        self.at_once(self._drivers, Driver.close_all)

    def end(self) -> None:
        for driver in self._drivers:
            driver.end()
        self._pool.shutdown()
