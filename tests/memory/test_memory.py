"""Checks the memory of a C program that uses the whole library from many threads, with Valgrind and AddressSanitizer.

The program also breaks rules of the header on purpose, which shows that the checkers look into the library.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.languages import BUILD, clean_environment
from support.mock_server import RESET, MockServer, send

LIMIT_S = 120
TTL_S = 4
"""Short enough to wait for a refresh, and longer than any response takes on a busy machine."""
NEVER_MS = 1_000 * LIMIT_S

SUPPRESSIONS = BUILD / "install" / "share" / "bankhub" / "bankhub.supp"
LEAKS = "definite,indirect,possible"
VALGRIND = [
    "valgrind",
    "--quiet",
    "--fair-sched=yes",
    "--leak-check=full",
    f"--show-leak-kinds={LEAKS}",
    f"--errors-for-leak-kinds={LEAKS}",
    "--error-exitcode=9",
]
CHECKERS = {
    "valgrind": [*VALGRIND, f"--suppressions={SUPPRESSIONS}", str(BUILD / "memory")],
    "valgrind alone": [*VALGRIND, str(BUILD / "memory")],
    "asan": [str(BUILD / "memory-asan")],
}


@pytest.fixture
def failing() -> Iterator[Mapping[str, MockServer]]:
    """Mock servers that never issue a token."""
    mock_servers = {name: MockServer() for name in ("BUSY", "GARBAGE", "CUT", "SLOW")}
    mock_servers["BUSY"].respond(503)
    mock_servers["GARBAGE"].respond(200, "<html>")
    mock_servers["CUT"].raw_fault(send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{"), RESET)
    mock_servers["SLOW"].settings(latency_ms=NEVER_MS)
    yield mock_servers
    for mock_server in mock_servers.values():
        mock_server.kill()


@pytest.fixture
def environment(
    request: pytest.FixtureRequest, failing: Mapping[str, MockServer], tmp_path: Path
) -> Iterator[Mapping[str, str]]:
    """The environment of the program: a mock server, in clear or with TLS, and the failing ones."""
    ca_file, no_roots = tmp_path / "ca.pem", tmp_path / "no-roots.pem"
    no_roots.touch()
    mock_server = MockServer(ca_file=ca_file)
    mock_server.settings(ttl=TTL_S)
    yield {
        **clean_environment(),
        **mock_server.environment,
        "BANKHUB_BASE_URL": {"http": mock_server.url, "https": mock_server.tls["right"]}[request.param],
        "BANKHUB_CA_FILE": str(ca_file),
        "SSL_CERT_FILE": str(no_roots),  # the program opens hundreds of handles
        "CLOSED_URL": "http://127.0.0.1:1",
        "UNTRUSTED_URL": mock_server.tls["self-signed"],
        **{f"{name}_URL": failure.url for name, failure in failing.items()},
        "ASAN_OPTIONS": "detect_leaks=1",
    }
    mock_server.kill()


@pytest.mark.parametrize(
    ("checker", "environment"),
    [("valgrind", "http"), ("valgrind", "https"), ("asan", "http"), ("asan", "https")],
    indirect=["environment"],
)
def test_finds_no_error_and_no_leak(checker: str, environment: Mapping[str, str]) -> None:
    code, output, errors = run(checker, "everything", environment)
    assert (code, output) == (0, "done\n"), errors
    assert errors == ""


@pytest.mark.parametrize("environment", ["https"], indirect=True)
def test_needs_the_suppressions(environment: Mapping[str, str]) -> None:
    """Every kind of error that they name is reported without them, so they can go once it is not."""
    code, _, errors = run("valgrind alone", "fetch", environment)
    assert code != 0
    kinds = {line.split("== ", 1)[1].split(" ")[0] for line in errors.splitlines() if "uninitialised" in line}
    assert kinds == {"Syscall", "Conditional"}, errors


@pytest.mark.parametrize("environment", ["http"], indirect=True)
@pytest.mark.parametrize(
    ("checker", "fault", "words"),
    [
        ("valgrind", "read", ["Invalid read", "bankhub_token_new"]),
        ("valgrind", "write", ["Invalid write", "bankhub_token_stats"]),
        ("valgrind", "use-after-free", ["Invalid read", "bankhub_token_new"]),
        ("valgrind", "leak", ["definitely lost"]),
        ("valgrind", "uninitialised-config", ["Conditional jump", "uninitialised"]),
        ("valgrind", "uninitialised-timeout", ["Conditional jump", "uninitialised"]),
        ("asan", "read", ["heap-buffer-overflow", "READ", "bankhub_token_new"]),
        ("asan", "write", ["heap-buffer-overflow", "WRITE", "bankhub_token_stats"]),
        ("asan", "use-after-free", ["heap-use-after-free", "READ", "bankhub_token_new"]),
        ("asan", "leak", ["LeakSanitizer", "1000 byte"]),
    ],
)
def test_checker_looks_into_the_library(
    checker: str, fault: str, words: list[str], environment: Mapping[str, str]
) -> None:
    code, _, errors = run(checker, fault, environment)
    assert code != 0
    # In the first report, above the frame of the program: the library itself reads and writes there.
    report = errors.split("everything.c")[0]
    assert all(word in report for word in words), errors


def run(checker: str, what: str, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """The exit code of the program, its output, and the report of the checker."""
    command = [*CHECKERS[checker], what]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT_S)
    return ended.returncode, ended.stdout, ended.stderr
