"""The ways of Python to a token, measured on demand for `wrappers.py`: `ways.py` says how they speak."""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import google.oauth2.credentials
import httpx
import requests
from authlib.integrations.requests_client import OAuth2Session  # type: ignore[import-untyped]
from authlib.integrations.requests_client.oauth2_session import OAuth2Auth  # type: ignore[import-untyped]

import bankhub
import bankhub.httpx
import bankhub.requests

URL = f"{os.environ['BANKHUB_BASE_URL']}/v1/company"
"""At the API's own origin: an adapter gives the token to no other."""

LIFE_S = 3_600

Call = Callable[[], object]


def main() -> None:
    with bankhub.TokenCache.from_env() as cache:
        cache.get()
        ways = {**ways_to_a_token(cache), **ways_to_sign(cache)}
        runtime = f"CPython {'.'.join(platform.python_version_tuple()[:2])}"
        print(json.dumps({"runtime": runtime, "ways": list(ways)}), flush=True)
        for line in sys.stdin:
            threads, slices, *calls = map(int, line.split())
            print(json.dumps(one_round(list(ways.values()), threads, slices, calls)), flush=True)


def ways_to_a_token(cache: bankhub.TokenCache) -> Mapping[str, Call]:
    """The work of each for a call while its token is valid."""
    session = authlib_session()
    credentials: Any = google.oauth2.credentials.Credentials("token")  # type: ignore[no-untyped-call]
    return {
        "`TokenCache.get`, Python": cache.get,
        "authlib's check": lambda: session.ensure_active_token(session.token),
        "google-auth's check": lambda: credentials.before_request(None, "GET", URL, {}),
    }


def ways_to_sign(cache: bankhub.TokenCache) -> Mapping[str, Call]:
    """The work that each adds to a request."""
    prepared = requests.Request("GET", URL).prepare()
    ours, ours_httpx = bankhub.requests.BankHubAuth(cache), bankhub.httpx.BankHubAuth(cache)
    session = authlib_session()
    theirs = OAuth2Auth(session.token, client=session)

    def requests_signed(auth: Any) -> None:
        auth(prepared.copy())

    def httpx_signed() -> None:
        flow = ours_httpx.sync_auth_flow(httpx.Request("GET", URL))
        next(flow)
        flow.close()

    return {
        "a request of requests alone": prepared.copy,
        "a request of httpx alone": lambda: httpx.Request("GET", URL),
        "`bankhub.requests.BankHubAuth`, a request": lambda: requests_signed(ours),
        "`bankhub.httpx.BankHubAuth`, a request": httpx_signed,
        "authlib's `OAuth2Auth`, a request of requests": lambda: requests_signed(theirs),
    }


def authlib_session() -> Any:
    token = {"access_token": "token", "token_type": "Bearer", "expires_at": int(time.time()) + LIFE_S}
    return OAuth2Session("id", "secret", token=token)


def one_round(ways: Sequence[Call], threads: int, slices: int, calls: Sequence[int]) -> list[list[float]]:
    """All threads call the same way at the same time. Every other slice runs in reverse."""
    start = threading.Barrier(threads)
    costs = [[[0.0] * threads for _ in ways] for _ in range(slices)]

    def run(thread: int) -> None:
        for number, one_slice in enumerate(costs):
            for way in range(len(ways)) if number % 2 == 0 else reversed(range(len(ways))):
                start.wait()
                one_slice[way][thread] = cost(ways[way], calls[way])

    running = [threading.Thread(target=run, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return [[statistics.mean(of_threads) for of_threads in one_slice] for one_slice in costs]


def cost(call: Call, calls: int) -> float:
    begun = time.perf_counter_ns()
    for _ in range(calls):
        call()
    return (time.perf_counter_ns() - begun) / calls


if __name__ == "__main__":
    main()
