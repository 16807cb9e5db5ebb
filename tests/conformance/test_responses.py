"""The responses of the token endpoint: the status that each one means, and the backoff after each failure."""

from __future__ import annotations

import email.utils
import gzip
import http.server
import json
import threading
import time
import zlib
from dataclasses import dataclass
from typing import Optional

import pytest

from support.driver_process import Cache, Driver, Status
from support.mock_server import MockServer
from support.waiting import at_most, wait_until

from .conftest import NewCache

HTML = "<!DOCTYPE html><title>Attention Required! | Cloudflare</title>"
TOKEN = "5e79079684d93027ed1d7e414b04543b1d6ef164"
VISIBLE_ASCII = "".join(map(chr, range(0x21, 0x7F)))
BODY_LIMIT_BYTES = 64 * 1024
TOKEN_LENGTH_MAX = 4095
TEN_YEARS_S = 315_360_000
REQUESTS_PER_FETCH = 3


def error_body(code: int, message: str = "no") -> str:
    return json.dumps({"code": code, "message": message})


def token_body(**fields: object) -> str:
    """The documented body with some fields replaced; None removes a field."""
    body = {"code": 201, "access_token": TOKEN, "ttl": 60_000, **fields}
    return json.dumps({name: value for name, value in body.items() if value is not None})


@dataclass(frozen=True)
class Failure:
    """One response and the status that it means."""

    name: str
    http_status: int
    body: str
    status: Status
    body_code: Optional[int] = None
    """The code in the body, if it overrules the HTTP status of the response."""

    @property
    def requests(self) -> int:
        """The largest number of requests within one fetch."""
        return REQUESTS_PER_FETCH if self.status == Status.UNAVAILABLE else 1

    @property
    def backoff_ms(self) -> tuple[int, int]:
        """The bounds of the first backoff, whose jitter covers its upper half."""
        refused = self.status in (Status.UNAUTHENTICATED, Status.BAD_RESPONSE)
        return (2500, 5000) if refused else (500, 1000)


def unauthenticated(name: str, http_status: int, body: str, body_code: Optional[int] = None) -> Failure:
    return Failure(name, http_status, body, Status.UNAUTHENTICATED, body_code=body_code)


def unavailable(name: str, http_status: int, body: str, body_code: Optional[int] = None) -> Failure:
    return Failure(name, http_status, body, Status.UNAVAILABLE, body_code=body_code)


def bad(name: str, http_status: int, body: str, body_code: Optional[int] = None) -> Failure:
    return Failure(name, http_status, body, Status.BAD_RESPONSE, body_code=body_code)


FAILURES = [
    unauthenticated("401", 401, error_body(401, "Unauthenticated")),
    unauthenticated("401-html", 401, HTML),
    unauthenticated("401-empty", 401, ""),
    unauthenticated("403-json", 403, error_body(403, "Forbidden")),
    unavailable("403-html", 403, HTML),
    unavailable("403-empty", 403, ""),
    Failure("429", 429, error_body(429), Status.RATE_LIMITED),
    Failure("429-html", 429, HTML, Status.RATE_LIMITED),
    unavailable("408", 408, ""),
    unavailable("421", 421, ""),
    unavailable("425", 425, error_body(425, "Too Early")),
    unavailable("500", 500, json.dumps({"code": 500, "message": "x", "status": "error", "error": "x"})),
    unavailable("502-html", 502, HTML),
    unavailable("503", 503, error_body(503)),
    unavailable("529", 529, HTML),
    bad("400", 400, json.dumps({"code": 400, "message": "Bad request", "errors": {"field": "x"}})),
    bad("404", 404, error_body(404, "Resource not found")),
    bad("404-html", 404, HTML),
    bad("405", 405, error_body(405)),
    bad("418", 418, ""),
    bad("200-html", 200, HTML),
    bad("204", 204, ""),
    bad("201-empty", 201, ""),
    bad("201-cut-off", 201, token_body()[:-1]),
    bad("201-trailing-garbage", 201, token_body() + "x"),
    bad("201-array", 201, f"[{token_body()}]"),
    bad("201-null", 201, "null"),
    bad("201-too-large", 201, token_body().ljust(BODY_LIMIT_BYTES + 1)),
    bad("token-missing", 201, token_body(access_token=None)),
    bad("token-null", 201, '{"code":201,"access_token":null,"ttl":60000}'),
    bad("token-empty", 201, token_body(access_token="")),
    bad("token-number", 201, token_body(access_token=12345678)),
    bad("token-with-space", 201, token_body(access_token="5e79 0796")),
    bad("token-with-line-break", 201, token_body(access_token="5e790796\r\nX-Injected: 1")),
    bad("token-with-nul", 201, token_body(access_token="5e790796\0")),
    bad("token-not-ascii", 201, token_body(access_token="5e790796ü")),
    bad("token-too-long", 201, token_body(access_token="x" * (TOKEN_LENGTH_MAX + 1))),
    bad("token-twice", 201, f'{{"access_token":"{TOKEN}","access_token":"{TOKEN}","ttl":60000}}'),
    bad("ttl-missing", 201, token_body(ttl=None)),
    bad("ttl-zero", 201, token_body(ttl=0)),
    bad("ttl-negative", 201, token_body(ttl=-60_000)),
    bad("ttl-below-one", 201, token_body(ttl=0.5)),
    bad("ttl-text", 201, token_body(ttl="soon")),
    bad("ttl-nan", 201, token_body(ttl="NaN")),
    bad("ttl-true", 201, token_body(ttl=True)),
    bad("ttl-twice", 201, f'{{"access_token":"{TOKEN}","ttl":60000,"ttl":60000}}'),
    bad("expires-in-alone", 201, token_body(ttl=None, expires_in=3600)),
    unauthenticated("200-but-code-401", 200, error_body(401), body_code=401),
    unauthenticated("201-with-a-token-but-code-403", 201, token_body(code=403), body_code=403),
    unavailable("200-but-code-425", 200, error_body(425), body_code=425),
    unavailable("200-but-code-503", 200, error_body(503), body_code=503),
    Failure("200-but-code-429", 200, error_body(429), Status.RATE_LIMITED, body_code=429),
    bad("200-but-code-404", 200, error_body(404), body_code=404),
]


