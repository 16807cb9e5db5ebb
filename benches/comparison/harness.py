"""Runs one measurement: a library's caller, started anew, against a mock server that answers slowly."""

from __future__ import annotations

import json
import time
from typing import NamedTuple

from libraries import Library
from support.languages import ROOT, clean_environment
from support.line_process import LineProcess
from support.mock_server import MockServer

LATENCY_MS = 200
LONG_TTL = 60_000
OUTAGE_ANSWERS = 100_000
"""More than a minute's; the mock server stores no more."""

LEAD_S = 0.1
"""How long after it has read its plan a caller starts."""

MARGIN_S = 0.3
"""For what happens a little late."""

ANSWER_DEADLINE_S = 120
"""After the last call was due: callers that queue behind each other take long."""


class Plan(NamedTuple):
    """When to call: thread number i at i times `apart_ms`, and every `period_ms` after that, until the end."""

    threads: int
    apart_ms: float
    period_ms: float
    seconds: float

    @classmethod
    def burst(cls, threads: int) -> Plan:
        """Each calls once, all at the same time."""
        return cls(threads, apart_ms=0, period_ms=1000, seconds=1)

    @classmethod
    def staggered(cls, threads: int, *, period_ms: float, seconds: float) -> Plan:
        """One after the other, evenly over each period."""
        return cls(threads, period_ms / threads, period_ms, seconds)


class Call(NamedTuple):
    """When it was due, how long it took from then on, and whether it returned a token."""

    due_ms: float
    took_ms: float
    served: bool


class Harness:
    """Nobody else uses the mock server while the measurement runs."""

    def __init__(self, library: Library, mock_server: MockServer) -> None:
        self.library = library
        self.mock_server = mock_server
        environment = {
            **clean_environment(),
            **self.mock_server.environment,
            "PYTHONPATH": str(ROOT / "bindings" / "python" / "src"),
        }
        self._caller = LineProcess(library.command, environment)
        self._first_requests = 0
        self._first_token_at = time.monotonic()
        self.calls(Plan.burst(0))  # ends once the caller has started
        # Not before that, so that the last requests of the caller before it, which was killed, are not counted.
        self.mock_server.reset()
        self.mock_server.settings(latency_ms=LATENCY_MS)

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, *_: object) -> None:
        self._caller.kill()

    def first_token(self, ttl: int, *, next_ttl: int = LONG_TTL) -> None:
        """Has the library fetch a token with this ttl; the next tokens live longer."""
        self.mock_server.settings(ttl=ttl)
        self.burst(1)
        self._first_token_at = time.monotonic()
        self.mock_server.settings(ttl=next_ttl)
        self._first_requests = self.requests()

    def due_token(self) -> None:
        """Has the library fetch a token and waits until it is due, but still valid."""
        self.first_token(self.library.soon_due.ttl)
        time.sleep(self._first_token_at + self.library.soon_due.due_s + MARGIN_S - time.monotonic())

    def valid_s(self) -> float:
        """For how long that token will be valid, at least."""
        return self._first_token_at + self.library.soon_due.end_s - MARGIN_S - time.monotonic()

    def outage(self) -> None:
        """From now on the endpoint answers 503, as slowly as before."""
        self.mock_server.respond(503, count=OUTAGE_ANSWERS)

    def burst(self, callers: int) -> list[Call]:
        """The call of each. All of them must be served."""
        calls = [call for thread in self.calls(Plan.burst(callers)) for call in thread]
        assert all(call.served for call in calls), f"{self.library.name} returned no token"
        return calls

    def calls(self, plan: Plan) -> list[list[Call]]:
        """The result of each thread, when all of them have ended."""
        self.begin(plan)
        return self.end(plan)

    def begin(self, plan: Plan) -> None:
        """Has the caller start on a plan."""
        numbers = (plan.threads, plan.apart_ms, plan.period_ms, plan.seconds * 1e3)
        self._caller.write(" ".join(map(str, numbers)))

    def end(self, plan: Plan) -> list[list[Call]]:
        """The calls of each thread of the plan that was begun."""
        answer = self._caller.read(plan.seconds + ANSWER_DEADLINE_S)
        return [[Call(*call) for call in thread] for thread in json.loads(answer)]

    def requests(self) -> int:
        """Token requests since the first token, those under way included."""
        time.sleep(MARGIN_S)
        return self.mock_server.token_requests() - self._first_requests
