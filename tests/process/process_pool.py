"""A multiprocessing pool whose processes are forked while a thread of the parent waits for the first token.

process_pool.py TASKS. Each task prints the token that its process got from the inherited cache.
"""

from __future__ import annotations

import multiprocessing
import sys
import threading

from bankhub import TokenCache

PROCESSES = 4

tokens = TokenCache.from_env()


def task(_: int) -> str:
    return tokens.get()


def main() -> None:
    waiter = threading.Thread(target=tokens.get)
    waiter.start()
    with multiprocessing.get_context("fork").Pool(PROCESSES) as pool:
        for token in pool.imap_unordered(task, range(int(sys.argv[1]))):
            print("task", token)
    waiter.join()
    print("parent", tokens.get())


if __name__ == "__main__":
    main()