@pytest.mark.with_a_store("c", because="there are many, and none depends on the store")
@pytest.mark.parametrize("failure", [pytest.param(failure, id=failure.name) for failure in FAILURES])
def test_reports_a_failure_and_backs_off(cache: Cache, mock_server: MockServer, failure: Failure) -> None:
    mock_server.respond(failure.http_status, failure.body)

    error = cache.get().expect(failure.status)

    assert error.http_status == (failure.body_code or failure.http_status)
    assert mock_server.address.split(":")[0] in error.message, "an operator wants to know which host sent this response"
    assert "\n" not in error.message
    least, most = failure.backoff_ms
    assert least - 200 <= error.retry_after_ms <= most
    requests = mock_server.token_requests()
    assert 1 <= requests <= failure.requests

    with at_most(400, "get during backoff"):
        again = cache.get().expect(failure.status)
    assert (again.http_status, again.message) == (error.http_status, error.message)
    assert 0 < again.retry_after_ms <= error.retry_after_ms
    assert mock_server.token_requests() == requests
    stats = cache.stats().ok()
    assert stats.number("last_error.status") == failure.status
    assert stats.number("last_error.http_status") == error.http_status


SUCCESSES = [
    pytest.param(200, token_body(), TOKEN, 60_000, id="200"),
    pytest.param(201, token_body(code=200), TOKEN, 60_000, id="another-2xx-code"),
    pytest.param(201, token_body(code=None), TOKEN, 60_000, id="no-code"),
    pytest.param(201, token_body(ttl="60000"), TOKEN, 60_000, id="ttl-in-a-string"),
    pytest.param(201, token_body(ttl=3600.9), TOKEN, 3600, id="ttl-with-a-fraction"),
    pytest.param(201, token_body().replace("60000", "6e4"), TOKEN, 60_000, id="ttl-with-an-exponent"),
    pytest.param(201, token_body(ttl="3600.0"), TOKEN, 3600, id="ttl-with-a-fraction-in-a-string"),
    pytest.param(201, token_body(ttl=10**12), TOKEN, TEN_YEARS_S, id="ttl-beyond-ten-years"),
    pytest.param(201, token_body(data={"more": [1, None]}, expires_in=1), TOKEN, 60_000, id="unknown-keys"),
    pytest.param(201, token_body(access_token=VISIBLE_ASCII), VISIBLE_ASCII, 60_000, id="every-character"),
    pytest.param(201, token_body(access_token="x"), "x", 60_000, id="shortest-token"),
    pytest.param(
        201, token_body(access_token="y" * TOKEN_LENGTH_MAX), "y" * TOKEN_LENGTH_MAX, 60_000, id="longest-token"
    ),
    pytest.param(201, token_body().ljust(BODY_LIMIT_BYTES), TOKEN, 60_000, id="largest-body"),
]


