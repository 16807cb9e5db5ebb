"""Certificates as users make them, and what is said of those that are refused."""

from __future__ import annotations

import os
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Callable
from urllib.parse import urlsplit

import pytest

from support.certificates import Authority
from support.driver_process import Driver, Reply, Status
from support.line_process import LineProcess
from support.mock_server import MockServer
from support.nginx import Nginx
from support.raw_server import TOKEN_BODY, RawServer
from support.recording_proxy import RecordingProxy
from support.waiting import wait_until

from .conftest import StartDriver, cache_of

HTTPTEST = Path(__file__).with_name("httptest.go")
COMPILE_DEADLINE_S, END_DEADLINE_S = 120, 5
BACKOFF_ENDS_S = 10
Serve = Callable[[ssl.SSLContext], str]


@pytest.fixture
def serve(mock_server: MockServer) -> Iterator[Serve]:
    """Ends TLS in front of the mock server. Returns the base URL, with the host localhost."""
    proxies = []

    def serve(context: ssl.SSLContext) -> str:
        proxies.append(RecordingProxy(mock_server.address, tls=context))
        return f"https://localhost:{proxies[-1].port}"

    yield serve
    for proxy in proxies:
        proxy.close()


class Files:
    """Keys and certificates that the openssl command makes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)

    def self_signed(
        self,
        name: str,
        *options: str,
        key: str = "rsa:2048",
        subject: str = "",
        san: str = "DNS:localhost",
    ) -> Path:
        """As `openssl req -x509` makes it: it is its own authority."""
        names = ["-addext", f"subjectAltName={san}"] if san else []
        made = ["-newkey", *key.split(), "-noenc", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        self.run("req", "-x509", *made, "-subj", f"/CN={subject or name}", *names, *options)
        return self.folder / f"{name}.pem"

    def signed(self, name: str, authority: str, *options: str, key: str = "rsa:2048") -> Path:
        """A server's certificate that the authority of that name has signed."""
        (self.folder / "san").write_text("subjectAltName=DNS:localhost\n")
        made = ["-newkey", *key.split(), "-noenc", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
        self.run("req", "-new", *made, "-subj", "/CN=localhost")
        signer = ["-CA", f"{authority}.pem", "-CAkey", f"{authority}.key", "-CAcreateserial"]
        self.run("x509", "-req", "-in", f"{name}.csr", *signer, "-extfile", "san", "-out", f"{name}.pem", *options)
        return self.folder / f"{name}.pem"

    def context(self, name: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.set_ciphers("ALL:@SECLEVEL=0")  # so that OpenSSL serves what the library must refuse
        context.load_cert_chain(self.folder / f"{name}.pem", self.folder / f"{name}.key")
        return context


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def refused(reply: Reply) -> str:
    """The reason: one sentence that no number interrupts."""
    message = reply.expect(Status.UNAVAILABLE).message
    before, reason = message.split(" failed the TLS handshake: ")
    assert before == "localhost", message
    assert not any(sign in reason for sign in "[]{}") and len(reason) < 250, reason
    return reason


@pytest.mark.parametrize(
    "options", [(), ("-addext", "basicConstraints=critical,CA:FALSE"), ("-addext", "keyUsage=digitalSignature")]
)
@pytest.mark.parametrize("key", ["rsa:2048", "ec -pkeyopt ec_paramgen_curve:P-256", "ed25519"])
def test_accepts_a_certificate_that_is_itself_configured(
    driver: Driver, serve: Serve, files: Files, key: str, options: tuple[str, ...]
) -> None:
    certificate = files.self_signed("own", *options, key=key)
    cache_of(driver, serve(files.context("own")), ca_file=str(certificate)).get().ok()


def test_accepts_a_configured_certificate_without_its_authority(driver: Driver, serve: Serve, files: Files) -> None:
    files.self_signed("authority")
    certificate = files.signed("leaf", "authority")
    cache_of(driver, serve(files.context("leaf")), ca_file=str(certificate)).get().ok()


def test_accepts_a_configured_certificate_of_the_environment(
    start_driver: StartDriver, serve: Serve, files: Files
) -> None:
    driver = start_driver({"SSL_CERT_FILE": str(files.self_signed("own"))})
    cache_of(driver, serve(files.context("own"))).get().ok()


def test_accepts_the_certificate_of_go_httptest(driver: Driver, tmp_path: Path) -> None:
    command = ["go", "run", str(HTTPTEST), str(tmp_path / "go.pem")]
    server = LineProcess(command, dict(os.environ))
    url = server.read(COMPILE_DEADLINE_S)
    assert cache_of(driver, url, ca_file=str(tmp_path / "go.pem")).get().ok().value == "from-httptest"
    server.end(END_DEADLINE_S)


def test_a_configured_certificate_must_have_the_name_and_be_valid(driver: Driver, serve: Serve, files: Files) -> None:
    def reason(name: str) -> str:
        return refused(cache_of(driver, serve(files.context(name)), ca_file=str(files.folder / f"{name}.pem")).get())

    files.self_signed("other", san="DNS:elsewhere.test,DNS:second.test")
    assert "not valid for this host, but for elsewhere.test, second.test" in reason("other")
    files.self_signed("address", san="IP:10.0.0.1,URI:http://x/,email:a@b.test,IP:fd00::1")
    assert reason("address").endswith("not valid for this host, but for 10.0.0.1, fd00::1")
    files.self_signed("nameless", san="")
    assert "has no subjectAltName" in reason("nameless")


def test_a_configured_certificate_must_not_have_expired(
    driver: Driver, tls_mock_server: MockServer, tmp_path: Path
) -> None:
    url = tls_mock_server.tls["expired"]
    port = urlsplit(url).port
    assert port
    (tmp_path / "expired.pem").write_text(ssl.get_server_certificate(("localhost", port)))
    assert "has expired" in refused(cache_of(driver, url, ca_file=f"{tmp_path}/expired.pem").get())


@pytest.mark.parametrize("options", ["basicConstraints=critical,CA:FALSE", "basicConstraints=CA:FALSE"])
def test_a_configured_certificate_of_a_server_is_no_authority(
    driver: Driver, serve: Serve, files: Files, options: str
) -> None:
    """Whoever has the key of one server must not become another one by it."""
    other = files.self_signed("other", "-addext", options, san="DNS:elsewhere.test")
    files.signed("leaf", "other")
    reason = refused(cache_of(driver, serve(files.context("leaf")), ca_file=str(other)).get())
    assert "not signed by a trusted authority" in reason, reason


def test_another_certificate_of_the_same_name_is_refused(driver: Driver, serve: Serve, files: Files) -> None:
    mine = files.self_signed("mine", subject="same")
    files.self_signed("theirs", subject="same")
    reason = refused(cache_of(driver, serve(files.context("theirs")), ca_file=str(mine)).get())
    assert "the certificate is that of an authority, not of a server" in reason, reason


def test_says_what_to_do_with_a_certificate_of_an_authority(driver: Driver, serve: Serve, files: Files) -> None:
    files.self_signed("own")
    reason = refused(cache_of(driver, serve(files.context("own"))).get())
    assert reason.endswith("set ca_file to exactly this certificate to trust it"), reason


def test_says_that_no_roots_were_found_and_where(
    start_driver: StartDriver, serve: Serve, files: Files, no_roots: Path
) -> None:
    files.self_signed("authority")
    files.signed("leaf", "authority")
    url = serve(files.context("leaf"))
    for environment in ({"SSL_CERT_FILE": str(no_roots)}, {"SSL_CERT_FILE": "/absent.pem", "SSL_CERT_DIR": "/absent"}):
        reason = refused(cache_of(start_driver(environment), url).get())
        assert reason.startswith("no trusted roots were found; install the package ca-certificates"), reason
        assert all(place in reason for place in environment.values()), reason
        assert "set ca_file" in reason, reason


def test_an_empty_variable_counts_as_not_set(start_driver: StartDriver, serve: Serve, files: Files) -> None:
    files.self_signed("authority")
    files.signed("leaf", "authority")
    driver = start_driver({"SSL_CERT_FILE": "", "SSL_CERT_DIR": ""})
    reason = refused(cache_of(driver, serve(files.context("leaf"))).get())
    assert "not signed by a trusted authority" in reason, "it has the roots of the system"


@pytest.mark.parametrize("place", ["ca_file", "SSL_CERT_FILE", "SSL_CERT_DIR"])
@pytest.mark.parametrize("text", ["\ufeff{pem}", "a comment\r\n{crlf}", "{key}{pem}", "\ufeff\n{pem}"])
def test_reads_pem_as_editors_write_it(
    start_driver: StartDriver, serve: Serve, files: Files, place: str, text: str
) -> None:
    files.self_signed("authority")
    files.signed("leaf", "authority")
    pem, key = ((files.folder / f"authority.{kind}").read_text() for kind in ("pem", "key"))
    folder = files.folder / "roots"
    folder.mkdir()
    roots = folder / "roots.pem"
    roots.write_bytes(text.format(pem=pem, key=key, crlf=pem.replace("\n", "\r\n")).encode())
    url = serve(files.context("leaf"))
    if place == "ca_file":
        cache_of(start_driver(), url, ca_file=str(roots)).get().ok()
    else:
        driver = start_driver({place: str(roots if place == "SSL_CERT_FILE" else folder)})
        cache_of(driver, url).get().ok()


@pytest.mark.parametrize("subject", ["", "same"])
@pytest.mark.parametrize("place", ["ca_file", "SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_reads_rotated_roots(start_driver: StartDriver, serve: Serve, files: Files, place: str, subject: str) -> None:
    """The fetch itself tries again, now with the new roots. A new cache has them at once."""
    roots = files.folder / "roots" / "roots.pem"
    roots.parent.mkdir()
    files.self_signed("first", subject=subject)
    files.self_signed("second", subject=subject)
    roots.write_bytes((files.folder / "first.pem").read_bytes())
    environment = {"SSL_CERT_FILE": {"SSL_CERT_FILE": str(roots)}, "SSL_CERT_DIR": {"SSL_CERT_DIR": str(roots.parent)}}
    driver = start_driver(environment.get(place))
    config = {"ca_file": str(roots)} if place == "ca_file" else {}
    files.signed("leaf", "second")
    url = serve(files.context("leaf"))
    early = cache_of(driver, url, **config)
    roots.with_name("new").write_bytes((files.folder / "second.pem").read_bytes())
    os.replace(roots.with_name("new"), roots)
    early.get().ok()
    assert early.stats().number("failures") == 1, "the failed handshake made it read the roots again"
    late = cache_of(driver, url, **config)
    late.get().ok()
    assert late.stats().number("failures") == 0


def test_keeps_roots_that_cannot_be_read_again(start_driver: StartDriver, serve: Serve, files: Files) -> None:
    platform, other = files.self_signed("platform"), files.self_signed("other")
    files.self_signed("unknown")
    files.signed("bad", "unknown")
    files.signed("good", "platform")
    context = files.context("bad")
    cache = cache_of(start_driver({"SSL_CERT_FILE": str(platform)}), serve(context), ca_file=str(other))
    platform.rename(platform.with_name("gone"))
    refused(cache.get())
    context.load_cert_chain(files.folder / "good.pem", files.folder / "good.key")
    wait_until(lambda: cache.get().status == Status.OK, within_s=BACKOFF_ENDS_S, what="it trusts its first roots")


def test_reads_a_rotated_certificate_that_is_itself_configured(driver: Driver, serve: Serve, files: Files) -> None:
    first, second = files.self_signed("first"), files.self_signed("second")
    url = serve(files.context("second"))
    cache = cache_of(driver, url, ca_file=str(first))
    os.replace(second, first)
    cache.get().ok()


@pytest.mark.parametrize(
    ("key", "options", "words"),
    [
        ("ec -pkeyopt ec_paramgen_curve:P-521", (), "algorithm that is not supported"),
        ("ec -pkeyopt ec_paramgen_curve:P-256", ("-sha512",), "algorithm that is not supported"),
        ("rsa:1024", (), "RSA key of under 2048 bits"),
        ("rsa:2048", ("-sha1",), "algorithm that is not supported"),
        ("rsa:4096", ("-sha512",), ""),
        ("ec -pkeyopt ec_paramgen_curve:P-384", ("-sha384",), ""),
    ],
)
def test_names_an_authority_that_is_not_supported(
    driver: Driver, serve: Serve, files: Files, key: str, options: tuple[str, ...], words: str
) -> None:
    authority = files.self_signed("authority", key=key)
    files.signed("leaf", "authority", *options)
    reply = cache_of(driver, serve(files.context("leaf")), ca_file=str(authority)).get()
    if words:
        assert words in refused(reply)
    else:
        reply.ok()


@pytest.mark.parametrize("key", ["ec -pkeyopt ec_paramgen_curve:P-521", "ed448"])
def test_names_a_key_that_is_not_supported(driver: Driver, serve: Serve, files: Files, key: str) -> None:
    files.self_signed("authority")
    files.signed("leaf", "authority", key=key)
    authority = str(files.folder / "authority.pem")
    reason = refused(cache_of(driver, serve(files.context("leaf")), ca_file=authority).get())
    assert "no TLS version, cipher or kind of key in common" in reason


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_names_a_certificate_that_the_server_wants(
    driver: Driver, serve: Serve, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    authority = Authority()
    context = authority.server_context("localhost", version)
    context.verify_mode = ssl.CERT_REQUIRED
    ca_file = str(authority.write_ca_file(tmp_path))
    context.load_verify_locations(ca_file)
    reason = refused(cache_of(driver, serve(context), ca_file=ca_file).get())
    assert reason == "the server asks for a client certificate, and this library does not send one"


def test_a_server_may_ask_for_a_certificate_that_it_does_not_need(driver: Driver, serve: Serve, tmp_path: Path) -> None:
    authority = Authority()
    context = authority.server_context("localhost")
    context.verify_mode = ssl.CERT_OPTIONAL
    ca_file = str(authority.write_ca_file(tmp_path))
    context.load_verify_locations(ca_file)
    cache_of(driver, serve(context), ca_file=ca_file).get().ok()


@pytest.mark.parametrize("verify", [ssl.CERT_NONE, ssl.CERT_OPTIONAL])
def test_a_response_may_end_with_its_connection(
    driver: Driver, raw_server: RawServer, tmp_path: Path, verify: ssl.VerifyMode
) -> None:
    """Without a message of TLS that says so. It is no refusal of this client, whose certificate is optional."""
    authority = Authority()
    context = authority.server_context("localhost")
    context.verify_mode = verify
    ca_file = str(authority.write_ca_file(tmp_path))
    context.load_verify_locations(ca_file)
    raw_server.response = f"HTTP/1.1 201 Created\r\n\r\n{TOKEN_BODY}".encode()
    proxy = RecordingProxy(raw_server.address, tls=context)
    assert cache_of(driver, f"https://localhost:{proxy.port}", ca_file=ca_file).get().ok().value == "from-a-raw-server"
    proxy.close()


@pytest.mark.parametrize("verify", ["on", "optional"])
def test_nginx_wants_a_certificate(driver: Driver, mock_server: MockServer, tmp_path: Path, verify: str) -> None:
    files = Authority().write_server_files(tmp_path, "localhost")
    nginx = Nginx(tmp_path, mock_server.address, files, verify_client=verify)
    reply = cache_of(driver, nginx.url, ca_file=str(files.ca_file)).get()
    if verify == "optional":
        reply.ok()
    else:
        assert "answered 400: the server asks for a client certificate" in reply.expect(Status.BAD_RESPONSE).message
    nginx.kill()
