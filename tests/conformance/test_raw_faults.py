"""Faults below HTTP: responses that break off, never end, or are no HTTP. A call ends in time, and its error says why.

Only C runs these scenarios, because no wrapper is involved.
"""

from __future__ import annotations

import contextlib
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest

from support.driver_process import Cache, Driver, Status
from support.mock_server import RESET, FaultStep, MockServer, drip, pause_ms, repeat, send
from support.waiting import at_most

from .conftest import NewCache, new_tls_cache

only_c = pytest.mark.only("c", because="only the core handles connections")

REQUEST_TIMEOUT_MS = 1_000
SLACK_MS = 1_500
"""For the grace period of an overdue request, and for a busy machine."""

TOKEN_BODY = '{"code":201,"access_token":"5e79079684d93027ed1d7e414b04543b1d6ef164","ttl":60000}'
HEAD = "HTTP/1.1 201 Created\r\nContent-Type: application/json\r\n"
MIB, GIB = 1 << 20, 1 << 30
REQUESTS_PER_FETCH = 3


def response(body: str, *headers: str, status: str = "201 Created") -> FaultStep:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body.encode())}", "", body]
    return send("\r\n".join(lines))


@dataclass(frozen=True)
class Fault:
    """The steps of a raw fault, the status that follows, and words of its message."""

    name: str
    steps: list[FaultStep]
    status: Status
    words: str
    http_status: int = 0


def unavailable(name: str, words: str, *steps: FaultStep, http_status: int = 0) -> Fault:
    return Fault(name, list(steps), Status.UNAVAILABLE, words, http_status)


def bad(name: str, words: str, *steps: FaultStep, http_status: int = 0) -> Fault:
    return Fault(name, list(steps), Status.BAD_RESPONSE, words, http_status)


