"""The cache of one access token, shared by all threads of a program. What it does is decided by the library."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading
import time
import weakref
from concurrent.futures import Future
from ctypes import byref, c_void_p, sizeof
from datetime import datetime, timezone
from types import TracebackType
from typing import NoReturn, final

from . import _arguments as arguments
from ._abi import (
    BANKHUB_ALLOW_HTTP,
    BANKHUB_OK,
    BANKHUB_SANDBOX_URL,
    bankhub_access_token,
    bankhub_config,
    bankhub_error,
    bankhub_stats,
)
from ._errors import BankHubError, DeadlineExceeded, InternalError, InvalidArgument, new_error
from ._library import (
    bankhub_access_token_wipe,
    bankhub_status_name,
    bankhub_token_free,
    bankhub_token_generation,
    bankhub_token_get,
    bankhub_token_invalidate,
    bankhub_token_new,
    bankhub_token_stats,
)
from ._stats import Stats, new_stats
from ._token import Token

WAIT_SLICE_S = 0.1
"""How long a wait runs inside the library before Python may act on a signal, such as Ctrl-C."""

NO_TOKEN = (-1, "")
"""A generation that the library never answers."""


@final
class TokenCache:
    """Keeps one valid token. Make one per client id, and share it: any number of threads may call it at once.

    Use it in a `with` statement, or `close` it. One that is forgotten is closed when it is collected, or at exit.
    """

    _handle: int | None = None  # NULL, for a traceback that prints a cache which could not be made

    def __init__(
        self,
        client_id: str,
        client_secret: str,
        *,
        base_url: str = BANKHUB_SANDBOX_URL,
        ca_file: str | os.PathLike[str] | None = None,
        proxy: str | None = None,
        store: str | None = None,
        connect_timeout: float | None = None,
        request_timeout: float | None = None,
        get_timeout: float = 30.0,
        refresh_ahead: float | None = None,
        allow_http: bool = False,
    ) -> None:
        """Sends no request, but reads `ca_file`, the system's trusted roots and the proxy environment.

        base_url: "https://host[:port][/path]".
        ca_file: a PEM file whose certificates are trusted besides the system's.
        proxy: "http://[user:password@]host[:port]"; "" for none, None for what HTTPS_PROXY and NO_PROXY say.
        store: where processes share the token: "file:/DIR", "redis://[[user]:password@]host[:port][/database]" or
            "rediss://…"; None for this process alone.
        connect_timeout: seconds for connect and TLS handshake; None for 5.
        request_timeout: seconds for one token request, from start to last byte; None for 10.
        get_timeout: seconds that `get` and `token` wait at most, where they are not told otherwise.
        refresh_ahead: seconds before its end that a token is renewed; None for a tenth of its ttl.
        allow_http: allows plain http beyond loopback; the secret then crosses the network in clear.

        Raises InvalidArgument, whose message names the argument that is wrong.
        """
        config = bankhub_config(
            size=sizeof(bankhub_config),
            client_id=arguments.text("client_id", client_id),
            client_secret=arguments.text("client_secret", client_secret),
            base_url=arguments.text("base_url", base_url),
            ca_file=arguments.text("ca_file", None if ca_file is None else os.fspath(ca_file)),
            proxy=arguments.text("proxy", proxy),
            store=arguments.text("store", store),
            connect_timeout_ms=arguments.duration("connect_timeout", connect_timeout, 1000),
            request_timeout_ms=arguments.duration("request_timeout", request_timeout, 1000),
            get_timeout_ms=arguments.duration("get_timeout", get_timeout, 1000),
            refresh_ahead_s=arguments.duration("refresh_ahead", refresh_ahead, 1),
            flags=BANKHUB_ALLOW_HTTP if allow_http else 0,
        )
        handle, error = c_void_p(), bankhub_error()
        if bankhub_token_new(byref(config), byref(handle), byref(error)) != BANKHUB_OK:
            raise new_error(error)
        self._handle = handle.value
        self._free = weakref.finalize(self, bankhub_token_free, handle.value)
        self._base_url = base_url
        self._get_timeout = get_timeout
        self._last = NO_TOKEN
        self._fetches: dict[int, Future[None]] = {}

    @classmethod
    def from_env(cls) -> TokenCache:
        """From BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET and, where they are set, BANKHUB_BASE_URL, BANKHUB_STORE
        and BANKHUB_CA_FILE. A variable that is empty counts as not set.

        Raises InvalidArgument.
        """

        def required(name: str) -> str:
            value = os.environ.get(name)
            if not value:
                raise InvalidArgument(f"{name} is not set in the environment")
            return value

        return cls(
            required("BANKHUB_CLIENT_ID"),
            required("BANKHUB_CLIENT_SECRET"),
            base_url=os.environ.get("BANKHUB_BASE_URL") or BANKHUB_SANDBOX_URL,
            store=os.environ.get("BANKHUB_STORE") or None,
            ca_file=os.environ.get("BANKHUB_CA_FILE") or None,
        )

    def get(self, timeout: float | None = None) -> str:
        """The text that belongs after "Authorization: Bearer ".

        A valid token is returned at once. Otherwise this waits for the one token request that serves all callers, at
        most `timeout` seconds: 0 for not at all, None for `get_timeout`. That time, or Ctrl-C, ends the wait, never the
        request.

        Raises any BankHubError.
        """
        generation, value = self._last
        if timeout is None and bankhub_token_generation(self._handle) == generation:
            return value
        return self.token(timeout).value

    def token(self, timeout: float | None = None) -> Token:
        """`get`, with the token's generation and end."""
        end = time.monotonic() + (self._get_timeout if timeout is None else arguments.timeout(timeout))
        while True:
            left = end - time.monotonic()
            try:
                token = self._copy(min(max(left, 0.0), WAIT_SLICE_S))
            except DeadlineExceeded:
                if left <= WAIT_SLICE_S:
                    raise
            else:
                self._last = (token.generation, token.value)
                return token

    def _copy(self, timeout: float) -> Token:
        native, error = bankhub_access_token(), bankhub_error()
        try:
            milliseconds = math.ceil(timeout * 1000)
            if bankhub_token_get(self._handle, milliseconds, byref(native), byref(error)) != BANKHUB_OK:
                raise new_error(error)
            expires_at = datetime.fromtimestamp(native.expires_at, timezone.utc)
            return Token(native.value.decode(), native.generation, expires_at)
        finally:
            bankhub_access_token_wipe(byref(native))

    async def aget(self, timeout: float | None = None) -> str:
        """`get` for a coroutine. A valid token is returned at once; whoever waits does not block the loop.

        However many tasks wait, of any loops, they hold one thread together. Cancelling one ends that wait alone.
        """
        generation, value = self._last
        if timeout is None and bankhub_token_generation(self._handle) == generation:
            return value
        return (await self.atoken(timeout)).value

    async def atoken(self, timeout: float | None = None) -> Token:
        """`token` for a coroutine, as `aget` is `get`."""
        end = time.monotonic() + (self._get_timeout if timeout is None else arguments.timeout(timeout))
        while True:
            try:
                return self.token(0)
            except DeadlineExceeded:
                left = end - time.monotonic()
                if left <= 0:
                    raise
            fetched = asyncio.wrap_future(self._fetched())
            try:
                await asyncio.wait({fetched}, timeout=left)
            finally:
                fetched.cancel()

    def _fetched(self) -> Future[None]:
        """Done when there is a token or an error. One thread waits for it, however many tasks do."""
        fetched: Future[None] = Future()
        fetched.set_running_or_notify_cancel()  # so that no task cancels it for the others
        # By process, because a forked child does not have the thread.
        shared = self._fetches.setdefault(os.getpid(), fetched)
        if shared is fetched:
            try:
                threading.Thread(target=self._wait_for_all, args=(fetched,), name="bankhub-wait", daemon=True).start()
            except RuntimeError as error:
                del self._fetches[os.getpid()]
                raise InternalError(str(error)) from error
        return shared

    def _wait_for_all(self, fetched: Future[None]) -> None:
        with contextlib.suppress(BankHubError):  # each task asks for itself then, and is told
            self.token()
        del self._fetches[os.getpid()]  # first, so that who comes now begins another
        fetched.set_result(None)

    @property
    def base_url(self) -> str:
        """Of the API that the token is for, as it was given."""
        return self._base_url

    @property
    def generation(self) -> int:
        """Of the token that `get` would return at once, or 0 if there is none. Never waits."""
        generation: int = bankhub_token_generation(self._handle)
        return generation

    def invalidate(self, token: str | None) -> None:
        """Reports that an API answered 401 to `token`, which is then replaced if it still is the current one.

        Anything else changes nothing, so every caller may report what it saw. Never waits. Raises Closed, or
        InvalidArgument if `token` contains a NUL character.
        """
        error = bankhub_error()
        if bankhub_token_invalidate(self._handle, arguments.text("token", token), byref(error)) != BANKHUB_OK:
            raise new_error(error)

    def stats(self) -> Stats:
        """What the cache has done and is doing. Never waits. Raises Closed."""
        native = bankhub_stats(size=sizeof(bankhub_stats))
        status = bankhub_token_stats(self._handle, byref(native))
        if status != BANKHUB_OK:
            raise new_error(bankhub_error(status=status, message=bankhub_status_name(status)))
        return new_stats(native)

    def close(self) -> None:
        """Ends the cache: calls that wait raise Closed at once, later ones too. Closing it again does nothing."""
        self._free()
        self._last = NO_TOKEN

    def __enter__(self) -> TokenCache:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<bankhub.TokenCache generation={self.generation}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a TokenCache cannot be copied or pickled; make one in each process, and share it there")
