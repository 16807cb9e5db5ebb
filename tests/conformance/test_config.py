"""Configurations that are accepted or refused. Each refusal names the field, and repeats no secret."""

from __future__ import annotations

from pathlib import Path
from typing import Optional

import pytest

from support.driver_process import Cache, Driver, Reply, Status
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer

from .conftest import Drivers

PASSWORD = "Hj6Gf4Dk8Sl2Pw9Q"
"""A secret for every place that can have one. No message may repeat it."""

NO_CERTIFICATE = Path(__file__).resolve()
"""A readable file without a certificate."""

REFUSED: list[tuple[str, str, Optional[str]]] = [
    ("client_id", "missing", None),
    ("client_id", "empty", ""),
    ("client_id", "colon", "partner:one"),
    ("client_id", "line-break", "partner\r\nX-Injected: 1"),
    ("client_id", "tab", "partner\tone"),
    ("client_id", "delete", "partner\x7f"),
    ("client_secret", "missing", None),
    ("client_secret", "empty", ""),
    ("client_secret", "line-break", f"{PASSWORD}\n"),
    ("client_secret", "escape", f"{PASSWORD}\x1b[0m"),
    ("base_url", "no-scheme", f"hub.example/{PASSWORD}"),
    ("base_url", "no-host", "https://"),
    ("base_url", "no-host-but-path", f"https:///{PASSWORD}"),
    ("base_url", "no-host-but-port", "https://:443"),
    ("base_url", "user", f"https://{PASSWORD}@hub.example"),
    ("base_url", "user-and-password", f"https://user:{PASSWORD}@hub.example"),
    ("base_url", "query", f"https://hub.example/?key={PASSWORD}"),
    ("base_url", "fragment", f"https://hub.example/#{PASSWORD}"),
    ("base_url", "ftp", "ftp://hub.example"),
    ("base_url", "file", "file:///etc/passwd"),
    ("base_url", "http-beyond-loopback", "http://hub.example"),
    ("base_url", "http-to-a-private-address", "http://10.0.0.1:8080"),
    ("base_url", "http-to-every-address", "http://0.0.0.0"),
    ("base_url", "http-to-a-name-like-loopback", "http://127.0.0.1.hub.example"),
    ("base_url", "http-to-a-host-behind-localhost", "http://localhost@hub.example"),
    ("base_url", "port-too-large", "https://hub.example:65536"),
    ("base_url", "port-no-number", "https://hub.example:https"),
    ("base_url", "space", "https://hub example"),
    ("base_url", "line-break", "https://hub.example/\r\nX-Injected: 1"),
    ("ca_file", "absent", "/nowhere/at/all.pem"),
    ("ca_file", "folder", "/"),
    ("ca_file", "no-certificate", str(NO_CERTIFICATE)),
    ("proxy", "no-host", "http://"),
    ("proxy", "other-protocol", f"ftp://user:{PASSWORD}@proxy.example"),
    ("proxy", "no-url", f"user:{PASSWORD}@:"),
    ("proxy", "port-too-large", f"http://user:{PASSWORD}@proxy.example:65536"),
    ("proxy", "space", f"http://user:{PASSWORD}@proxy example"),
    ("store", "unknown", f"nothing://user:{PASSWORD}@store.example"),
    ("store", "scheme-alone", "file"),
    ("store", "no-directory", "file:"),
    ("store", "every-directory", "file:/"),
    ("store", "relative-directory", f"file:{PASSWORD}"),
    ("store", "directory-on-a-host", f"file://{PASSWORD}/app"),
    ("store", "parent-of-a-directory", f"file:/{PASSWORD}/.."),
    ("store", "directory-with-a-stray-percent", f"file:/{PASSWORD}%"),
    ("store", "directory-with-a-nul", f"file:/{PASSWORD}%00"),
    ("store", "directory-with-a-line-break", f"file:/{PASSWORD}\n"),
    ("store", "directory-with-a-query", f"file:/app?{PASSWORD}"),
    ("store", "no-host", "redis://"),
    ("store", "one-slash", f"redis:/{PASSWORD}"),
    ("store", "port-too-large", f"redis://:{PASSWORD}@store.example:65536"),
    ("store", "port-zero", f"redis://:{PASSWORD}@store.example:0"),
    ("store", "database-no-number", f"redis://:{PASSWORD}@store.example/first"),
    ("store", "unverified-tls", f"rediss://:{PASSWORD}@store.example#insecure"),
    ("store", "query", f"redis://:{PASSWORD}@store.example?protocol=resp3"),
    ("store", "user-without-password", f"redis://{PASSWORD}@store.example"),
    ("store", "hosts-and-database", f"redis://:{PASSWORD}@one.example,two.example/1"),
    ("store", "empty-host", f"redis://:{PASSWORD}@one.example,"),
    ("store", "sentinel-without-master", f"redis+sentinel://:{PASSWORD}@store.example"),
    ("store", "sentinel-parameter", f"redis+sentinel://store.example/name?password={PASSWORD}"),
    ("store", "socket-on-a-host", f"redis+unix://{PASSWORD}/run/redis.sock"),
    ("store", "relative-socket", f"redis+unix:{PASSWORD}"),
    ("store", "socket-over-tls", f"rediss+unix:/{PASSWORD}"),
    ("store", "valkey", f"valkey://:{PASSWORD}@store.example"),
]


@pytest.mark.parametrize(
    "field, text", [pytest.param(field, text, id=f"{field}-{name}") for field, name, text in REFUSED]
)
def test_refuses(driver: Driver, field: str, text: Optional[str]) -> None:
    driver.leak_detector.add_secret(PASSWORD)
    config = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "base_url": "http://127.0.0.1:1", field: text}

    error = driver.refused(**{key: value for key, value in config.items() if value is not None})

    error.expect(Status.INVALID_ARGUMENT)
    assert field in error.message
    assert "\n" not in error.message
    assert error.http_status == error.retry_after_ms == 0


