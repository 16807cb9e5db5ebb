"""A driver with a fault on purpose: runs a real driver and changes its replies. test_faulty_driver.py uses it.

faulty_driver.py FAULT COMMAND...
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Callable

Reply = list[str]
"""The lines of one reply."""


class RealDriver:
    """The driver without a fault."""

    def __init__(self, command: Sequence[str]) -> None:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
        assert process.stdin is not None and process.stdout is not None
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.first_line = self._line()

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


Fault = Callable[[RealDriver, str], Reply]
"""Returns the reply to one request."""


def replace_field(verb: str, field: str, change: Callable[[str], str]) -> Fault:
    """Changes the value of `field` in every reply to `verb`."""

    def changed(word: str) -> str:
        name, equals, value = word.partition("=")
        return f"{name}={change(value)}" if equals and name == field else word

    def fault(real: RealDriver, request: str) -> Reply:
        reply = real.ask(request)
        if request.split(" ")[0] != verb:
            return reply
        return [" ".join(changed(word) for word in line.split(" ")) for line in reply]

    return fault


def one_more(value: str) -> str:
    return str(int(value) + 1)


def skip(verb: str) -> Fault:
    """Never does `verb`, but replies ok."""

    def fault(real: RealDriver, request: str) -> Reply:
        return ["ok"] if request.split(" ")[0] == verb else real.ask(request)

    return fault


def no_fault(real: RealDriver, request: str) -> Reply:
    return real.ask(request)


def always_the_first_token(real: RealDriver, request: str) -> Reply:
    """A wrapper that keeps its string and never checks whether it is still current."""
    reply = real.ask(request)
    verb, cache, *_ = [*request.split(" "), ""]
    if verb in ("get", "token") and reply[0].startswith("ok"):
        return [FIRST_REPLIES.setdefault(f"{verb} {cache}", reply[0])]
    return reply


FIRST_REPLIES: dict[str, str] = {}


def a_cache_for_every_get(real: RealDriver, request: str) -> Reply:
    """A wrapper that makes a cache for every call, so that each call fetches a token."""
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


def refused_and_unavailable_swapped(real: RealDriver, request: str) -> Reply:
    swapped = {"status=2": "status=4", "status=4": "status=2"}
    return [" ".join(swapped.get(word, word) for word in line.split(" ")) for line in real.ask(request)]


def errors_swallowed(real: RealDriver, request: str) -> Reply:
    return [line if line.startswith("ok") else "ok value=x" for line in real.ask(request)]


def the_secret_in_every_error(real: RealDriver, request: str) -> Reply:
    if "client_secret=" in request:
        SECRETS.append(request.partition("client_secret=")[2].split(" ")[0])
    reply = real.ask(request)
    return [f"{line}%20{SECRETS[-1]}" if line.startswith("error") and SECRETS else line for line in reply]


SECRETS: list[str] = []


def no_reply(real: RealDriver, request: str) -> Reply:
    if request.startswith("get"):
        time.sleep(3600)
    return real.ask(request)


FAULTS: Mapping[str, Fault] = {
    "no-fault": no_fault,
    "always-the-first-token": always_the_first_token,
    "a-cache-for-every-get": a_cache_for_every_get,
    "generation-wrong": replace_field("token", "generation", one_more),
    "expires-at-in-milliseconds": replace_field("token", "expires_at", lambda value: f"{value}000"),
    "offset-wrong": replace_field("layout", "offsetof.bankhub_error.message", one_more),
    "size-wrong": replace_field("layout", "sizeof.bankhub_stats", one_more),
    "constant-wrong": replace_field("layout", "const.BANKHUB_CLOSED", one_more),
    "url-wrong": replace_field("layout", "const.BANKHUB_PRODUCTION_URL", lambda value: value + "x"),
    "waiters-wrong": replace_field("stats", "waiters", lambda value: "0"),
    "type-wrong": replace_field("get", "type", lambda value: "Closed"),
    "http-status-lost": replace_field("get", "http_status", lambda value: "0"),
    "refused-and-unavailable-swapped": refused_and_unavailable_swapped,
    "errors-swallowed": errors_swallowed,
    "the-secret-in-every-error": the_secret_in_every_error,
    "invalidate-skipped": skip("invalidate"),
    "close-skipped": skip("close"),
    "no-reply": no_reply,
}


def main() -> int:
    fault, *command = sys.argv[1:]
    real = RealDriver(command)
    print(real.first_line, flush=True)
    for request in sys.stdin:
        for line in FAULTS[fault](real, request.rstrip("\n")):
            print(line, flush=True)
    return real.end()


if __name__ == "__main__":
    sys.exit(main())
