"""The HTTP adapters of all languages, each behind a program that sends what a scenario asks for."""

from __future__ import annotations

import sys
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass

from support.languages import BUILD, CONFORMANCE, ROOT, Language, binary, clean_environment
from support.leak_detector import Secrecy
from support.line_process import LineProcess, ProcessFailed
from support.mock_server import MockServer

DEADLINE_S = 20
"""For one answer: a request of a caller may take 10 s."""


def _python(name: str) -> Language:
    script = CONFORMANCE / "http_clients" / "client.py"
    return Language(sys.executable, (script,), {"PYTHONPATH": str(ROOT / "bindings/python/src")}, (name,))


CALLERS: Mapping[str, Language] = {
    "c": binary(BUILD / "http-client-c"),
    "cpp": binary(BUILD / "http-client-cpp"),
    "requests": _python("requests"),
    "httpx": _python("httpx"),
    "httpx-async": _python("httpx-async"),
    "go": binary(BUILD / "http-client-go"),
    "csharp": Language(program="mono", files=(BUILD / "http-client-csharp.exe", BUILD / "BankHub.dll")),
}


@dataclass(frozen=True)
class Answer:
    """What came of one request, or of another thing that was asked for."""

    fields: Mapping[str, str]

    @property
    def status(self) -> int:
        """Of HTTP; 0: the call failed."""
        return int(self.fields.get("status", 0))

    @property
    def body(self) -> str:
        return self.fields["body"]

    @property
    def error(self) -> str:
        """What the language calls the failure, in small letters; empty: there was none."""
        return self.fields.get("type", "").lower()

    def number(self, field: str) -> int:
        return int(self.fields[field])


class Caller:
    """A running program with a cache for the mock server, for which its environment may say more."""

    def __init__(self, name: str, mock_server: MockServer, **config: str) -> None:
        language = CALLERS[name]
        self.name = name
        self._mock_server = mock_server
        self._secrecy = Secrecy()
        self._secrecy.keep_credentials(mock_server.client_id, mock_server.client_secret)
        environment = {
            **clean_environment(),
            **language.environment,
            **mock_server.environment,
            **{f"BANKHUB_{field.upper()}": text for field, text in config.items()},
        }
        self._process = LineProcess(language.command, environment)
        greeting = self._process.read(DEADLINE_S)
        if greeting != f"ready {name}":
            raise ProcessFailed(f"{name} greets with {greeting!r}")

    def send(self, url: str, *, method: str = "GET", text: str = "", once: str = "") -> Answer:
        """One request; `once` is a body that cannot be sent again."""
        return self.ask("send", method, url, *_body(text, once))

    def start(self, count: int, url: str) -> None:
        """So many at once; their answers come from `join`."""
        self.ask("start", str(count), "GET", url)

    def join(self) -> list[Answer]:
        count = self.ask("join").number("count")
        return [self._parse(self._process.read(DEADLINE_S)) for _ in range(count)]

    def ask(self, verb: str, *words: object) -> Answer:
        """In the words of PROTOCOL.md."""
        self._process.write(" ".join([verb, *(urllib.parse.quote(str(word), safe="=") for word in words)]))
        answer = self._process.read(DEADLINE_S)
        seen = self._mock_server.counters().last_resource_request
        if seen:
            self._secrecy.keep(seen.headers.get("authorization", "").removeprefix("Bearer "))
        return self._parse(answer)

    def end(self) -> None:
        """Ends the input; the program must end too, cleanly, and without a secret on its standard error."""
        self._process.end(DEADLINE_S)
        self._search(self._process.stderr())

    def kill(self) -> None:
        self._process.kill()

    def _parse(self, line: str) -> Answer:
        self._search(urllib.parse.unquote(line))
        word, *pairs = line.split(" ")
        if word not in ("ok", "error"):
            raise ProcessFailed(f"{self.name} answers {line!r}")
        return Answer({key: urllib.parse.unquote(value) for key, _, value in (pair.partition("=") for pair in pairs)})

    def _search(self, text: str) -> None:
        leak = self._secrecy.leak(text)
        assert not leak, f"{self.name} says a secret: …{leak}…"


def _body(text: str, once: str) -> list[str]:
    return [f"text={text}"] if text else [f"once={once}"] if once else []
