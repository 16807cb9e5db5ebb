"""Gets a token, uses it, recovers from its revocation, and shows that 64 threads cause one token request."""

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
            recover_from_401(tokens)
    print("threads:", requests_of_threads())


def recover_from_401(tokens: bankhub.TokenCache) -> None:
    """Reports the rejected token, gets another one, and repeats the call once."""
    token = tokens.get()
    before = expect(401, company(token))
    tokens.invalidate(token)
    after = expect(200, company(tokens.get()))
    print(f"revoked: {before}, then {after}")


def requests_of_threads() -> int:
    """Returns how many token requests 64 threads cause that get a token at the same time."""
    barrier = threading.Barrier(THREADS)

    def get(_: int) -> str:
        barrier.wait()
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


def expect(expected: int, status: int) -> int:
    if status != expected:
        raise RuntimeError(f"the API answered {status}, expected {expected}")
    return status


def masked(token: str) -> str:
    return f"{token[:4]}…{token[-4:]}" if len(token) >= 16 else "…"


if __name__ == "__main__":
    try:
        main()
    except (bankhub.BankHubError, OSError, RuntimeError) as error:
        sys.exit(f"demo: {error}")
