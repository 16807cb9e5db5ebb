"""The HTTP clients of PROTOCOL.md: for each HTTP adapter, a program that sends requests for the scenarios."""

from __future__ import annotations

import sys
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from support.languages import BUILD, CONFORMANCE, ROOT, Language, binary, clean_environment
from support.leak_detector import LeakDetector
from support.line_process import LineProcess, ProcessFailed
from support.mock_server import MockServer

DEADLINE_S = 20
"""For one reply: an HTTP request may take 10 s."""


def _python(name: str) -> Language:
    script = CONFORMANCE / "http_clients" / "client.py"
    return Language(sys.executable, (script,), {"PYTHONPATH": str(ROOT / "bindings/python/src")}, (name,))


HTTP_CLIENTS: Mapping[str, Language] = {
    "c": binary(BUILD / "http-client-c"),
    "cpp": binary(BUILD / "http-client-cpp"),
    "requests": _python("requests"),
    "httpx": _python("httpx"),
    "httpx-async": _python("httpx-async"),
    "go": binary(BUILD / "http-client-go"),
    "csharp": Language(program="mono", files=(BUILD / "http-client-csharp.exe", BUILD / "BankHub.dll")),
}


@dataclass(frozen=True)
class Reply:
    """The result of one request."""

    fields: Mapping[str, str]

    @property
    def status(self) -> int:
        """The HTTP status; 0 if the call failed."""
        return int(self.fields.get("status", 0))

    @property
    def body(self) -> str:
        return self.fields["body"]

    @property
    def error(self) -> str:
        """The language's name for the error, in lower case; empty if there was none."""
        return self.fields.get("type", "").lower()

    def number(self, field: str) -> int:
        return int(self.fields[field])


class HttpClient:
    """A running program with a cache for the mock server; `config` adds to its environment."""

    def __init__(self, name: str, mock_server: MockServer, **config: str) -> None:
        language = HTTP_CLIENTS[name]
        self.name = name
        self._mock_server = mock_server
        self._leak_detector = LeakDetector()
        self._leak_detector.add_credentials(mock_server.client_id, mock_server.client_secret)
        environment = {
            **clean_environment(),
            **language.environment,
            **mock_server.environment,
            **{f"BANKHUB_{field.upper()}": text for field, text in config.items()},
        }
        self._process = LineProcess(language.command, environment)
        first = self._process.read(DEADLINE_S)
        if first != f"ready {name}":
            raise ProcessFailed(f"{name} starts with {first!r}")

    def send(self, url: str, *, method: str = "GET", text: str = "", once: str = "") -> Reply:
        """Sends one request; `once` is a body that cannot be sent again."""
        return self.ask("send", method, url, *_body(text, once))

    def start(self, count: int, url: str) -> None:
        """Starts `count` requests at once; `join` returns their replies."""
        self.ask("start", str(count), "GET", url)

    def join(self) -> list[Reply]:
        count = self.ask("join").number("count")
        return [self._parse(self._process.read(DEADLINE_S)) for _ in range(count)]

    def ask(self, verb: str, *words: object) -> Reply:
        """Sends one line of PROTOCOL.md."""
        self._process.write(" ".join([verb, *(urllib.parse.quote(str(word), safe="=") for word in words)]))
        line = self._process.read(DEADLINE_S)
        last = self._mock_server.counters().last_resource_request
        if last:
            self._leak_detector.add_secret(last.headers.get("authorization", "").removeprefix("Bearer "))
        return self._parse(line)

    def end(self) -> None:
        """Ends its input. The program must then end with code 0, without a secret on its standard error."""
        self._process.end(DEADLINE_S)
        self._check_leak(self._process.stderr())

    def kill(self) -> None:
        self._process.kill()

    def _parse(self, line: str) -> Reply:
        self._check_leak(urllib.parse.unquote(line))
        word, *pairs = line.split(" ")
        if word not in ("ok", "error"):
            raise ProcessFailed(f"{self.name} replies {line!r}")
        return Reply({key: urllib.parse.unquote(value) for key, _, value in (pair.partition("=") for pair in pairs)})

    def _check_leak(self, text: str) -> None:
        leak = self._leak_detector.find_leak(text)
        assert not leak, f"{self.name} leaks a secret: …{leak}…"


def _body(text: str, once: str) -> list[str]:
    return [f"text={text}"] if text else [f"once={once}"] if once else []
