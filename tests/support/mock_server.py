"""Starts the mock server for a test, and controls it: settings, stub responses, raw faults, counters."""

from __future__ import annotations

import http.client
import json
import urllib.parse
from collections.abc import Mapping, Sequence
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
"""More responses than any test requests."""

FaultStep = Union[str, Mapping[str, Any]]
"""One step of a raw fault, which a connection gets instead of an HTTP response."""

RESET: FaultStep = "reset"


def send(text: str) -> FaultStep:
    return {"send": text}


def repeat(text: str, *, times: int) -> FaultStep:
    return {"repeat": {"text": text, "times": times}}


def drip(text: str, *, every_ms: int) -> FaultStep:
    """Byte by byte."""
    return {"drip": {"text": text, "every_ms": every_ms}}


def pause_ms(count: int) -> FaultStep:
    return {"pause_ms": count}


@dataclass(frozen=True)
class Request:
    """A request as it arrived. Header names are in lower case; only a token request has a body length."""

    method: str
    path: str
    headers: Mapping[str, str]
    body_length: int = 0


@dataclass(frozen=True)
class Counters:
    """The requests that the mock server received since its start or its last reset."""

    token_requests: int
    token_requests_at_once_max: int
    tokens_issued: int
    unauthorized: int
    resource_requests: int
    last_token_request: Optional[Request]
    last_resource_request: Optional[Request]


class MockServer:
    """A running mock server. Each test has its own, so that no fetch of an earlier test reaches it."""

    def __init__(
        self,
        *,
        client_id: str = CLIENT_ID,
        client_secret: str = CLIENT_SECRET,
        address: str = "127.0.0.1",
        port: int = 0,
        ca_file: Optional[Path] = None,
    ) -> None:
        """On any free port, or on `port`. With a `ca_file` it also listens with TLS, and writes its authority there."""
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
        """The address of each TLS port, by what is right or wrong with its certificate."""

    @property
    def environment(self) -> dict[str, str]:
        """The variables from which a program makes a cache for this server."""
        return {
            "BANKHUB_CLIENT_ID": self.client_id,
            "BANKHUB_CLIENT_SECRET": self.client_secret,
            "BANKHUB_BASE_URL": self.url,
        }

    def settings(self, **settings: int) -> None:
        """Any of `ttl` (seconds), `latency_ms` and `end_old_token`."""
        self._control("settings", settings)

    def reset(self) -> None:
        """Back to its state at the start."""
        self._control("reset", {})

    def credentials(self, **changes: Union[bool, Sequence[str]]) -> None:
        """Any of `enabled`, and `secrets`: those that are accepted."""
        self._control("credentials", changes)

    def revoke(self) -> None:
        """Ends all tokens."""
        self._control("revoke", {})

    def respond(
        self, status: int, body: str = "", headers: Optional[Mapping[str, str]] = None, *, count: int = ALWAYS
    ) -> None:
        """Sends this response to the next `count` token requests."""
        self._control("responses", {"count": count, "status": status, "headers": dict(headers or {}), "body": body})

    def raw_fault(self, *steps: FaultStep, count: int = ALWAYS) -> None:
        """Performs the steps on the next `count` connections with a token request, instead of a response."""
        self._control("raw-faults", {"count": count, "steps": steps})

    def counters(self) -> Counters:
        status, body = self._request("GET", "/mock/counters")
        assert status == 200, f"GET /mock/counters responds {status}: {body}"
        counters = json.loads(body)
        for last in ("last_token_request", "last_resource_request"):
            counters[last] = Request(**counters[last]) if counters[last] else None
        return Counters(**counters)

    def token_requests(self) -> int:
        return self.counters().token_requests

    def resource(self, token: str) -> int:
        """The HTTP status that a resource returns for `token`."""
        return self._request("GET", "/v1/company", headers={"Authorization": f"Bearer {token}"})[0]

    def kill(self) -> None:
        self._process.kill()

    def _control(self, action: str, body: Mapping[str, Any]) -> None:
        status, text = self._request("POST", f"/mock/{action}", json.dumps(body))
        assert status == 204, f"POST /mock/{action} responds {status}: {text}"

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
