"""A worker with threads that call an API all the time, as under gunicorn. An API that answers 401 gets each call once
more, with another token, as the HTTP adapters do.

Arguments: the number of threads, and the seconds between the calls of each. At the end of its standard input it prints
how many calls it made, how many failed in the end, and the longest wait for a token in milliseconds.
"""

from __future__ import annotations

import http.client
import sys
import threading
import time
import urllib.parse
from dataclasses import dataclass

from bankhub import TokenCache

TIMEOUT_S = 20


@dataclass
class Caller:
    """One thread of the worker."""

    tokens: TokenCache
    address: str
    calls: int = 0
    failed: int = 0
    longest_wait_s: float = 0.0

    def call_until(self, ended: threading.Event, pause_s: float) -> None:
        api = http.client.HTTPConnection(self.address, timeout=TIMEOUT_S)
        while not ended.wait(pause_s):
            self.calls += 1
            self.failed += not self.call(api)

    def call(self, api: http.client.HTTPConnection) -> bool:
        token = self.get()
        if self.is_accepted(api, token):
            return True
        self.tokens.invalidate(token)
        newer = self.get()
        if newer == token:
            return False
        accepted = self.is_accepted(api, newer)
        if not accepted:
            self.tokens.invalidate(newer)
        return accepted

    def get(self) -> str:
        start = time.monotonic()
        token = self.tokens.get()
        self.longest_wait_s = max(self.longest_wait_s, time.monotonic() - start)
        return token

    def is_accepted(self, api: http.client.HTTPConnection, token: str) -> bool:
        api.request("GET", "/v1/company", headers={"Authorization": f"Bearer {token}"})
        response = api.getresponse()
        response.read()
        return response.status == 200


def main() -> None:
    threads, pause_s = int(sys.argv[1]), float(sys.argv[2])
    ended = threading.Event()
    with TokenCache.from_env() as tokens:
        address = urllib.parse.urlsplit(tokens.base_url).netloc
        callers = [Caller(tokens, address) for _ in range(threads)]
        running = [threading.Thread(target=caller.call_until, args=(ended, pause_s)) for caller in callers]
        for thread in running:
            thread.start()
        print("ready", flush=True)
        sys.stdin.read()
        ended.set()
        for thread in running:
            thread.join()
    longest_ms = max(caller.longest_wait_s for caller in callers) * 1000
    print(sum(caller.calls for caller in callers), sum(caller.failed for caller in callers), round(longest_ms))


if __name__ == "__main__":
    main()
