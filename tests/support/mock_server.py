"""The mock server program as the scenarios use it: started on a free port, told what to do, asked what it received."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Union

from .languages import LIBRARIES, clean_environment
from .line_process import LineProcess

PROGRAM = LIBRARIES / "bankhub-mock-server"
CLIENT_ID = "conformance"
CLIENT_SECRET = "Zx8Kq2LmVw4Rt7Yb"
START_DEADLINE_S = 10
CONTROL_DEADLINE_S = 10
TLS_PORTS = 4
ALWAYS = 100
"""More answers than any scenario may ask for."""


Step = Union[str, Mapping[str, Any]]
"""What a connection sees instead of an answer."""

RESET: Step = "reset"


def send(text: str) -> Step:
    return {"send": text}


def repeat(text: str, *, times: int) -> Step:
    return {"repeat": {"text": text, "times": times}}


def drip(text: str, *, every_ms: int) -> Step:
    """Byte by byte."""
    return {"drip": {"text": text, "every_ms": every_ms}}


def pause_ms(count: int) -> Step:
    return {"pause_ms": count}


@dataclass(frozen=True)
class Request:
    """As it arrived. Names of headers in lower case; the length of a token request's body alone."""

    method: str
    path: str
    headers: Mapping[str, str]
    body_length: int = 0


@dataclass(frozen=True)
class Counters:
    """What the mock server received since it started."""

    token_requests: int
    token_requests_at_once_max: int
    tokens_issued: int
    unauthorized: int
    resource_requests: int
    last_token_request: Optional[Request]
    last_resource_request: Optional[Request]


class MockServer:
    """One for each scenario, so that nothing leaks in from a fetch that outlived the scenario before."""

    def __init__(
        self,
        *,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        address: str = "127.0.0.1",
        port: int = 0,
        ca_file: Optional[Path] = None,
    ) -> None:
        """At any free port, or at `port`. With a `ca_file` it listens with TLS, too, and writes there whom to trust."""
        self.client_id, self.client_secret, self.ca_file = client_id, client_secret, ca_file
        options = ["--client-id", client_id, "--client-secret", client_secret, "--until-eof"]
        options += ["--address", address, "--port", str(port)]
        if ca_file:
            options += ["--tls", str(ca_file)]
        self._process = LineProcess([str(PROGRAM), *options], clean_environment())
        self.url = self._process.read(START_DEADLINE_S)
        self.address = urllib.parse.urlsplit(self.url).netloc
        lines = [self._process.read(START_DEADLINE_S) for _ in range(TLS_PORTS if ca_file else 0)]
        self.tls = dict(line.split(" ") for line in lines)
        """The address of each certificate, by what is right or wrong with it."""

    @property
    def environment(self) -> dict[str, str]:
        """By which a program's cache is one for it."""
        return {
            "BANKHUB_CLIENT_ID": self.client_id,
            "BANKHUB_CLIENT_SECRET": self.client_secret,
            "BANKHUB_BASE_URL": self.url,
        }

    def settings(self, **settings: int) -> None:
        """Any of `ttl` (seconds), `latency_ms` and `end_old_token`."""
        self._control("settings", settings)

    def reset(self) -> None:
        """It is as it was at its start."""
        self._control("reset", {})

    def credentials(self, *, enabled: bool) -> None:
        self._control("credentials", {"enabled": enabled})

    def revoke(self) -> None:
        """All tokens end."""
        self._control("revoke", {})

    def answer(
        self, status: int, body: str = "", headers: Optional[Mapping[str, str]] = None, *, count: int = ALWAYS
    ) -> None:
        """The next `count` token requests are answered so."""
        self._control("responses", {"count": count, "status": status, "headers": dict(headers or {}), "body": body})

    def wire(self, *steps: Step, count: int = ALWAYS) -> None:
        """Instead of an answer, the next `count` connections with a token request see this."""
        self._control("raw-faults", {"count": count, "steps": steps})

    def counters(self) -> Counters:
        status, body = self._request("GET", "/mock/counters")
        assert status == 200, f"GET /mock/counters answers {status}: {body}"
        counters = json.loads(body)
        for last in ("last_token_request", "last_resource_request"):
            counters[last] = Request(**counters[last]) if counters[last] else None
        return Counters(**counters)

    def token_requests(self) -> int:
        return self.counters().token_requests

    def resource(self, token: str) -> int:
        """The status with which a resource answers `token`."""
        return self._request("GET", "/v1/company", headers={"Authorization": f"Bearer {token}"})[0]

    def kill(self) -> None:
        self._process.kill()

    def _control(self, action: str, body: Mapping[str, Any]) -> None:
        status, answer = self._request("POST", f"/mock/{action}", json.dumps(body))
        assert status == 204, f"POST /mock/{action} answers {status}: {answer}"

    def _request(
        self, method: str, path: str, body: Optional[str] = None, headers: Optional[Mapping[str, str]] = None
    ) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self.address, timeout=CONTROL_DEADLINE_S)
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()
