"""A parent that makes the cache, gets a token and forks workers, as gunicorn does with --preload. It replaces a worker
that ends, while its threads use the cache all the time.

Prints the port it listens on. A worker accepts a connection and reads a line: a rejected token, or nothing. It replies
with its pid and a token. The parent ends all workers at the end of its standard input.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import threading

from bankhub import TokenCache

WORKERS = 4
THREADS = 3
LIMIT_S = 60
POLL_S = 0.01


def work(listener: socket.socket, tokens: TokenCache) -> None:
    while True:
        connection, _ = listener.accept()
        with connection, connection.makefile("rw") as stream:
            rejected = stream.readline().strip()
            if rejected:
                tokens.invalidate(rejected)
            print(os.getpid(), tokens.get(), file=stream)


def fork_worker(listener: socket.socket, tokens: TokenCache) -> int:
    pid = os.fork()
    if pid == 0:
        signal.alarm(LIMIT_S)
        work(listener, tokens)
    return pid


def use_cache(tokens: TokenCache) -> None:
    while True:
        tokens.invalidate("another token")
        tokens.get()
        tokens.stats()


def main() -> None:
    signal.alarm(LIMIT_S)
    # A graceful end, so that a worker closes the cache that it inherited.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with TokenCache.from_env() as tokens, socket.create_server(("127.0.0.1", 0)) as listener:
        tokens.get()
        for _ in range(THREADS):
            threading.Thread(target=use_cache, args=(tokens,), daemon=True).start()
        workers = {fork_worker(listener, tokens) for _ in range(WORKERS)}
        print(listener.getsockname()[1], flush=True)
        while not select.select([sys.stdin], [], [], POLL_S)[0]:
            ended = os.waitpid(-1, os.WNOHANG)[0]
            if ended:
                workers.remove(ended)
                workers.add(fork_worker(listener, tokens))
        for worker in workers:
            os.kill(worker, signal.SIGKILL)


if __name__ == "__main__":
    main()
