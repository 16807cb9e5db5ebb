"""A driver of tests/conformance/PROTOCOL.md: one method for each verb, and a check that no reply has a secret."""

from __future__ import annotations

import enum
import itertools
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Optional, Union

from .languages import LANGUAGES, clean_environment
from .leak_detector import LeakDetector
from .line_process import LineProcess, ProcessFailed, ProcessHung

DEADLINE_S = 15.0
"""For one reply. No scenario makes a caller wait nearly that long."""

Word = Union[str, bytes, int]


class Status(enum.IntEnum):
    """The numbers of the header, repeated here so that a test fails if one changes."""

    OK = 0
    INVALID_ARGUMENT = 1
    UNAUTHENTICATED = 2
    RATE_LIMITED = 3
    UNAVAILABLE = 4
    BAD_RESPONSE = 5
    DEADLINE = 6
    CLOSED = 7
    INTERNAL = 8


@dataclass(frozen=True)
class Reply:
    """One line of a driver: OK or the status of the error, and the fields."""

    status: Status
    fields: Mapping[str, str]

    def expect(self, status: Status) -> Reply:
        """This reply, which must have that status."""
        assert self.status == status, f"{self.status.name} instead of {status.name}: {self.fields.get('message')}"
        return self

    def ok(self) -> Reply:
        return self.expect(Status.OK)

    def number(self, field: str) -> int:
        return int(self.fields[field])

    @property
    def value(self) -> str:
        return self.fields["value"]

    @property
    def generation(self) -> int:
        return self.number("generation")

    @property
    def expires_at(self) -> int:
        return self.number("expires_at")

    @property
    def http_status(self) -> int:
        return self.number("http_status")

    @property
    def retry_after_ms(self) -> int:
        return self.number("retry_after_ms")

    @property
    def message(self) -> str:
        return self.fields["message"]


@dataclass(frozen=True)
class Cache:
    """One cache within a driver. A `timeout` is in milliseconds; None is the language's default call."""

    driver: Driver
    name: str

    def get(self, timeout: Optional[int] = None) -> Reply:
        return self.driver.ask("get", self.name, _timeout(timeout))

    def token(self, timeout: Optional[int] = None) -> Reply:
        return self.driver.ask("token", self.name, _timeout(timeout))

    def start(self, threads: int, timeout: Optional[int] = None) -> None:
        """Starts threads that all call get; `Driver.join` returns their replies."""
        self.driver.start(self.name, threads, _timeout(timeout))

    def generation(self) -> int:
        return self.driver.ask("generation", self.name).generation

    def invalidate(self, token: Optional[str]) -> Reply:
        return self.driver.ask("invalidate", self.name, *([] if token is None else [token]))

    def stats(self) -> Reply:
        return self.driver.ask("stats", self.name)

    def close(self) -> Reply:
        return self.driver.ask("close", self.name)