FAULTS = [
    unavailable("closed at once", "closed the connection"),
    unavailable("reset at once", "reset", RESET),
    unavailable("silence", "in time", pause_ms(10_000)),
    unavailable("head in drips", "in time", drip(HEAD * 10, every_ms=20)),
    unavailable("half a head", "closed the connection", send(HEAD)),
    unavailable("half a head, then silence", "in time", send(HEAD), pause_ms(10_000)),
    unavailable("half a body", "closed the connection", send(f"{HEAD}Content-Length: 100\r\n\r\n{TOKEN_BODY[:20]}")),
    unavailable(
        "half a body, reset", "the connection", send(f"{HEAD}Content-Length: 100\r\n\r\n"), pause_ms(50), RESET
    ),
    unavailable("body in drips", "in time", send(f"{HEAD}Content-Length: 1000\r\n\r\n"), drip(TOKEN_BODY, every_ms=50)),
    unavailable("endless interim responses", "in time", drip("HTTP/1.1 100 Continue\r\n\r\n" * 10, every_ms=10)),
    bad("another protocol", "not HTTP", send("SSH-2.0-OpenSSH_9.2\r\n")),
    bad("a page without a head", "not HTTP", send("<html><body>Welcome</body></html>")),
    bad("a status that is none", "not HTTP", send("HTTP/1.1 9999 What\r\n\r\n")),
    bad("a flood of headers", "too many headers", send(HEAD), repeat("X-Flood: 0123456789abcdef\r\n", times=GIB // 27)),
    bad("one header without end", "head", send(f"{HEAD}X-Flood: "), repeat("0123456789abcdef", times=GIB // 16)),
    bad(
        "a body of 1 GiB",
        "is larger than",
        send(f"{HEAD}Content-Length: {GIB}\r\n\r\n"),
        repeat(" " * 1024, times=GIB // 1024),
    ),
    bad(
        "a body without end",
        "is larger than",
        send(f"{HEAD}Connection: close\r\n\r\n"),
        repeat(" " * 1024, times=GIB // 1024),
    ),
    bad(
        "chunks without end",
        "is larger than",
        send(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n"),
        repeat("1\r\n \r\n", times=GIB),
    ),
    bad(
        "compressed unasked",
        "compressed (gzip)",
        response("\x1f\x8b\x08 not JSON", "Content-Encoding: gzip"),
        http_status=201,
    ),
    bad(
        "a redirect",
        "redirect",
        response("", "Location: http://127.0.0.1:1/v1/token", status="302 Found"),
        http_status=302,
    ),
    bad("nesting without end", "JSON", response("[" * 60_000), http_status=201),
    bad("nesting in a key", "JSON", response('{"more":' * 6_000), http_status=201),
]


@only_c
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_reports_a_fault_in_time(new_cache: NewCache, mock_server: MockServer, fault: Fault) -> None:
    mock_server.raw_fault(*fault.steps)
    cache = new_cache(request_timeout_ms=REQUEST_TIMEOUT_MS)
    with at_most(REQUEST_TIMEOUT_MS + SLACK_MS, fault.name):
        error = cache.get().expect(fault.status)
    assert fault.words in error.message, error.message
    assert "127.0.0.1" in error.message, "an operator wants to know which host"
    assert error.http_status == (fault.http_status or error.http_status)
    assert 1 <= mock_server.token_requests() <= REQUESTS_PER_FETCH


@only_c
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_ends_a_flood_of_interim_responses(driver: Driver, tls_mock_server: MockServer, scheme: str) -> None:
    tls_mock_server.raw_fault(repeat("HTTP/1.1 100 Continue\r\n\r\n", times=GIB // 25))
    cache = cache_of(
        driver, tls_mock_server, {"http": tls_mock_server.url, "https": tls_mock_server.tls["right"]}[scheme]
    )
    with at_most(REQUEST_TIMEOUT_MS + SLACK_MS, "the flood"):
        error = cache.get()
    # Which one depends on whether it reaches the header limit or the timeout first.
    assert error.status in (Status.BAD_RESPONSE, Status.UNAVAILABLE)


@only_c
def test_does_not_buffer_an_endless_response(driver: Driver, new_cache: NewCache, mock_server: MockServer) -> None:
    endless = [fault for fault in FAULTS if "without end" in fault.name or "GiB" in fault.name]
    assert len(endless) > 3
    mock_server.raw_fault(response("not JSON"), count=1)
    new_cache().get().expect(Status.BAD_RESPONSE)
    before = driver.peak_memory_bytes()
    for fault in endless:
        mock_server.raw_fault(*fault.steps, count=1)
        new_cache().get().expect(fault.status)
    assert driver.peak_memory_bytes() - before < MIB


@only_c
def test_ends_a_connection_that_is_never_accepted(driver: Driver) -> None:
    with contextlib.ExitStack() as sockets:
        listener = sockets.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):  # more than the backlog: from now on the system accepts no connection
            waiting = sockets.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        cache = driver.new(client_id="id", client_secret="a secret", base_url=url, connect_timeout_ms=200)
        with at_most(3 * 200 + SLACK_MS, "connecting"):
            error = cache.get().expect(Status.UNAVAILABLE)
    assert "in time" in error.message and "connect" in error.message, error.message


GOOD = {
    "a byte-order mark": [response("\ufeff" + TOKEN_BODY)],
    "the older shape": [response('{"code":200,"data":{"access_token":"5e790796","ttl":"60000"}}', status="200 OK")],
    "both lengths": [
        send(
            f"{HEAD}Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n"
            f"{len(TOKEN_BODY):x}\r\n{TOKEN_BODY}\r\n0\r\n\r\n"
        )
    ],
    "more than its length": [response(TOKEN_BODY), send("HTTP/1.1 500 Surprise\r\n\r\n")],
    "no length": [send(f"{HEAD}Connection: close\r\n\r\n{TOKEN_BODY}")],
    "after interim responses": [send("HTTP/1.1 100 Continue\r\n\r\n" * 2), response(TOKEN_BODY)],
    "in drips that end in time": [drip(f"{HEAD}Content-Length: {len(TOKEN_BODY)}\r\n\r\n{TOKEN_BODY}", every_ms=1)],
}


@only_c
@pytest.mark.parametrize("name", GOOD, ids=lambda name: name.replace(" ", "-"))
def test_accepts_an_unusual_but_valid_response(new_cache: NewCache, mock_server: MockServer, name: str) -> None:
    mock_server.raw_fault(*GOOD[name], count=1)
    assert new_cache().get().ok().value.startswith("5e790796")
    assert mock_server.token_requests() == 1


def cache_of(driver: Driver, mock_server: MockServer, url: str) -> Cache:
    return new_tls_cache(driver, mock_server, url, request_timeout_ms=REQUEST_TIMEOUT_MS)


@only_c
def test_connects_to_an_ipv6_address(driver: Driver, tmp_path: Path) -> None:
    mock_server = MockServer(address="::1", ca_file=tmp_path / "ca.pem")
    assert mock_server.url.startswith("http://[::1]:")
    cache_of(driver, mock_server, mock_server.url).get().ok()
    cache_of(driver, mock_server, mock_server.tls["right"].replace("localhost", "[::1]")).get().ok()
    error = cache_of(driver, mock_server, mock_server.tls["wrong-host"].replace("localhost", "[::1]")).get()
    assert "[::1]" in error.expect(Status.UNAVAILABLE).message
    mock_server.kill()


@only_c
@pytest.mark.parametrize(
    ("certificate", "words"),
    [("wrong-host", "elsewhere.invalid"), ("expired", "expired"), ("self-signed", "not signed by a trusted authority")],
)
def test_rejects_a_wrong_certificate(driver: Driver, tls_mock_server: MockServer, certificate: str, words: str) -> None:
    error = cache_of(driver, tls_mock_server, tls_mock_server.tls[certificate]).get().expect(Status.UNAVAILABLE)
    assert "localhost failed the TLS handshake" in error.message and words in error.message, error.message
    assert tls_mock_server.token_requests() == 0, "the credentials were sent to a server without a valid certificate"


@only_c
def test_https_to_an_http_port_is_unavailable(driver: Driver, tls_mock_server: MockServer) -> None:
    url = tls_mock_server.url.replace("http://", "https://")
    error = cache_of(driver, tls_mock_server, url).get().expect(Status.UNAVAILABLE)
    assert "TLS" in error.message, error.message
    assert tls_mock_server.token_requests() == 0


@only_c
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name.replace(" ", "-"))
def test_reports_a_fault_within_tls(driver: Driver, tls_mock_server: MockServer, fault: Fault) -> None:
    tls_mock_server.raw_fault(*fault.steps)
    cache = cache_of(driver, tls_mock_server, tls_mock_server.tls["right"])
    with at_most(REQUEST_TIMEOUT_MS + SLACK_MS, fault.name):
        error = cache.get().expect(fault.status)
    assert "localhost" in error.message
    assert 1 <= tls_mock_server.token_requests() <= REQUESTS_PER_FETCH
