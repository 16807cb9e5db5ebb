"""Measures the wrappers beside their languages' other ways to a token, and prints a table of each; `--tiny` for a test.

Python's here, the others by programs of theirs. Ends with code 1 if one of them missed a bar.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import google.oauth2.credentials
import httpx
import requests
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from authlib.integrations.requests_client.oauth2_session import OAuth2Auth  # type: ignore[import-untyped]

import bankhub
import bankhub.httpx
import bankhub.requests
from support.languages import BUILD, LIBRARIES
from support.mock_server import MockServer

URL = "https://hub.test/v1/company"
LIFE_S = 3_600
AUTHLIB_SHARE, GOOGLE_AUTH_SHARE = 0.85, 0.2
"""Of a peer's time at most."""

Call = Callable[[], object]


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures what a wrapper adds to a call.")
    parser.add_argument("--tiny", action="store_true", help="too brief to say anything")
    tiny = parser.parse_args().tiny
    mock_server = MockServer()
    try:
        missed = python(mock_server, tiny)
        for command in others():
            print(flush=True)
            missed |= run(command, mock_server, tiny) != 0
    finally:
        mock_server.kill()
    return 1 if missed else 0


def python(mock_server: MockServer, tiny: bool) -> bool:
    """Whether a bar was missed."""
    rounds, calls = (3, 100) if tiny else (15, 20_000)
    with bankhub.TokenCache(mock_server.client_id, mock_server.client_secret, base_url=mock_server.url) as cache:
        cache.get()
        gets = ways_to_a_token(cache)
        one, two = (measured(gets, threads, rounds, calls) for threads in (1, 2))
        adapters = ways_to_sign(cache, mock_server.url)
        signing = [measured(adapters, threads, rounds, calls // 10) for threads in (1, 2)]
    print(
        f"| ns a call, CPython {sys.version_info[0]}.{sys.version_info[1]}, of so many threads | 1 | 2 |\n|---|--:|--:|"
    )
    for name in gets:
        print(f"| {name} | {one[name]:.0f} | {two[name]:.0f} |")
    for name in adapters:
        print(f"| {name} | {signing[0][name]:.0f} | {signing[1][name]:.0f} |")
    ours, authlib, google_auth = one.values()
    missed = not tiny and (ours > AUTHLIB_SHARE * authlib or ours > GOOGLE_AUTH_SHARE * google_auth)
    if missed:
        print(f"get takes {ours / authlib:.2f} of authlib, {ours / google_auth:.2f} of google-auth", file=sys.stderr)
    return missed


def others() -> Iterator[list[str]]:
    """The programs of those languages that this machine has."""
    go, csharp = BUILD / "bench-go", BUILD / "bench-csharp.exe"
    if go.exists():
        yield [str(go)]
    if csharp.exists() and shutil.which("dotnet"):
        yield ["dotnet", "exec", "--runtimeconfig", str(Path(__file__).with_name("core.json")), str(csharp)]
    elif csharp.exists():
        yield ["mono", str(csharp)]


def run(command: list[str], mock_server: MockServer, tiny: bool) -> int:
    """The code that it ended with."""
    environment = {
        **os.environ,
        "BANKHUB_LIBRARY": str(LIBRARIES / "libbankhub.so.0"),
        **mock_server.environment,
    }
    return subprocess.run([*command, *(["--tiny"] if tiny else [])], env=environment).returncode


def ways_to_a_token(cache: bankhub.TokenCache) -> Mapping[str, Call]:
    """What each does for a call while its token is valid."""
    session = authlib_session()
    credentials: Any = google.oauth2.credentials.Credentials("token")  # type: ignore[no-untyped-call]
    return {
        "`TokenCache.get`, Python": cache.get,
        "authlib's check": lambda: session.ensure_active_token(session.token),
        "google-auth's check": lambda: credentials.before_request(None, "GET", URL, {}),
    }


def ways_to_sign(cache: bankhub.TokenCache, url: str) -> Mapping[str, Call]:
    """What each adds to a request."""
    prepared = requests.Request("GET", url).prepare()
    ours, ours_httpx = bankhub.requests.BankHubAuth(cache), bankhub.httpx.BankHubAuth(cache)
    session = authlib_session()
    theirs = OAuth2Auth(session.token, client=session)

    def requests_signed(auth: Any) -> None:
        auth(prepared.copy())

    def httpx_signed() -> None:
        flow = ours_httpx.sync_auth_flow(httpx.Request("GET", url))
        next(flow)
        flow.close()

    return {
        "a request of requests alone": prepared.copy,
        "a request of httpx alone": lambda: httpx.Request("GET", url),
        "`bankhub.requests.BankHubAuth`, a request": lambda: requests_signed(ours),
        "`bankhub.httpx.BankHubAuth`, a request": httpx_signed,
        "authlib's `OAuth2Auth`, a request of requests": lambda: requests_signed(theirs),
    }


def authlib_session() -> Any:
    token = {"access_token": "token", "token_type": "Bearer", "expires_at": int(time.time()) + LIFE_S}
    return OAuth2Session("id", "secret", token=token)


def measured(ways: Mapping[str, Call], threads: int, rounds: int, calls: int) -> Mapping[str, float]:
    """Nanoseconds a call, the median of rounds in which all take their turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, call in ways.items():
            times[name].append(round_ns(call, threads, calls))
    return {name: statistics.median(ns) for name, ns in times.items()}


def round_ns(call: Call, threads: int, calls: int) -> float:
    took: list[float] = []

    def run() -> None:
        begun = time.perf_counter_ns()
        for _ in range(calls):
            call()
        took.append((time.perf_counter_ns() - begun) / calls)

    running = [threading.Thread(target=run) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return statistics.mean(took)


if __name__ == "__main__":
    sys.exit(main())
