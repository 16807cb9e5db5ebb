"""The cache of one access token, which all threads of a program share. The library makes every decision."""

from __future__ import annotations

import contextlib
import math
import os
import time
import weakref
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
from ._waiting import (
    POLL_INTERVAL_S,
    SIGNAL_CHECK_INTERVAL_S,
    THREAD,
    Runner,
    SharedWait,
    current_greenlets,
    wait_in_task,
)

GET_TIMEOUT_S = 30.0

NO_TOKEN = (-1, "")
"""A generation that the library never returns."""


def _left(end: float) -> float:
    return max(end - time.monotonic(), 0.0)


@final
class TokenCache:
    """Keeps one valid token. Make one per client id and share it: any number of threads may call it at once.

    Use it in a `with` statement, or `close` it. The garbage collector closes a cache that is no longer used. At the end
    of the program, functions of atexit and `__del__` may still get a token.
    """

    _handle: int | None = None  # NULL, for a traceback that prints a cache whose constructor raised

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
        get_timeout: float | None = None,
        refresh_ahead: float | None = None,
        allow_http: bool = False,
    ) -> None:
        """Sends no request, but reads `ca_file`, the system's trusted roots and the proxy variables of the environment.

        base_url: "https://host[:port][/path]". An empty string counts as not set, here and in ca_file and store.
        ca_file: a PEM file of certificates to trust in addition to the system's.
        proxy: "http://[user:password@]host[:port]"; "": no proxy; None: from HTTPS_PROXY and NO_PROXY.
        store: where processes share the token: "file:/DIR", "redis://[[user]:password@]host[:port][/database]",
            "rediss://…", "redis+sentinel://…/NAME" or "redis+unix:/PATH"; None: not shared.
        connect_timeout: seconds for connect and TLS handshake; None: 5.
        request_timeout: seconds for one token request, from start to last byte; None: 10.
        get_timeout: the most seconds that a call without a timeout of its own waits; None: 30.
        refresh_ahead: how many seconds before a token expires it is refreshed; None: a tenth of its ttl.
        allow_http: allows plain http to hosts other than loopback; the secret is then sent unencrypted.

        Raises InvalidArgument, or TypeError for a value of another type. The message names the wrong argument.
        """
        config = bankhub_config(
            size=sizeof(bankhub_config),
            client_id=arguments.text("client_id", client_id),
            client_secret=arguments.text("client_secret", client_secret),
            base_url=arguments.text("base_url", base_url),
            ca_file=arguments.path("ca_file", ca_file),
            proxy=arguments.text("proxy", proxy),
            store=arguments.text("store", store),
            connect_timeout_ms=arguments.duration("connect_timeout", connect_timeout, 1000),
            request_timeout_ms=arguments.duration("request_timeout", request_timeout, 1000),
            get_timeout_ms=arguments.duration("get_timeout", get_timeout, 1000),
            refresh_ahead_s=arguments.duration("refresh_ahead", refresh_ahead, 1),
            flags=BANKHUB_ALLOW_HTTP if arguments.flag("allow_http", allow_http) else 0,
        )
        handle, error = c_void_p(), bankhub_error()
        if bankhub_token_new(byref(config), byref(handle), byref(error)) != BANKHUB_OK:
            raise new_error(error)
        self._handle = handle.value
        self._free = weakref.finalize(self, bankhub_token_free, handle.value)
        self._free.atexit = False  # type: ignore[misc] # other functions of atexit, and __del__, may still call `get`
        self._base_url = base_url or BANKHUB_SANDBOX_URL
        self._get_timeout = GET_TIMEOUT_S if get_timeout is None else arguments.timeout(get_timeout)
        self._last = NO_TOKEN
        self._shared_waits: dict[tuple[int, object], SharedWait] = {}

    @classmethod
    def from_env(cls) -> TokenCache:
        """Makes a cache from the environment: BANKHUB_CLIENT_ID and BANKHUB_CLIENT_SECRET, which are required, and
        BANKHUB_BASE_URL, BANKHUB_STORE and BANKHUB_CA_FILE. A variable that is empty counts as not set.

        Raises InvalidArgument, whose message names the variable or the argument.
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
        """Returns the text to send after "Authorization: Bearer ".

        A valid token is returned at once. Otherwise the call waits for the one token request that serves all callers,
        for at most `timeout` seconds. 0: it does not wait; None: `get_timeout`. The timeout and Ctrl-C end the wait,
        not the request. While a greenlet of gevent or eventlet waits, the others run. If there is a store and the token
        is due, the call first waits for the token of another process, for at most 100 ms.

        Raises any BankHubError, and TypeError if `timeout` is not a number.
        """
        generation, value = self._last
        if bankhub_token_generation(self._handle) == generation:
            if timeout is not None:
                arguments.timeout(timeout)
            return value
        return self.token(timeout).value

    def token(self, timeout: float | None = None) -> Token:
        """Like `get`, but also returns the generation of the token and when it expires."""
        end = self._end(timeout)
        greenlets = current_greenlets()
        wait = SIGNAL_CHECK_INTERVAL_S if greenlets is None else 0
        while (token := self._poll(end, wait)) is None:
            if greenlets is not None:
                greenlets.wait(self._shared_wait(greenlets), _left(end))
        return token

    async def aget(self, timeout: float | None = None) -> str:
        """`get` for a coroutine of asyncio or trio. It returns a valid token at once, and never blocks the event loop.

        All waiting tasks of all loops share one thread. Cancelling a task ends only the wait of that task.
        """
        generation, value = self._last
        if bankhub_token_generation(self._handle) == generation:
            if timeout is not None:
                arguments.timeout(timeout)
            return value
        return (await self.atoken(timeout)).value

    async def atoken(self, timeout: float | None = None) -> Token:
        """`token` for a coroutine, as `aget` is `get` for one."""
        end = self._end(timeout)
        while (token := self._poll(end, 0)) is None:
            await wait_in_task(self._shared_wait(current_greenlets() or THREAD), _left(end))
        return token

    def _end(self, timeout: float | None) -> float:
        return time.monotonic() + (self._get_timeout if timeout is None else arguments.timeout(timeout))

    def _poll(self, end: float, wait: float) -> Token | None:
        """The token, or None if there may be one before the end. It waits for at most `wait` seconds."""
        left = _left(end)
        try:
            token = self._copy(min(left, wait))
        except DeadlineExceeded:
            if left <= wait:
                raise
            return None
        self._last = (token.generation, token.value)
        # Without a generation, another process may be about to replace it.
        return token if wait or left <= 0 or self.generation else None

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

    def _shared_wait(self, runner: Runner) -> SharedWait:
        """What all callers that wait now share. One loop polls on behalf of them."""
        key = (os.getpid(), runner.key)  # a forked child has no such loop
        own = SharedWait()
        shared = self._shared_waits.setdefault(key, own)

        def end() -> None:
            self._shared_waits.pop(key, None)  # before the end: a caller that waits after it needs another loop
            own.end()

        def poll_for_callers() -> None:
            try:
                with contextlib.suppress(BankHubError):  # each caller polls then, and gets the error itself
                    while own.has_callers() and self._poll(math.inf, runner.wait_s) is None:
                        runner.pause()
            finally:
                end()

        if shared is own:
            try:
                runner.spawn(poll_for_callers)
            except BaseException as error:  # such as MemoryError, and that of Ctrl-C
                end()  # callers that have joined poll again, and start a loop themselves
                if not isinstance(error, RuntimeError):
                    raise
                if "interpreter shutdown" in str(error):  # Python 3.12 starts no thread for a function of atexit
                    return SharedWait(POLL_INTERVAL_S)  # each caller polls itself
                raise InternalError(f"no thread could start to wait for the token: {error}") from error
        return shared

    @property
    def base_url(self) -> str:
        """The base URL of the API, as it was passed to the constructor."""
        return self._base_url

    @property
    def get_timeout(self) -> float:
        """For how many seconds a call without a timeout waits."""
        return self._get_timeout

    @property
    def generation(self) -> int:
        """The generation of the token that `get` would return at once. Never waits.

        0: there is none, or another process may be about to replace it.
        """
        generation: int = bankhub_token_generation(self._handle)
        return generation

    def invalidate(self, token: str | None) -> None:
        """Reports that an API answered 401 to `token`. The cache replaces it if it is still the current token.

        Any other text changes nothing, so every caller may report the token it used. Never waits. Raises Closed,
        InternalError, or InvalidArgument if `token` contains a NUL character.
        """
        error = bankhub_error()
        if bankhub_token_invalidate(self._handle, arguments.text("token", token), byref(error)) != BANKHUB_OK:
            raise new_error(error)

    def stats(self) -> Stats:
        """The statistics of the cache. Never waits. Raises Closed or InternalError."""
        native = bankhub_stats(size=sizeof(bankhub_stats))
        status = bankhub_token_stats(self._handle, byref(native))
        if status != BANKHUB_OK:
            raise new_error(bankhub_error(status=status, message=bankhub_status_name(status)))
        return new_stats(native)

    def close(self) -> None:
        """Ends the cache. Waiting calls raise Closed at once, and so does every later call. May be called twice."""
        self._free.detach()
        bankhub_token_free(self._handle)
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
        raise TypeError("a TokenCache cannot be copied or pickled; make one in each process and share it there")
