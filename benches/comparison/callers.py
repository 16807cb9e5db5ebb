"""Asks a library for tokens at given times: reads a plan per line, and answers with how long each call took."""

from __future__ import annotations

import base64
import datetime
import http
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import google.auth.credentials
import google.auth.exceptions
import google.auth.transport.requests

import bankhub

LEAD_S = 0.1
"""How long before the first call the threads are started, so that all of them are waiting by then."""

OVERTIME_S = 1
"""How long after the end a thread still makes the calls it owes."""

Call = tuple[float, float, bool]
"""When it was due, how long it took, both in milliseconds, and whether it returned a token."""


class Plan:
    """When to call: thread number i at i times `apart`, and every `period` after that, until the end. In seconds."""

    def __init__(self, threads: int, apart: float, period: float, end: float) -> None:
        self.threads, self.apart, self.period, self.end = threads, apart, period, end

    def run(self, get: Callable[[], object]) -> list[list[Call]]:
        """The calls of each thread."""
        calls: list[list[Call]] = [[] for _ in range(self.threads)]
        start = time.monotonic() + LEAD_S
        threads = [
            threading.Thread(target=self._call, args=(get, start, i * self.apart, calls[i]))
            for i in range(self.threads)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return calls

    def _call(self, get: Callable[[], object], start: float, due: float, calls: list[Call]) -> None:
        # A call counts from when it was due: if it had to wait for the call before it, that counts, too. But it does
        # not count from before the machine woke the thread, which may be late.
        awake = due
        while due < self.end:
            early = due - (time.monotonic() - start)
            if early > 0:
                time.sleep(early)
                awake = time.monotonic() - start
            served = time.monotonic() - start < self.end + OVERTIME_S and _returns_a_token(get)
            calls.append((due * 1e3, (time.monotonic() - start - max(due, awake)) * 1e3, served))
            due += self.period


def _returns_a_token(get: Callable[[], object]) -> bool:
    try:
        get()
    except (bankhub.BankHubError, google.auth.exceptions.GoogleAuthError):
        return False
    return True


# google-auth declares no types, which mypy must ignore.
class GoogleCredentials(google.auth.credentials.Credentials):
    """Added as google-auth's manual says. Its own credentials ask an endpoint that answers 503 three times a call."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        secret = f"{os.environ['BANKHUB_CLIENT_ID']}:{os.environ['BANKHUB_CLIENT_SECRET']}"
        self._headers = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
        self._url = f"{os.environ['BANKHUB_BASE_URL']}/v1/token"

    def refresh(self, request: Any) -> None:
        response = request(self._url, method="POST", headers=self._headers)
        if response.status != http.HTTPStatus.CREATED:
            raise google.auth.exceptions.RefreshError(response.status)  # type: ignore[no-untyped-call]
        answer = json.loads(response.data)
        self.token = answer["access_token"]
        now = datetime.datetime.now(datetime.timezone.utc).replace(tzinfo=None)  # google-auth's times have no zone
        self.expiry = now + datetime.timedelta(seconds=answer["ttl"])


def google_auth(*, background: bool) -> Callable[[], object]:
    credentials, request = GoogleCredentials(), google.auth.transport.requests.Request()
    if background:
        credentials.with_non_blocking_refresh()  # type: ignore[no-untyped-call]
    return lambda: credentials.before_request(request, "GET", "/", {})  # type: ignore[no-untyped-call]


LIBRARIES: dict[str, Callable[[], Callable[[], object]]] = {
    "bankhub": lambda: bankhub.TokenCache.from_env().get,
    "google-auth": lambda: google_auth(background=False),
    "google-auth-background": lambda: google_auth(background=True),
}


def main(library: str) -> None:
    get = LIBRARIES[library]()
    for line in sys.stdin:
        threads, *milliseconds = map(float, line.split())
        plan = Plan(int(threads), *(count / 1e3 for count in milliseconds))
        print(json.dumps(plan.run(get)), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
