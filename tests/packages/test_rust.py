"""A Rust program that uses rustls itself, with its default provider, and this crate."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Optional

import pytest

from support.languages import ROOT
from support.mock_server import MockServer

BUILD_LIMIT_S = 600
"""The provider is a large library in C."""

MANIFEST = f"""
[package]
name = "host"
version = "0.1.0"
edition = "2024"

[dependencies]
bankhub = {{ path = "{ROOT}", default-features = false, features = ["no-trace-log"] }}
rustls = "0.23"

[features]
two-providers = ["rustls/ring"]

[profile.dev]
debug = 0

[workspace]
"""
PROGRAM = """
use rustls::crypto::CryptoProvider;

fn main() {
    if std::env::args().len() > 1 {
        rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    }
    match bankhub::TokenCache::from_env().and_then(|cache| cache.get()) {
        Ok(token) => print!("{} ", token.value().len()),
        Err(error) => return print!("{:?} {error}", error.status()),
    }
    let builder = rustls::ClientConfig::builder();
    print!("{}", std::ptr::eq(&**builder.crypto_provider(), &**CryptoProvider::get_default().unwrap()));
}
"""


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("host")
    (folder / "src").mkdir()
    (folder / "Cargo.toml").write_text(MANIFEST)
    (folder / "src" / "main.rs").write_text(PROGRAM)
    shutil.copy(ROOT / "Cargo.lock", folder)  # the versions that were tested
    return folder


@pytest.fixture
def https(tmp_path: Path) -> Iterator[dict[str, str]]:
    """The variables from which a program makes a cache for a mock server with TLS."""
    ca_file = tmp_path / "ca.pem"
    mock_server = MockServer(ca_file=ca_file)
    right = {"BANKHUB_BASE_URL": mock_server.tls["right"], "BANKHUB_CA_FILE": str(ca_file)}
    yield {**mock_server.environment, **right}
    mock_server.kill()


def run(host: Path, environment: dict[str, str], *options: str, word: Optional[str] = None) -> str:
    # The target folder stays, because it takes a minute to build.
    target = ROOT / "target" / "rust-host"
    command = ["cargo", "run", "--quiet", "--target-dir", str(target), *options, "--", *filter(None, [word])]
    return subprocess.run(
        command,
        cwd=host,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=BUILD_LIMIT_S,
    ).stdout


def test_leaves_the_crypto_provider_to_the_program(host: Path, https: dict[str, str]) -> None:
    assert run(host, https) == "40 true"


def test_uses_the_provider_that_the_program_has_installed(host: Path, https: dict[str, str]) -> None:
    assert run(host, https, "--features", "two-providers", word="install") == "40 true"


def test_says_that_there_are_two_providers(host: Path, https: dict[str, str]) -> None:
    said = run(host, https, "--features", "two-providers")
    assert said.startswith("InvalidArgument rustls has no crypto provider, or more than one; call CryptoProvider::")