class Driver:
    """A running driver, and the secrets that none of its replies may contain."""

    def __init__(
        self,
        name: str,
        *,
        wrapper: Sequence[str] = (),
        environment: Optional[Mapping[str, str]] = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        language = LANGUAGES[name]
        self.name = name
        self.leak_detector = LeakDetector()
        self.hung = False
        self._deadline_s = deadline_s
        self._threads = 0
        self._open: list[Cache] = []
        self._names = (f"cache{number}" for number in itertools.count(1))
        variables = {**clean_environment(), **language.environment, **(environment or {})}
        self._process = LineProcess([*wrapper, *language.command], variables)
        first = self._read("start")
        if first != f"ready {name}":
            raise ProcessFailed(f"{name} starts with {first!r}")

    def new(self, **config: Word) -> Cache:
        """Makes a cache, which must succeed."""
        cache = Cache(self, next(self._names))
        reply = self._make(cache.name, config)
        assert reply.status == Status.OK, f"{self.name} refuses {sorted(config)}: {reply.message}"
        self._open.append(cache)
        return cache

    def refused(self, **config: Word) -> Reply:
        """Makes a cache, which must fail; returns the error."""
        reply = self._make(next(self._names), config)
        assert reply.status != Status.OK, f"{self.name} accepts {config}"
        return reply

    def from_env(self) -> Reply:
        """Makes a cache from the environment of the driver; returns the reply, whatever it is."""
        name = next(self._names)
        reply = self.ask("from_env", name)
        if reply.status == Status.OK:
            self._open.append(Cache(self, name))
        return reply

    def layout(self) -> Mapping[str, str]:
        return self.ask("layout").fields

    def start(self, cache: str, threads: int, timeout: Word) -> None:
        self._threads += threads
        self.ask("start", cache, threads, timeout)

    def join(self) -> list[Reply]:
        """Waits for all threads that were started, and returns their replies."""
        count = self.ask("join").number("count")
        assert count == self._threads, f"{self.name} joins {count} threads, not {self._threads}"
        replies = [self._parse("join", self._read("join")) for _ in range(count)]
        self._threads = 0
        return replies

    def ask(self, verb: str, *words: Word, **pairs: Word) -> Reply:
        """Sends one request of PROTOCOL.md."""
        if verb == "invalidate":
            self.leak_detector.add_secret(str(words[-1]))
        encoded = [*map(_encode, words), *(f"{key}={_encode(value)}" for key, value in pairs.items())]
        try:
            self._process.write(" ".join([verb, *encoded]))
        except ProcessFailed as failure:
            raise ProcessFailed(f"{self.name}, asked to {verb}: {failure}") from None
        return self._parse(verb, self._read(verb))

    def threads(self) -> int:
        """The number of threads that the process has now."""
        return self._process.threads()

    def descriptors(self) -> int:
        """The number of descriptors that the process has open now."""
        return self._process.descriptors()

    def signal(self, number: int) -> None:
        """Sends a signal to the process."""
        self._process.signal(number)

    def peak_memory_bytes(self) -> int:
        """The largest resident memory so far."""
        return self._process.peak_memory_bytes()

    def is_reusable(self) -> bool:
        """Whether another scenario can use this process: it runs, and all its started threads were joined."""
        return self._process.alive() and not self._threads

    def close_all(self) -> None:
        while self._open:
            self._open.pop().close()

    def end(self) -> None:
        """Ends its input. The program must then end with code 0, without a secret on its standard error."""
        try:
            self._process.end(self._deadline_s)
        except ProcessFailed as failure:
            raise ProcessFailed(f"{self.name}: {failure}") from None
        self._check_leak("on standard error", self._process.stderr())

    def kill(self) -> None:
        self._process.kill()

    def _make(self, name: str, config: Mapping[str, Word]) -> Reply:
        self.leak_detector.add_credentials(str(config.get("client_id", "")), str(config.get("client_secret", "")))
        return self.ask("new", name, **config)

    def _read(self, verb: str) -> str:
        try:
            return self._process.read(self._deadline_s)
        except ProcessFailed as failure:
            self.hung = isinstance(failure, ProcessHung)
            raise ProcessFailed(f"{self.name}, asked to {verb}: {failure}") from None

    def _parse(self, verb: str, line: str) -> Reply:
        word, *pairs = line.split(" ")
        if word not in ("ok", "error"):
            raise ProcessFailed(f"{self.name}, asked to {verb}, replies {line!r}")
        fields = {key: urllib.parse.unquote(value) for key, _, value in (pair.partition("=") for pair in pairs)}
        self.leak_detector.add_secret(fields.get("value", ""))
        for key in fields.keys() - {"value"}:
            self._check_leak(f"in {key} of its reply to {verb}", fields[key])
        status = Status.OK if word == "ok" else Status(int(fields["status"]))
        if status and not _names_status(fields["type"], status):
            raise ProcessFailed(f"{self.name} reports {status.name} as {fields['type']}")
        return Reply(status, fields)

    def _check_leak(self, place: str, text: str) -> None:
        leak = self.leak_detector.find_leak(text)
        if leak:
            raise ProcessFailed(f"{self.name} leaks a secret {place}: …{leak}… in {text!r}")


def _encode(word: Word) -> str:
    return urllib.parse.quote(word if isinstance(word, bytes) else str(word), safe="")


def _names_status(type_name: str, status: Status) -> bool:
    """Whether a language's name for an error, such as ErrBadResponse or InternalError, names this status."""
    return status.name.replace("_", "").lower() in type_name.replace("_", "").lower()


def _timeout(timeout: Optional[int]) -> Word:
    return "default" if timeout is None else timeout
