"""Responses that only a hostile or broken server sends, and one for which a process was stopped."""

from __future__ import annotations

import signal
import time

import pytest

from support.driver_process import Driver, Status
from support.mock_server import MockServer
from support.raw_server import TOKEN_BODY, RawServer
from support.waiting import at_most, wait_until

from .conftest import cache_of

LIMIT_BYTES = 1024 * 1024
SYSTEM_BUFFERS_BYTES = 16 * LIMIT_BYTES
"""The system takes so much from the server before the library has read it."""
CHUNKED = f"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n{len(TOKEN_BODY):x}\r\n{TOKEN_BODY}\r\n"


@pytest.mark.parametrize(
    ("response", "endless"),
    [
        (f"{CHUNKED}0\r\n", "X-Trailer: value\r\n"),
        ("", "HTTP/1.1 100 Continue\r\n\r\n"),
        ("", "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
        ("HTTP/1.1 201 Created\r\n", "X-Header: value\r\n"),
        ("HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n", "1;extension=value\r\n \r\n"),
        ("HTTP/1.1 201 Created\r\n\r\n", " "),
    ],
    ids=["trailers", "continue", "hints", "headers", "chunks", "body"],
)
def test_an_endless_response_ends_at_a_limit(
    driver: Driver, raw_server: RawServer, response: str, endless: str
) -> None:
    raw_server.response, raw_server.endless = response.encode(), endless.encode() * 1000
    with at_most(8000, "get"):  # the request may take 10 s
        reply = cache_of(driver, raw_server.url).get()
    if reply.status != Status.OK:
        reply.expect(Status.BAD_RESPONSE)
    assert raw_server.sent_bytes < LIMIT_BYTES + SYSTEM_BUFFERS_BYTES
    assert len(raw_server.received) == 1


@pytest.mark.parametrize("interim", ["", "HTTP/1.1 103 Early Hints\r\nLink: <a>,\r\n <b>\r\n\r\n" * 2])
@pytest.mark.parametrize("fold", ["\r\n ", "\r\n\t", "\r\n   \t", "\n "])
def test_a_folded_header_is_one_header(driver: Driver, raw_server: RawServer, fold: str, interim: str) -> None:
    head = f"{interim}HTTP/1.1 201 Created\r\nX-Folded: one,{fold}two\r\nContent-Length:{fold}{len(TOKEN_BODY)}\r\n\r\n"
    raw_server.response = (head + TOKEN_BODY).encode()
    assert cache_of(driver, raw_server.url).get().ok().value == "from-a-raw-server"


@pytest.mark.parametrize(("status", "expected"), [(401, Status.UNAUTHENTICATED), (429, Status.RATE_LIMITED)])
def test_a_refusal_with_many_headers_is_a_refusal(
    driver: Driver, raw_server: RawServer, status: int, expected: Status
) -> None:
    headers = "".join(f"X-Header-{number}: value\r\n" for number in range(300))
    raw_server.response = f"HTTP/1.1 {status} No\r\n{headers}Retry-After: 77\r\nContent-Length: 0\r\n\r\n".encode()
    error = cache_of(driver, raw_server.url).get().expect(expected)
    assert error.retry_after_ms > 70_000, "the last header counts"


def test_a_server_without_http_is_recognised_at_once(driver: Driver, raw_server: RawServer) -> None:
    raw_server.response = b"220 mail.test ESMTP"
    error = cache_of(driver, raw_server.url).get().expect(Status.BAD_RESPONSE)
    assert "it is not HTTP" in error.message, error.message


def test_a_process_that_is_stopped_meanwhile_gets_its_response(driver: Driver, mock_server: MockServer) -> None:
    """A stop interrupts what a socket with a timeout waits for, although the thread of a fetch blocks all signals."""
    mock_server.settings(latency_ms=500)
    cache = cache_of(driver, mock_server.url)
    cache.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    for _ in range(10):
        driver.signal(signal.SIGSTOP)
        time.sleep(0.01)
        driver.signal(signal.SIGCONT)
    [reply] = driver.join()
    reply.ok()
    assert cache.stats().number("failures") == 0
    assert mock_server.token_requests() == 1
