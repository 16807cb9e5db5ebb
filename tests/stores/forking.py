"""Forks on SIGUSR1 during a fetch, and prints the pid of the child, which never uses the library."""

import os
import signal
import threading
import time

from bankhub import TokenCache


def fork(*_: object) -> None:
    child = os.fork()
    if child:
        print(child, flush=True)
    else:
        os.close(1)
        time.sleep(60)
        os._exit(0)


signal.signal(signal.SIGUSR1, fork)
cache = TokenCache.from_env()
threading.Thread(target=cache.get, daemon=True).start()
while True:
    time.sleep(1)
