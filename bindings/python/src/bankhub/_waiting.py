"""Waits for a token on behalf of tasks, however many, on one thread."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import Future

from ._errors import BankHubError, DeadlineExceeded
from ._token import Token


class Waiting:
    """Those who wait for the token of one cache. `wait` is the call that waits for so many seconds."""

    def __init__(self, wait: Callable[[float], Token], slice_s: float) -> None:
        self._wait, self._slice_s = wait, slice_s
        self._start_anew()

    def join(self) -> Future[Token]:
        """The token, or the error, that comes next. Who does not want it any more cancels it."""
        if self._process != os.getpid():
            self._start_anew()  # after a fork: the thread is the parent's, and so perhaps is the lock
        future: Future[Token] = Future()
        with self._lock:
            self._futures.append(future)
            if len(self._futures) == 1:
                # A daemon, for it must not hold up the interpreter's exit.
                threading.Thread(target=self._run, args=(self._futures,), name="bankhub-wait", daemon=True).start()
        return future

    def _start_anew(self) -> None:
        self._process = os.getpid()
        self._lock = threading.Lock()
        self._futures: list[Future[Token]] = []

    def _run(self, futures: list[Future[Token]]) -> None:
        while True:
            outcome: Token | BankHubError | None = None
            try:
                outcome = self._wait(self._slice_s)
            except DeadlineExceeded:
                pass
            except BankHubError as error:
                outcome = error
            with self._lock:
                if outcome is None and not all(future.cancelled() for future in futures):
                    continue
                ended = futures[:]
                futures.clear()
            for future in ended:
                _settle(future, outcome)
            return


def _settle(future: Future[Token], outcome: Token | BankHubError | None) -> None:
    if not future.set_running_or_notify_cancel():
        return
    if isinstance(outcome, Token):
        future.set_result(outcome)
    else:
        future.set_exception(outcome)
