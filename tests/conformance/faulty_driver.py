"""A driver that lies: runs a real one, and falsifies what it says or does. test_liar.py has the suite notice.

liar.py LIE COMMAND...
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Callable

Reply = list[str]
"""The lines of one answer."""


class Real:
    """The driver that knows the truth."""

    def __init__(self, command: Sequence[str]) -> None:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert process.stdin is not None and process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.greeting = self._line()

    def ask(self, request: str) -> Reply:
        print(request, file=self._stdin, flush=True)
        first = self._line()
        joined = int(first.rpartition("count=")[2]) if request == "join" else 0
        return [first, *(self._line() for _ in range(joined))]

    def end(self) -> int:
        self._stdin.close()
        return self._process.wait()

    def _line(self) -> str:
        return self._stdout.readline().rstrip("\n")


def replacing(verb: str, field: str, falsify: Callable[[str], str]) -> Callable[[Real, str], Reply]:
    """Another value for `field` in every answer to `verb`."""

    def false(word: str) -> str:
        name, equals, value = word.partition("=")
        return f"{name}={falsify(value)}" if equals and name == field else word

    def lie(real: Real, request: str) -> Reply:
        reply = real.ask(request)
        if request.split(" ")[0] != verb:
            return reply
        return [" ".join(false(word) for word in line.split(" ")) for line in reply]

    return lie


def one_more(value: str) -> str:
    return str(int(value) + 1)


def pretending(verb: str) -> Callable[[Real, str], Reply]:
    """Never does `verb`, and says that it did."""

    def lie(real: Real, request: str) -> Reply:
        return ["ok"] if request.split(" ")[0] == verb else real.ask(request)

    return lie


def truth(real: Real, request: str) -> Reply:
    return real.ask(request)


def always_the_first_token(real: Real, request: str) -> Reply:
    """As a cache that forgets to look whether its string is still good."""
    reply = real.ask(request)
    verb, cache, *_ = [*request.split(" "), ""]
    if verb in ("get", "token") and reply[0].startswith("ok"):
        return [FIRST_ANSWERS.setdefault(f"{verb} {cache}", reply[0])]
    return reply


FIRST_ANSWERS: dict[str, str] = {}


def a_cache_for_every_get(real: Real, request: str) -> Reply:
    """As a wrapper that keeps nothing: every call fetches a token of its own."""
    verb, name, *rest = [*request.split(" "), ""]
    if verb == "new":
        MADE[name] = request
    if verb == "get" and name in MADE:
        GETS.append(name)
        fresh = f"{name}-{len(GETS)}"
        real.ask(MADE[name].replace(f"new {name}", f"new {fresh}", 1))
        return real.ask(f"get {fresh} {rest[0]}")
    return real.ask(request)


MADE: dict[str, str] = {}
GETS: list[str] = []


def refused_and_unavailable_swapped(real: Real, request: str) -> Reply:
    swapped = {"status=2": "status=4", "status=4": "status=2"}
    return [" ".join(swapped.get(word, word) for word in line.split(" ")) for line in real.ask(request)]


def errors_swallowed(real: Real, request: str) -> Reply:
    return [line if line.startswith("ok") else "ok value=x" for line in real.ask(request)]


def the_secret_in_every_error(real: Real, request: str) -> Reply:
    if "client_secret=" in request:
        SECRETS.append(request.partition("client_secret=")[2].split(" ")[0])
    reply = real.ask(request)
    return [f"{line}%20{SECRETS[-1]}" if line.startswith("error") and SECRETS else line for line in reply]


SECRETS: list[str] = []


def never_an_answer(real: Real, request: str) -> Reply:
    if request.startswith("get"):
        time.sleep(3600)
    return real.ask(request)


LIES: Mapping[str, Callable[[Real, str], Reply]] = {
    "truth": truth,
    "always-the-first-token": always_the_first_token,
    "a-cache-for-every-get": a_cache_for_every_get,
    "generation-wrong": replacing("token", "generation", one_more),
    "expires-at-in-milliseconds": replacing("token", "expires_at", lambda value: f"{value}000"),
    "offset-wrong": replacing("layout", "offsetof.bankhub_error.message", one_more),
    "size-wrong": replacing("layout", "sizeof.bankhub_stats", one_more),
    "constant-wrong": replacing("layout", "const.BANKHUB_CLOSED", one_more),
    "url-wrong": replacing("layout", "const.BANKHUB_PRODUCTION_URL", lambda value: value + "x"),
    "waiters-wrong": replacing("stats", "waiters", lambda value: "0"),
    "type-wrong": replacing("get", "type", lambda value: "Closed"),
    "http-status-lost": replacing("get", "http_status", lambda value: "0"),
    "refused-and-unavailable-swapped": refused_and_unavailable_swapped,
    "errors-swallowed": errors_swallowed,
    "the-secret-in-every-error": the_secret_in_every_error,
    "invalidate-not-done": pretending("invalidate"),
    "close-not-done": pretending("close"),
    "never-an-answer": never_an_answer,
}


def main() -> int:
    lie, *command = sys.argv[1:]
    real = Real(command)
    print(real.greeting, flush=True)
    for request in sys.stdin:
        for line in LIES[lie](real, request.rstrip("\n")):
            print(line, flush=True)
    return real.end()


if __name__ == "__main__":
    sys.exit(main())
