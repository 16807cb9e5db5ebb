"""TLS: the certificate is always checked, `ca_file` adds trusted authorities, and no other server gets a secret."""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

import pytest

from support.certificates import Authority
from support.driver_process import Cache, Driver, Reply, Status, Word
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer
from support.recording_proxy import RecordingProxy
from support.waiting import at_most

from .conftest import Drivers


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture
def ca_file(authority: Authority, tmp_path: Path) -> str:
    return str(authority.write_ca_file(tmp_path))


@contextmanager
def tls_in_front(
    authority: Authority, host: str, mock_server: MockServer, version: Optional[ssl.TLSVersion] = None
) -> Iterator[RecordingProxy]:
    """Ends TLS in front of the mock server, with a certificate for `host`."""
    proxy = RecordingProxy(mock_server.address, tls=authority.server_context(host, version))
    try:
        yield proxy
    finally:
        proxy.close()


def cache_for(driver: Driver, base_url: str, **config: Word) -> Cache:
    return driver.new(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url=base_url, **config)


def assert_untrusted(error: Reply, host: str, mock_server: MockServer) -> None:
    error.expect(Status.UNAVAILABLE)
    assert error.http_status == 0
    assert "certificate" in error.message.lower()
    assert host in error.message
    assert mock_server.token_requests() == 0, "the credentials were sent to a server without a valid certificate"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_gets_a_token_over_tls(
    driver: Driver, mock_server: MockServer, authority: Authority, ca_file: str, host: str
) -> None:
    with tls_in_front(authority, host, mock_server) as tls:
        token = cache_for(driver, f"https://{host}:{tls.port}", ca_file=ca_file).get().ok().value

    assert mock_server.resource(token) == 200
    assert mock_server.token_requests() == 1
    request = mock_server.counters().last_token_request
    assert request is not None and request.headers["host"] == f"{host}:{tls.port}"


def test_reads_ca_file_once(driver: Driver, mock_server: MockServer, authority: Authority, ca_file: str) -> None:
    with tls_in_front(authority, "localhost", mock_server) as tls:
        cache = cache_for(driver, f"https://localhost:{tls.port}", ca_file=ca_file)
        os.remove(ca_file)
        cache.get().ok()


@pytest.mark.only("c", because="only the core uses TLS")
@pytest.mark.parametrize(
    ("version", "supported"),
    [(ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_3, True)],
    ids=lambda value: str(value),
)
def test_supports_tls_versions(
    driver: Driver,
    mock_server: MockServer,
    authority: Authority,
    ca_file: str,
    version: ssl.TLSVersion,
    supported: bool,
) -> None:
    with tls_in_front(authority, "localhost", mock_server, version) as tls:
        reply = cache_for(driver, f"https://localhost:{tls.port}", ca_file=ca_file).get()
    if supported:
        reply.ok()
    else:
        assert "localhost failed the TLS handshake" in reply.expect(Status.UNAVAILABLE).message
    assert mock_server.token_requests() == supported


def test_rejects_a_certificate_of_an_unknown_authority(
    driver: Driver, mock_server: MockServer, authority: Authority
) -> None:
    with tls_in_front(authority, "localhost", mock_server) as tls:
        error = cache_for(driver, f"https://localhost:{tls.port}").get()

    assert_untrusted(error, "localhost", mock_server)


def test_rejects_a_certificate_of_another_authority(driver: Driver, mock_server: MockServer, ca_file: str) -> None:
    with tls_in_front(Authority(), "localhost", mock_server) as tls:
        error = cache_for(driver, f"https://localhost:{tls.port}", ca_file=ca_file).get()

    assert_untrusted(error, "localhost", mock_server)


def test_rejects_a_certificate_for_another_host(
    driver: Driver, mock_server: MockServer, authority: Authority, ca_file: str
) -> None:
    with tls_in_front(authority, "elsewhere.example", mock_server) as tls:
        error = cache_for(driver, f"https://localhost:{tls.port}", ca_file=ca_file).get()

    assert_untrusted(error, "localhost", mock_server)


def test_ends_a_handshake_without_a_response(driver: Driver) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        cache = cache_for(driver, f"https://127.0.0.1:{port}", connect_timeout_ms=200)
        with at_most(3000, "get"):
            error = cache.get().expect(Status.UNAVAILABLE)
    assert "127.0.0.1" in error.message


def test_https_to_an_http_port_is_unavailable(driver: Driver, mock_server: MockServer) -> None:
    error = cache_for(driver, mock_server.url.replace("http:", "https:")).get()

    error.expect(Status.UNAVAILABLE)
    assert mock_server.token_requests() == 0


@pytest.mark.only("c", because="only the core uses TLS")
@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_environment_selects_the_roots(
    drivers: Drivers, language: str, tls_mock_server: MockServer, tmp_path: Path, variable: str
) -> None:
    roots = tmp_path / "5e790796.0"  # the name that OpenSSL gives to the files of SSL_CERT_DIR
    roots.write_bytes((tmp_path / "ca.pem").read_bytes())
    driver = drivers.start(language, environment={variable: str(roots if variable == "SSL_CERT_FILE" else tmp_path)})
    cache_for(driver, tls_mock_server.tls["right"]).get().ok()
    cache_for(driver, tls_mock_server.tls["self-signed"]).get().expect(Status.UNAVAILABLE)
    driver.end()