@pytest.mark.parametrize("http_status, body, token, ttl", SUCCESSES)
def test_accepts_a_token(
    cache: Cache, mock_server: MockServer, http_status: int, body: str, token: str, ttl: int
) -> None:
    mock_server.respond(http_status, body)
    before = time.time()

    reply = cache.token().ok()

    assert reply.value == cache.get().ok().value == token
    assert int(before) + ttl <= reply.expires_at <= time.time() + ttl
    assert mock_server.token_requests() == 1


@pytest.mark.only("c", because="the core makes the request")
def test_asks_for_json_without_a_coding(cache: Cache, mock_server: MockServer) -> None:
    cache.get().ok()

    request = mock_server.counters().last_token_request
    assert request
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"


BAD_TTL = "ttl is not a number of seconds of at least 1"
BAD_CHARACTER = "access_token has a character other than visible ASCII"
TOO_LONG = "access_token is too long: it has more than 4095 bytes"
WRONG_PARTS = [
    pytest.param(token_body(ttl="soon"), BAD_TTL, id="ttl"),
    pytest.param(token_body().replace("60000", "1e-400"), BAD_TTL, id="ttl-small"),
    pytest.param(token_body(ttl=None), "ttl is missing", id="no-ttl"),
    pytest.param(token_body(code="success"), "the code in the body is not an HTTP status", id="code"),
    pytest.param(token_body(access_token=[TOKEN]), "access_token is not a string", id="type"),
    pytest.param(token_body(access_token=f"{TOKEN}\n"), BAD_CHARACTER, id="line"),
    pytest.param(token_body(access_token="x" * 4096), TOO_LONG, id="long"),
    pytest.param("", "the body is empty", id="empty"),
    pytest.param(HTML, "the body is a page in HTML or XML, not JSON", id="html"),
    pytest.param(token_body()[:-1], "the body ends in the middle of its JSON", id="cut-off"),
    pytest.param("[]", "the body is JSON, but not an object", id="array"),
    pytest.param("x" * (BODY_LIMIT_BYTES + 1), f"the body is larger than {BODY_LIMIT_BYTES} bytes", id="large"),
]


@pytest.mark.only("c", because="the core makes the message")
@pytest.mark.parametrize("body, words", WRONG_PARTS)
def test_names_what_is_wrong_with_a_body(cache: Cache, mock_server: MockServer, body: str, words: str) -> None:
    mock_server.respond(201, body)
    assert f"answered 201: {words}" in cache.get().expect(Status.BAD_RESPONSE).message


ENCODED = [
    pytest.param(gzip.compress(token_body().encode()), {"Content-Encoding": "gzip"}, "compressed (gzip)", id="gzip"),
    pytest.param(gzip.compress(token_body().encode()), {}, "compressed (gzip)", id="gzip-that-no-header-names"),
    pytest.param(zlib.compress(token_body().encode()), {"Content-Encoding": "deflate"}, "(deflate)", id="deflate"),
    pytest.param(b"\x8b\x1f\x80{}\x03", {"Content-Encoding": "br"}, "compressed (br)", id="br"),
    pytest.param(token_body().encode("utf-16"), {}, "in UTF-16 or UTF-32; JSON must be in UTF-8", id="utf-16"),
    pytest.param(token_body().encode("utf-16-be"), {}, "in UTF-16 or UTF-32; JSON must be in UTF-8", id="utf-16-be"),
    pytest.param(token_body().encode("utf-32"), {}, "in UTF-16 or UTF-32; JSON must be in UTF-8", id="utf-32"),
    pytest.param('{"access_token":"\xe9"}'.encode("latin-1"), {}, "not in UTF-8, as JSON must be", id="latin-1"),
]


@pytest.mark.only("c", because="the core makes the message")
@pytest.mark.parametrize("body, headers, words", ENCODED)
def test_names_how_a_body_is_encoded(new_cache: NewCache, body: bytes, headers: dict[str, str], words: str) -> None:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(201)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        try:
            error = new_cache(base_url=f"http://127.0.0.1:{server.server_port}").get().expect(Status.BAD_RESPONSE)
        finally:
            server.shutdown()
    assert words in error.message


