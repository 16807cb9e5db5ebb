"""A real proxy, from the configuration or the environment, with credentials. It never gets a secret.

Only C runs these scenarios, because the wrappers pass `proxy` on unchanged.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.driver_process import Cache, Driver, Status
from support.mock_server import MockServer
from support.proxy import PASSWORD, USER, Proxy

from .conftest import Drivers, new_tls_cache

pytestmark = pytest.mark.only("c", because="only the core connects to the proxy")


@pytest.fixture
def proxy(tls_mock_server: MockServer, tmp_path: Path) -> Iterator[Proxy]:
    proxy = Proxy(tmp_path, port_of(tls_mock_server))
    yield proxy
    proxy.kill()


def port_of(mock_server: MockServer) -> int:
    port = urlsplit(mock_server.tls["right"]).port
    assert port
    return port


def cache_of(driver: Driver, mock_server: MockServer, certificate: str = "right", **config: str) -> Cache:
    return new_tls_cache(driver, mock_server, mock_server.tls[certificate], **config)


def base64_of(text: str) -> bytes:
    return base64.b64encode(text.encode())


def test_gets_a_token_through_a_proxy_without_leaks(driver: Driver, tls_mock_server: MockServer, proxy: Proxy) -> None:
    token = cache_of(driver, tls_mock_server, proxy=proxy.url).get().ok().value
    assert tls_mock_server.token_requests() == 1
    received = proxy.received()
    assert received.startswith(b"CONNECT localhost:")
    assert base64_of(f"{USER}:{PASSWORD}") in received, "the proxy requires credentials"
    assert base64_of(f"{tls_mock_server.client_id}:{tls_mock_server.client_secret}") not in received
    assert token.encode() not in received


def test_uses_a_proxy_without_credentials(driver: Driver, tls_mock_server: MockServer, tmp_path: Path) -> None:
    proxy = Proxy(tmp_path, port_of(tls_mock_server), open_to_all=True)
    cache_of(driver, tls_mock_server, proxy=f"http://{proxy.address}").get().ok()
    assert proxy.received().startswith(b"CONNECT localhost:")
    assert b"uthorization" not in proxy.received()
    proxy.kill()


@pytest.mark.parametrize("credentials", ["", "proxy-user:wr0ngPa55w0rd@"])
def test_reports_refused_proxy_credentials(
    driver: Driver, tls_mock_server: MockServer, proxy: Proxy, credentials: str
) -> None:
    driver.leak_detector.add_secret("wr0ngPa55w0rd")
    error = (
        cache_of(driver, tls_mock_server, proxy=f"http://{credentials}{proxy.address}").get().expect(Status.UNAVAILABLE)
    )
    assert f"through the proxy {proxy.address}" in error.message, error.message
    assert "refused" in error.message, error.message
    assert tls_mock_server.token_requests() == 0


def test_reports_a_proxy_that_refuses_the_port(driver: Driver, tls_mock_server: MockServer, proxy: Proxy) -> None:
    driver.leak_detector.add_secret(PASSWORD)
    error = cache_of(driver, tls_mock_server, "expired", proxy=proxy.url).get().expect(Status.UNAVAILABLE)
    assert "refused" in error.message and proxy.address in error.message, error.message


def test_reports_an_unreachable_proxy(driver: Driver, tls_mock_server: MockServer) -> None:
    driver.leak_detector.add_secret(PASSWORD)
    url = f"http://{USER}:{PASSWORD}@127.0.0.1:1"
    error = cache_of(driver, tls_mock_server, proxy=url).get().expect(Status.UNAVAILABLE)
    assert "through the proxy 127.0.0.1:1" in error.message, error.message


@pytest.mark.parametrize(
    ("variable", "exceptions", "used"),
    [
        ("HTTPS_PROXY", {}, True),
        ("https_proxy", {}, True),
        ("HTTP_PROXY", {}, False),
        ("HTTPS_PROXY", {"NO_PROXY": "localhost"}, False),
        ("https_proxy", {"no_proxy": "elsewhere.invalid, localhost"}, False),
        ("HTTPS_PROXY", {"NO_PROXY": "elsewhere.invalid"}, True),
    ],
)
def test_environment_selects_a_proxy(
    drivers: Drivers,
    language: str,
    tls_mock_server: MockServer,
    proxy: Proxy,
    variable: str,
    exceptions: dict[str, str],
    used: bool,
) -> None:
    driver = drivers.start(language, environment={variable: proxy.url, **exceptions})
    cache_of(driver, tls_mock_server).get().ok()
    assert (b"CONNECT" in proxy.received()) == used
    driver.end()


def test_configuration_overrides_the_environment(
    drivers: Drivers, language: str, tls_mock_server: MockServer, proxy: Proxy
) -> None:
    driver = drivers.start(language, environment={"HTTPS_PROXY": proxy.url})
    cache_of(driver, tls_mock_server, proxy="").get().ok()
    assert proxy.received() == b""
    driver.end()
