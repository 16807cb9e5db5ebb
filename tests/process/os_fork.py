"""Calls os.fork at a random moment of a fetch that threads wait for. Every thread and child prints its token.

os_fork.py CHILDREN WITHIN_MS
"""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time

from bankhub import BankHubError, TokenCache

WAITERS = 4
CHILD_LIMIT_S = 20


def print_get(name: str, tokens: TokenCache) -> None:
    begun = time.monotonic()
    try:
        token = tokens.get()
    except BankHubError as error:
        token = type(error).__name__
    # One write, unlike print, so that the lines of several processes do not mix in the pipe.
    os.write(1, f"{name} {round((time.monotonic() - begun) * 1000)} {token}\n".encode())


def fork_once(within_s: float) -> None:
    with TokenCache.from_env() as tokens:
        waiters = [threading.Thread(target=print_get, args=("waiter", tokens)) for _ in range(WAITERS)]
        for waiter in waiters:
            waiter.start()
        time.sleep(random.uniform(0, within_s))
        pid = os.fork()
        if pid == 0:
            signal.alarm(CHILD_LIMIT_S)
            print_get("inherited", tokens)
            with TokenCache.from_env() as own:
                print_get("own", own)
            sys.exit()
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        os.write(1, f"ended {code}\n".encode())
        for waiter in waiters:
            waiter.join()


def main() -> None:
    children, within_ms = map(int, sys.argv[1:])
    for _ in range(children):
        fork_once(within_ms / 1000)


if __name__ == "__main__":
    main()