@pytest.mark.all_but("c", because="a C string ends at its first NUL")
@pytest.mark.parametrize("field", ["client_id", "client_secret", "base_url", "ca_file", "proxy", "store"])
def test_refuses_a_nul_character(driver: Driver, field: str) -> None:
    usual = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "base_url": "http://127.0.0.1:1", "proxy": ""}

    error = driver.refused(**{**usual, field: usual.get(field, "") + "\0tail"})

    error.expect(Status.INVALID_ARGUMENT)
    assert field in error.message


ACCEPTED: list[tuple[str, dict[str, str]]] = [
    ("default-url", {}),
    ("production", {"base_url": "https://bankhub-api.sepay.vn"}),
    ("port-and-path", {"base_url": "https://hub.example:8443/behind/a/gateway/"}),
    ("loopback", {"base_url": "http://127.0.0.1:1"}),
    ("loopback-by-name", {"base_url": "http://localhost:1"}),
    ("loopback-v6", {"base_url": "http://[::1]:1"}),
    ("http-by-explicit-flag", {"base_url": "http://hub.example", "allow_http": "1"}),
    ("proxy", {"proxy": "http://proxy.example:3128"}),
    ("store-file", {"store": "file:/nowhere/at/all"}),
    ("store-file-percent-encoded", {"store": "file://localhost/nowhere/at%20all/%E9"}),
    ("store-redis", {"store": f"redis://user:{PASSWORD}@store.example:6380/1"}),
    ("store-redis-over-tls", {"store": f"rediss://:{PASSWORD}@store.example"}),
    ("store-redis-v6", {"store": "redis://[::1]"}),
    ("store-redis-in-capitals", {"store": "REDIS://STORE.EXAMPLE"}),
    ("store-cluster", {"store": f"rediss://:{PASSWORD}@one.example,two.example:7000"}),
    ("store-sentinel", {"store": f"redis+sentinel://user:{PASSWORD}@one.example,two.example:5000/name/1"}),
    ("store-sentinel-tls", {"store": f"rediss+sentinel://one.example/name?sentinel_password={PASSWORD}"}),
    ("store-socket", {"store": f"redis+unix:/run/redis.sock?user=user&pass={PASSWORD}&db=1"}),
    ("proxy-with-password", {"proxy": f"http://user:{PASSWORD}@proxy.example:3128"}),
    ("every-number", {name: "1" for name in ("connect_timeout_ms", "request_timeout_ms", "get_timeout_ms")}),
    ("refresh-ahead", {"refresh_ahead_s": "1"}),
    ("empty-strings", {"base_url": "", "ca_file": "", "store": "", "proxy": ""}),
]


@pytest.mark.parametrize("config", [pytest.param(config, id=name) for name, config in ACCEPTED])
def test_accepts_without_a_request(driver: Driver, config: dict[str, str]) -> None:
    cache: Cache = driver.new(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, **config)

    stats = cache.stats().ok()
    assert stats.number("requests") == stats.number("fetching") == 0


def test_an_empty_base_url_is_that_of_the_sandbox(driver: Driver) -> None:
    nowhere = "http://127.0.0.1:1"
    cache = driver.new(client_id=CLIENT_ID, client_secret=CLIENT_SECRET, base_url="", proxy=nowhere)

    error = cache.get().expect(Status.UNAVAILABLE)

    assert error.message.startswith("bankhub-api-sandbox.sepay.vn, through the proxy 127.0.0.1:1,")


OPTIONAL = ["BANKHUB_BASE_URL", "BANKHUB_CA_FILE", "BANKHUB_STORE"]
PROXIES = ["HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"]


def from_env(drivers: Drivers, language: str, environment: dict[str, str]) -> Reply:
    """The reply of a new driver process with this environment."""
    driver = drivers.start(language, environment=environment)
    try:
        return driver.from_env()
    finally:
        driver.end()


def test_reads_the_environment(drivers: Drivers, language: str, mock_server: MockServer) -> None:
    """Each variable is used: a wrong value of an optional one is refused."""
    assert from_env(drivers, language, mock_server.environment).status == Status.OK
    for name in OPTIONAL:
        error = from_env(drivers, language, {**mock_server.environment, name: "nowhere"})
        error.expect(Status.INVALID_ARGUMENT)
        assert error.message.startswith(name.removeprefix("BANKHUB_").lower())


def test_an_empty_variable_counts_as_not_set(drivers: Drivers, language: str, mock_server: MockServer) -> None:
    empty = dict.fromkeys([*OPTIONAL, *PROXIES], "")
    assert from_env(drivers, language, {**mock_server.environment, **empty}).status == Status.OK


@pytest.mark.parametrize("value", ["", None], ids=["empty", "not-set"])
@pytest.mark.parametrize("name", ["BANKHUB_CLIENT_ID", "BANKHUB_CLIENT_SECRET"])
def test_names_a_required_variable(
    drivers: Drivers, language: str, mock_server: MockServer, name: str, value: Optional[str]
) -> None:
    environment = {**mock_server.environment, name: value}
    error = from_env(drivers, language, {name: value for name, value in environment.items() if value is not None})
    error.expect(Status.INVALID_ARGUMENT)
    if language == "c":  # a C program reads the variables itself
        assert error.message.startswith(name.removeprefix("BANKHUB_").lower())
    else:
        assert error.message.removeprefix("bankhub: ") == f"{name} is not set in the environment"
