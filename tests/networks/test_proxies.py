"""What the library says to proxies, and of them: squid, and responses that were seen elsewhere."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.driver_process import Driver, Status
from support.mock_server import MockServer
from support.ports import free_port
from support.raw_server import TOKEN_BODY, RawServer
from support.squid import PASSWORD, REFUSED_ADDRESS, Squid

from .conftest import StartDriver, cache_of


@pytest.fixture(scope="module")
def squid() -> Iterator[Squid]:
    squid = Squid()
    yield squid
    squid.kill()


def test_squid_opens_a_tunnel(driver: Driver, tls_mock_server: MockServer, squid: Squid) -> None:
    driver.leak_detector.add_secret(PASSWORD)
    url, ca_file = tls_mock_server.tls["right"], str(tls_mock_server.ca_file)
    cache_of(driver, url, ca_file=ca_file, proxy=squid.url()).get().ok()
    assert tls_mock_server.token_requests() == 1


@pytest.mark.parametrize(
    ("credentials", "words"),
    [
        ("", "with 407: it requires a user and password; write them into the proxy URL"),
        ("proxy-user:wr0ngPa55w0rd", "with 407: it does not accept the user and password"),
    ],
)
def test_squid_requires_credentials(driver: Driver, squid: Squid, credentials: str, words: str) -> None:
    driver.leak_detector.add_secret("wr0ngPa55w0rd")
    error = cache_of(driver, "https://127.0.0.1:1", proxy=squid.url(credentials)).get().expect(Status.UNAVAILABLE)
    assert words in error.message and f"127.0.0.1:{squid.port}" in error.message, error.message


def test_squid_refuses_a_host(driver: Driver, squid: Squid) -> None:
    cache = cache_of(driver, f"https://{REFUSED_ADDRESS}:1", proxy=squid.url())
    error = cache.get().expect(Status.UNAVAILABLE)
    assert "refused the connection with 403: it does not allow this host or port" in error.message, error.message


def test_squid_cannot_reach_a_host(driver: Driver, squid: Squid) -> None:
    cache = cache_of(driver, f"https://127.0.0.1:{free_port()}", proxy=squid.url())
    error = cache.get().expect(Status.UNAVAILABLE)
    assert "refused the connection with 503: it could not reach this host" in error.message, error.message


MANY_HEADERS = "".join(f"X-Header-{number}: value\r\n" for number in range(300))


@pytest.mark.parametrize(
    ("response", "words"),
    [
        ("HTTP/1.1 502 Bad Gateway\r\n\r\n", "with 502: it could not reach this host"),
        ("HTTP/1.1 504\r\nContent-Length: 5\r\n\r\nlater", "with 504: it could not reach this host"),
        ("HTTP/1.0 500 Internal\r\n\r\n", "with 500: see the log of the proxy"),
        (f"HTTP/1.1 407 Authenticate\r\n{MANY_HEADERS}\r\n", "with 407: it requires a user and password"),
        (f"HTTP/1.1 403 Forbidden\r\nX: {'x' * 60_000}\r\n\r\n", "with 403: it does not allow"),
        ("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n", "with 403: it does not allow"),
        ("HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n", "with 302: see the log of the proxy"),
        ("SSH-2.0-OpenSSH_9.2\r\n", "the proxy did not respond with HTTP"),
        ("", "the proxy did not respond with HTTP"),
        ("HTTP/1.1 20", "the proxy did not respond with HTTP"),
        ("HTTP/1.1 200 OK\r\nX-Header: va", "the proxy did not respond with HTTP"),
    ],
    ids=[
        "502",
        "504",
        "500",
        "many-headers",
        "large-header",
        "103-then-403",
        "302",
        "ssh",
        "nothing",
        "half-a-status",
        "half-a-head",
    ],
)
def test_says_how_a_proxy_refused(driver: Driver, raw_server: RawServer, response: str, words: str) -> None:
    raw_server.response = response.encode()
    error = cache_of(driver, "https://hub.test", proxy=raw_server.url).get().expect(Status.UNAVAILABLE)
    assert f"hub.test, through the proxy {raw_server.address}," in error.message, error.message
    assert words in error.message, error.message
    assert raw_server.received[0].startswith(b"CONNECT hub.test:443 HTTP/1.1\r\nHost: hub.test:443\r\n")


@pytest.mark.parametrize(
    "response",
    [
        "HTTP/1.1 200 Connection established\r\n\r\n",
        "HTTP/1.1 204 No Content\r\n\r\n",
        "HTTP/1.1 299 Fine\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n",
        f"HTTP/1.1 200 OK\r\n{MANY_HEADERS}\r\n",
    ],
    ids=["200", "204", "299", "100-then-200", "many-headers"],
)
def test_any_2xx_opens_a_tunnel(driver: Driver, raw_server: RawServer, response: str) -> None:
    created = f"HTTP/1.1 201 Created\r\nContent-Length: {len(TOKEN_BODY)}\r\n\r\n{TOKEN_BODY}"
    raw_server.response = (response + created).encode()
    cache = cache_of(driver, "http://127.0.0.1:1", proxy=raw_server.url)
    assert cache.get().ok().value == "from-a-raw-server"


def test_an_endless_response_of_a_proxy_ends_at_a_limit(driver: Driver, raw_server: RawServer) -> None:
    raw_server.response, raw_server.endless = b"HTTP/1.1 407 Authenticate\r\n", b"X-Header: value\r\n" * 1000
    error = cache_of(driver, "https://hub.test", proxy=raw_server.url).get().expect(Status.UNAVAILABLE)
    assert "with 407" in error.message, error.message


@pytest.mark.parametrize("url", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "http://a:b@c@127.0.0.1:1", "::"])
def test_a_proxy_does_not_matter_to_an_excepted_host(
    start_driver: StartDriver, tls_mock_server: MockServer, url: str
) -> None:
    driver = start_driver({"HTTPS_PROXY": url, "NO_PROXY": "*"})
    cache_of(driver, tls_mock_server.tls["right"], ca_file=str(tls_mock_server.ca_file)).get().ok()


def test_names_a_scheme_that_is_not_supported(start_driver: StartDriver) -> None:
    driver = start_driver({"HTTPS_PROXY": "socks5h://127.0.0.1:1080"})
    config = {"client_id": "id", "client_secret": "Zx8Kq2LmVw4Rt7Yb", "base_url": "https://hub.test"}
    error = driver.refused(**config).expect(Status.INVALID_ARGUMENT)
    assert error.message.startswith("HTTPS_PROXY is not the URL of an HTTP proxy: the scheme socks5h is not supported")


@pytest.mark.parametrize(
    ("exceptions", "host", "used"),
    [
        ("test", "hub.test", False),
        ("127.0.0.0/8", "hub.test", True),
        ("hub.test:443", "hub.test", False),
        ("hub.test:8443", "hub.test", True),
        ("127.0.0.0/8", "127.0.0.9", False),
        ("10.0.0.0/8,127.0.0.8", "127.0.0.9", True),
        ("::1", "[::1]", False),
        ("::/64", "[::1]", False),
        ("::2", "[::1]", True),
    ],
)
def test_no_proxy_excepts(
    start_driver: StartDriver, raw_server: RawServer, exceptions: str, host: str, used: bool
) -> None:
    driver = start_driver({"HTTPS_PROXY": raw_server.url, "NO_PROXY": exceptions})
    error = cache_of(driver, f"https://{host}").get().expect(Status.UNAVAILABLE)
    assert ("through the proxy" in error.message) == used, error.message