@pytest.mark.parametrize("http_status", [301, 302, 303, 307, 308])
def test_does_not_follow_redirects(cache: Cache, mock_server: MockServer, http_status: int) -> None:
    other_server = MockServer()
    try:
        mock_server.respond(http_status, "", {"Location": f"{other_server.url}/v1/token"})
        error = cache.get().expect(Status.BAD_RESPONSE)
        assert other_server.token_requests() == 0, "the credentials were sent to another server"
    finally:
        other_server.kill()
    assert error.http_status == http_status
    assert mock_server.token_requests() == 1


@pytest.mark.parametrize("http_status, status", [(429, Status.RATE_LIMITED), (503, Status.UNAVAILABLE)])
@pytest.mark.parametrize(
    "retry_after, least_s, most_s",
    [
        pytest.param("30", 29, 30, id="seconds"),
        pytest.param("+40 s", 37, 40, id="date"),
        pytest.param("Thu, 01 Jan 2015 10:00:50 GMT", 50, 50, id="date-by-the-clock-of-the-server"),
        pytest.param("Thu, 01 Jan 2015 10:00:00 GMT", 0.3, 1, id="date-that-has-passed"),
        pytest.param("86400", 3599, 3600, id="more-than-an-hour"),
        pytest.param("0", 0.3, 1, id="less-than-the-backoff"),
        pytest.param("soon", 0.3, 1, id="garbage"),
        pytest.param("-5", 0.3, 1, id="negative"),
    ],
)
def test_honours_retry_after(
    cache: Cache,
    mock_server: MockServer,
    http_status: int,
    status: Status,
    retry_after: str,
    least_s: float,
    most_s: float,
) -> None:
    if retry_after.startswith("+"):
        retry_after = email.utils.formatdate(time.time() + int(retry_after.split()[0]), usegmt=True)
    date = {"Date": "Thu, 01 Jan 2015 10:00:00 GMT"} if "2015" in retry_after else {}  # else that of the mock server
    mock_server.respond(http_status, error_body(http_status), {"Retry-After": retry_after, **date})

    error = cache.get().expect(status)

    assert least_s * 1000 <= error.retry_after_ms <= most_s * 1000
    assert mock_server.token_requests() == 1, "no second request, whether or not the server's Retry-After is valid"


def test_wrong_credentials_are_unauthenticated(new_cache: NewCache, mock_server: MockServer) -> None:
    error = new_cache(client_secret="Nq5Wt9Xc3Hv7Jb1M").get().expect(Status.UNAUTHENTICATED)

    assert error.http_status == 401
    assert mock_server.token_requests() == 1


def test_disabled_credentials_are_unauthenticated(cache: Cache, mock_server: MockServer) -> None:
    mock_server.credentials(enabled=False)
    assert cache.get().expect(Status.UNAUTHENTICATED).http_status == 401


def test_an_unknown_path_is_a_bad_response(new_cache: NewCache, mock_server: MockServer) -> None:
    error = new_cache(base_url=f"{mock_server.url}/nowhere").get().expect(Status.BAD_RESPONSE)

    assert error.http_status == 404
    assert "base_url" in error.message, "the message names the setting that is wrong"


@pytest.mark.parametrize(
    "http_status, status", [(401, Status.UNAUTHENTICATED), (429, Status.RATE_LIMITED), (503, Status.UNAVAILABLE)]
)
def test_does_not_hammer_a_failing_endpoint(
    cache: Cache, driver: Driver, mock_server: MockServer, http_status: int, status: Status
) -> None:
    mock_server.respond(http_status, error_body(http_status))
    cache.start(64)
    assert {reply.status for reply in driver.join()} == {status}
    for _ in range(20):
        cache.get(timeout=0).expect(status)
        assert cache.generation() == 0

    assert mock_server.token_requests() <= REQUESTS_PER_FETCH


def test_recovers_with_the_endpoint(cache: Cache, mock_server: MockServer) -> None:
    mock_server.respond(429, error_body(429), count=1)
    cache.get().expect(Status.RATE_LIMITED)

    wait_until(lambda: cache.get().status == Status.OK, within_s=3, what="a token after the backoff")

    assert mock_server.token_requests() == 2
    stats = cache.stats().ok()
    assert stats.number("consecutive_failures") == 0
    assert stats.number("last_error.status") == Status.OK


def test_retries_after_one_failure(cache: Cache, mock_server: MockServer) -> None:
    mock_server.respond(503, HTML, count=1)

    cache.get().ok()

    assert mock_server.token_requests() == 2
