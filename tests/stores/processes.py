"""Many driver processes, in every language that is present, which receive requests at the same time."""

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
    """Processes start when a test first needs them, and run until the end."""

    def __init__(self) -> None:
        missing = {name: language.missing() for name, language in LANGUAGES.items()}
        assert os.environ.get("CI") != "true" or not any(missing.values()), missing
        self._languages = itertools.cycle([name for name, reason in missing.items() if not reason])
        self._drivers: list[Driver] = []
        self._pool = ThreadPoolExecutor(64)

    def caches(self, count: int, mock_server: MockServer, **config: Word) -> list[Cache]:
        """Makes `count` caches, each in another process."""
        while len(self._drivers) < count:
            self._drivers.append(Driver(next(self._languages)))
        defaults = {
            "client_id": mock_server.client_id,
            "client_secret": mock_server.client_secret,
            "base_url": mock_server.url,
        }
        return self.at_once(self._drivers[:count], lambda driver: driver.new(**{**defaults, **config}))

    def at_once(self, targets: Sequence[Word | Cache | Driver], call: Callable[..., Result]) -> list[Result]:
        """Calls `call` with every target at the same time."""
        return list(self._pool.map(call, targets))

    def close(self) -> None:
        """Closes all caches."""
        self.at_once(self._drivers, Driver.close_all)

    def end(self) -> None:
        for driver in self._drivers:
            driver.end()
        self._pool.shutdown()
