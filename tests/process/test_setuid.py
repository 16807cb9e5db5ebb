"""A setuid program does not obey the environment of its caller: no proxy, no trusted roots, no BANKHUB_ variable.

Only root can make a program setuid for another user.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from support.languages import BUILD, HEADER, LANGUAGES, clean_environment
from support.mock_server import MockServer

from .programs import COMPILER, HERE, LINK

NOBODY = 65534
NOWHERE = "http://127.0.0.1:1"

CPP_PROGRAM = """
#include <bankhub.hpp>
int main() {
  const auto cache = bankhub::TokenCache::try_from_env();
  std::puts(cache ? "accepted" : cache.error().what());
}
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike that of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def run_setuid(program: Path, *words: str, environment: Mapping[str, str], stdin: str = "") -> list[str]:
    """Makes the program setuid root, runs it as nobody, and returns its lines."""
    os.chown(program, 0, 0)
    program.chmod(0o4755)
    ended = subprocess.run(
        [program, *words],
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        env={**clean_environment(), **environment},
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    return ended.stdout.splitlines()


def test_ignores_the_proxy_of_its_caller(folder: Path, mock_server: MockServer, https: tuple[str, str]) -> None:
    got = get(folder, mock_server, https, environment={"HTTPS_PROXY": NOWHERE, "https_proxy": NOWHERE})
    assert got.startswith("get BANKHUB_OK ")


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_ignores_the_roots_of_its_caller(
    folder: Path, mock_server: MockServer, https: tuple[str, str], variable: str
) -> None:
    url, ca_file = https
    roots = ca_file if variable == "SSL_CERT_FILE" else str(Path(ca_file).parent)
    got = get(folder, mock_server, (url, ""), environment={variable: roots})
    assert got.startswith("get BANKHUB_UNAVAILABLE "), "it trusts the authority that its caller names"


def get(folder: Path, mock_server: MockServer, https: tuple[str, str], environment: Mapping[str, str]) -> str:
    program = folder / "setuid"
    command = [*COMPILER, str(HERE / "setuid.c"), f"-I{HEADER.parent}", "-o", str(program), *LINK, "-pthread"]
    subprocess.run(command, check=True)
    words = (mock_server.client_id, mock_server.client_secret, *https)
    user, *_, got = run_setuid(program, *words, environment=environment)
    assert user == f"user {NOBODY} 0 1", "it does not run with more rights than its caller"
    return got


def test_rust_ignores_the_variables_of_its_caller(folder: Path, mock_server: MockServer) -> None:
    program = Path(shutil.copy(LANGUAGES["rust"].files[0], folder))
    _, reply = run_setuid(program, environment=mock_server.environment, stdin="from_env a\n")
    assert "BANKHUB%5FCLIENT%5FID%20is%20not%20read%20from%20the%20environment%20in%20a%20setuid%20program" in reply


def test_cpp_ignores_the_variables_of_its_caller(folder: Path, mock_server: MockServer) -> None:
    program = folder / "program"
    command = ["g++", "-std=c++17", "-xc++", "-", f"-I{HEADER.parent}", "-o", str(program), *LINK]
    subprocess.run(command, input=CPP_PROGRAM, text=True, check=True)
    said = run_setuid(program, environment=mock_server.environment)
    assert said == ["BANKHUB_CLIENT_ID is not set in the environment"]


def test_go_ignores_the_variables_of_its_caller(folder: Path, mock_server: MockServer) -> None:
    program = Path(shutil.copy(BUILD / "driver-go", folder))
    _, reply = run_setuid(program, environment=mock_server.environment, stdin="from_env a\n")
    assert "the%20environment%20is%20not%20read%20in%20a%20setuid%20program" in reply
