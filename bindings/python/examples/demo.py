"""Shows a token from the environment's credentials in use: one call, one revocation survived, 64 threads at once."""

from __future__ import annotations

import os
import sys
import threading
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import bankhub

BASE_URL = os.environ.get("BANKHUB_BASE_URL") or bankhub.SANDBOX_URL
REVOKE_URL = os.environ.get("BANKHUB_DEMO_REVOKE_URL")
THREADS = 64


def main() -> None:
    with bankhub.TokenCache.from_env() as tokens:
        token = tokens.token()
        print("token:", masked(token.value))
        print("expires:", token.expires_at.strftime("%Y-%m-%d %H:%M:%S UTC"))
        print("resource:", expect(200, company(token.value)))
        if REVOKE_URL:
            send("POST", REVOKE_URL)
            survive(tokens)
    print("threads:", requests_of_threads())


def survive(tokens: bankhub.TokenCache) -> None:
    """How a program gets over a 401: it reports the token, gets the next one, and repeats the call once."""
    token = tokens.get()
    before = expect(401, company(token))
    tokens.invalidate(token)
    after = expect(200, company(tokens.get()))
    print(f"revoked: {before}, then {after}")


def requests_of_threads() -> int:
    """How many token requests it takes to give each of 64 threads a token."""
    together = threading.Barrier(THREADS)

    def get(_: int) -> str:
        together.wait()
        return tokens.get()

    with bankhub.TokenCache.from_env() as tokens, ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(get, range(THREADS)))
        return tokens.stats().requests


def company(token: str) -> int:
    return send("GET", BASE_URL + "/v1/company", {"Authorization": f"Bearer {token}"})


def send(method: str, url: str, headers: dict[str, str] | None = None) -> int:
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            status: int = response.status
            return status
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def expect(wanted: int, status: int) -> int:
    if status != wanted:
        raise RuntimeError(f"the resource answered {status}, not {wanted}")
    return status


def masked(token: str) -> str:
    return f"{token[:4]}…{token[-4:]}" if len(token) >= 16 else "…"


if __name__ == "__main__":
    try:
        main()
    except (bankhub.BankHubError, OSError, RuntimeError) as error:
        sys.exit(f"demo: {error}")
