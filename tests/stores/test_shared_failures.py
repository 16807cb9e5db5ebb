"""Which failures processes share: what the endpoint answered, and not what a process's own network did to it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from support.driver_process import Cache, Driver, Status, Word
from support.mock_server import RESET, FaultStep, MockServer, send
from support.ports import free_port
from support.raw_server import RawServer
from support.waiting import at_most, wait_until

from .topologies import Topology

AT_ONCE_MS = 1_000
REQUESTS_PER_FETCH = 3
NewCache = Callable[..., Cache]


@pytest.fixture
def new_cache(store: Topology) -> Iterator[NewCache]:
    """Makes caches, each in another process of the C driver."""
    drivers = []

    def new(mock_server: MockServer, **config: Word) -> Cache:
        drivers.append(Driver("c"))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**{**credentials, "base_url": mock_server.url, **store.config, **config})

    yield new
    for driver in drivers:
        driver.kill()


@dataclass(frozen=True)
class Answer:
    """A response of the endpoint, and what a caller hears."""

    http_status: int
    status: Status
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


ANSWERS = {
    "401": Answer(401, Status.UNAUTHENTICATED),
    "403": Answer(403, Status.UNAUTHENTICATED, body='{"code":403}'),
    "a block page": Answer(403, Status.UNAVAILABLE, body="<html>"),
    "429": Answer(429, Status.RATE_LIMITED),
    "429 with Retry-After": Answer(429, Status.RATE_LIMITED, headers={"Retry-After": "60"}),
    "500": Answer(500, Status.UNAVAILABLE),
    "503": Answer(503, Status.UNAVAILABLE),
    "503 with Retry-After": Answer(503, Status.UNAVAILABLE, headers={"Retry-After": "60"}),
    "404": Answer(404, Status.BAD_RESPONSE),
    "a redirect": Answer(302, Status.BAD_RESPONSE, headers={"Location": "/elsewhere"}),
    "a page": Answer(200, Status.BAD_RESPONSE, body="<html>"),
    "no ttl": Answer(201, Status.BAD_RESPONSE, body='{"access_token":"of-no-use"}'),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS.keys())
def test_an_answer_of_the_endpoint_is_shared(new_cache: NewCache, mock_server: MockServer, answer: Answer) -> None:
    mock_server.respond(answer.http_status, answer.body, answer.headers)
    first = new_cache(mock_server).get().expect(answer.status)
    assert first.http_status == answer.http_status
    requests = mock_server.token_requests()

    later = new_cache(mock_server)
    with at_most(AT_ONCE_MS, "the failure from the store"):
        second = later.get()
    assert (second.status, second.http_status, second.message) == (first.status, first.http_status, first.message)
    assert 0 < second.retry_after_ms <= first.retry_after_ms
    assert mock_server.token_requests() == requests
    stats = later.stats().ok()
    assert (stats.number("requests"), stats.number("last_error.http_status")) == (0, answer.http_status)


def test_a_shared_failure_ends_with_the_next_token(new_cache: NewCache, mock_server: MockServer) -> None:
    mock_server.respond(503, headers={"Retry-After": "1"}, count=1)
    first, second = new_cache(mock_server), new_cache(mock_server)
    for cache in (first, second):
        assert cache.get().http_status == 503
    wait_until(lambda: first.get().status == Status.OK, within_s=3, what="the token")
    assert second.get().ok().value == first.get().ok().value
    assert second.stats().number("last_error.status") == Status.OK
    assert new_cache(mock_server).stats().number("last_error.status") == Status.OK
    assert mock_server.token_requests() == 2


def test_failures_in_a_row_are_counted_by_all_together(new_cache: NewCache, mock_server: MockServer) -> None:
    mock_server.respond(503)
    pauses_s: list[float] = []
    for _ in range(3):
        time.sleep(sum(pauses_s[-1:]))
        pauses_s.append(new_cache(mock_server).get().expect(Status.UNAVAILABLE).retry_after_ms / 1000)
    assert pauses_s[0] <= 1 < 2 <= pauses_s[2], "the pauses grow although each process failed once"
    assert mock_server.token_requests() == REQUESTS_PER_FETCH + 2, "a fetch after a failed one sends one request"


def refusing_proxy(status: int) -> Callable[[], RawServer]:
    def make() -> RawServer:
        server = RawServer()
        server.response = b"HTTP/1.1 %d Refused\r\nContent-Length: 0\r\n\r\n" % status
        return server

    return make


PROXIES = {"403": refusing_proxy(403), "407": refusing_proxy(407), "503": refusing_proxy(503)}


def check_not_shared(new_cache: NewCache, server: MockServer, broken: Mapping[str, Word], **config: Word) -> None:
    """A process that has `broken` in its configuration fails, and the others get a token."""
    failing = new_cache(server, **{**config, **broken})
    reply = failing.get()
    assert reply.status
    assert reply.http_status == 0
    with at_most(AT_ONCE_MS, "a token for a process with a working network"):
        token = new_cache(server, **config).get().ok().value
    assert new_cache(server, **config).get().ok().value == token


def test_a_dead_proxy_is_not_shared(new_cache: NewCache, mock_server: MockServer) -> None:
    check_not_shared(new_cache, mock_server, {"proxy": f"http://127.0.0.1:{free_port()}"})
    assert mock_server.token_requests() == 1


def test_a_process_without_a_network_gets_the_token_of_the_others(new_cache: NewCache, mock_server: MockServer) -> None:
    alone = new_cache(mock_server, proxy=f"http://127.0.0.1:{free_port()}")
    alone.get().expect(Status.UNAVAILABLE)
    token = new_cache(mock_server).get().ok().value
    wait_until(lambda: alone.get().status == Status.OK, within_s=5, what="the token of the others")
    assert alone.get().value == token


@pytest.mark.parametrize("status", PROXIES)
def test_the_refusal_of_a_proxy_is_not_shared(new_cache: NewCache, mock_server: MockServer, status: str) -> None:
    proxy = PROXIES[status]()
    check_not_shared(new_cache, mock_server, {"proxy": proxy.url})
    assert mock_server.token_requests() == 1
    proxy.close()


def test_an_unknown_name_is_not_shared(new_cache: NewCache, mock_server: MockServer) -> None:
    # No name server is asked: a label of a name has at most 63 characters.
    check_not_shared(new_cache, mock_server, {"proxy": f"http://{'x' * 64}.invalid:3128"}, allow_http=1)
    assert mock_server.token_requests() == 1


def test_an_untrusted_certificate_is_not_shared(new_cache: NewCache, tls_mock_server: MockServer) -> None:
    config = {"base_url": tls_mock_server.tls["right"]}
    check_not_shared(new_cache, tls_mock_server, {"ca_file": ""}, **config, ca_file=str(tls_mock_server.ca_file))


def test_a_timeout_is_not_shared(new_cache: NewCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=400)
    check_not_shared(new_cache, mock_server, {"request_timeout_ms": 100})


@pytest.mark.parametrize(
    ("fault", "requests"),
    [(RESET, REQUESTS_PER_FETCH), (send(""), REQUESTS_PER_FETCH), (send("no HTTP\r\n\r\n"), 1)],
    ids=["reset", "closed", "no HTTP"],
)
def test_a_broken_connection_is_not_shared(
    new_cache: NewCache, mock_server: MockServer, fault: FaultStep, requests: int
) -> None:
    mock_server.raw_fault(fault, count=requests)
    check_not_shared(new_cache, mock_server, {})
