"""Tests of the cache as a Python object: strings, arguments, printing, closing."""

from __future__ import annotations

import asyncio
import copy
import gc
import math
import pickle
import threading
import time
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, Callable

import pytest

import bankhub
from bankhub import TokenCache
from bankhub._abi import BANKHUB_CLOSED
from bankhub._arguments import duration
from bankhub._library import bankhub_token_invalidate
from support.mock_server import MockServer
from support.waiting import wait_until

SECRET = "kept-to-itself"


def test_returns_same_string(tokens: TokenCache) -> None:
    first = tokens.get()
    assert tokens.get() is first
    assert tokens.token().value == first
    tokens.invalidate(first)
    assert tokens.get() != first


def test_close_drops_token(tokens: TokenCache) -> None:
    token = tokens.get()
    tokens.close()
    with pytest.raises(bankhub.Closed):
        tokens.get()
    assert token not in str(vars(tokens))
    tokens.close()


def test_releases_gil_while_waiting(tokens: TokenCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=2_000)
    threads = [threading.Thread(target=tokens.get) for _ in range(4)]
    for thread in threads:
        thread.start()
    wait_until(lambda: tokens.stats().waiters == 4, within_s=1.5, what="4 threads wait in the library at once")
    for thread in threads:
        thread.join()


@pytest.mark.parametrize("seconds", [0, 0.05, 0.25])
@pytest.mark.parametrize("call", [TokenCache.get, TokenCache.token])
def test_ends_wait_at_timeout(
    tokens: TokenCache, mock_server: MockServer, call: Callable[[TokenCache, float], Any], seconds: float
) -> None:
    mock_server.settings(latency_ms=5_000)
    start = time.monotonic()
    with pytest.raises(bankhub.DeadlineExceeded):
        call(tokens, seconds)
    assert seconds <= time.monotonic() - start < seconds + 1


def test_applies_get_timeout_without_timeout(mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=5_000)
    start = time.monotonic()
    with TokenCache(
        mock_server.client_id, mock_server.client_secret, base_url=mock_server.url, get_timeout=0.3
    ) as tokens:
        with pytest.raises(bankhub.DeadlineExceeded):
            tokens.get()
        assert 0.3 <= time.monotonic() - start < 1.3


@pytest.mark.parametrize("seconds", [-1, -0.001, math.nan, math.inf, 4_294_967.295, 10**400, Decimal(-1)])
@pytest.mark.parametrize("call", [TokenCache.get, TokenCache.token])
def test_refuses_invalid_timeout(tokens: TokenCache, call: Callable[[TokenCache, float], Any], seconds: float) -> None:
    for _ in range(2):  # without a token, and with one
        with pytest.raises(bankhub.InvalidArgument, match=r"^timeout is "):
            call(tokens, seconds)
        tokens.get()


class Float32:
    """Like a number of numpy, which is no float of Python."""

    def __float__(self) -> float:
        return 1.5


class Array:
    """Like an array of numpy."""

    def __float__(self) -> float:
        raise TypeError("only length-1 arrays can be converted")


class Index:
    def __index__(self) -> int:
        return 5


@pytest.mark.parametrize("seconds", [4_294_967.294, 5, Decimal("1.5"), Fraction(1, 2), Float32(), Index()])
def test_accepts_number_as_timeout(tokens: TokenCache, seconds: Any) -> None:
    for _ in range(2):  # without a token, and with one
        assert tokens.get(seconds)
        assert asyncio.run(tokens.aget(seconds))
        assert tokens.token(seconds)
    cache(get_timeout=seconds, refresh_ahead=seconds).close()


@pytest.mark.parametrize("seconds", ["1", b"1", True, False, timedelta(seconds=1), 1j, [1], Array()])
def test_refuses_other_type_as_timeout(tokens: TokenCache, seconds: Any) -> None:
    for _ in range(2):  # without a token, and with one
        with pytest.raises(TypeError, match=r"^timeout is of type .*; expected a number of seconds$"):
            tokens.get(seconds)
        with pytest.raises(TypeError, match=r"^timeout is of type "):
            asyncio.run(tokens.aget(seconds))
        tokens.get()
    for setting in ("connect_timeout", "request_timeout", "get_timeout", "refresh_ahead"):
        with pytest.raises(TypeError, match=rf"^{setting} is of type "):
            cache(**{setting: seconds})


def test_uses_default_get_timeout(mock_server: MockServer) -> None:
    settings = {"base_url": mock_server.url, "get_timeout": None}
    with TokenCache(mock_server.client_id, mock_server.client_secret, **settings) as tokens:  # type: ignore[arg-type]
        assert tokens.get()
        assert tokens.get_timeout == 30


@pytest.mark.parametrize("value", ["false", "", 1, 0, None])
def test_refuses_other_type_as_flag(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^allow_http is of type .*; expected bool$"):
        cache(allow_http=value)


@pytest.mark.parametrize("value", [b"ca.pem", 1, True])
def test_refuses_other_type_as_path(value: Any) -> None:
    with pytest.raises(TypeError, match=r"^ca_file is of type "):
        cache(ca_file=value)


@pytest.mark.parametrize("setting", ["connect_timeout", "request_timeout", "get_timeout", "refresh_ahead"])
def test_checks_durations(setting: str) -> None:
    for seconds in (0, -1, math.nan, math.inf, -math.inf, 4_294_967.295):
        with pytest.raises(bankhub.InvalidArgument, match=rf"^{setting} is "):
            cache(**{setting: seconds})
    for seconds in (1e-9, 1, 4_294_967):
        cache(**{setting: seconds}).close()


def test_rounds_durations_up() -> None:
    assert duration("refresh_ahead", 1e-9, 1) == 1
    assert duration("get_timeout", 1e-9, 1000) == 1
    assert duration("get_timeout", None, 1000) == 0


@pytest.mark.parametrize("setting", ["client_id", "client_secret", "base_url", "ca_file", "proxy", "store"])
def test_refuses_invalid_text(setting: str) -> None:
    with pytest.raises(bankhub.InvalidArgument, match=rf"^{setting} contains a NUL"):
        cache(**{setting: "cut\0off"})
    with pytest.raises(bankhub.InvalidArgument, match=rf"^{setting} is not UTF-8"):
        cache(**{setting: "half a pair: \ud83d"})
    with pytest.raises(TypeError, match=rf"^{setting} is of type bytes"):
        cache(**{setting: b"bytes"})


def test_refuses_invalid_rejected_token(tokens: TokenCache) -> None:
    token = tokens.get()
    with pytest.raises(bankhub.InvalidArgument, match=r"^token contains a NUL"):
        tokens.invalidate(token + "\0")
    with pytest.raises(TypeError, match=r"^token is of type Token"):
        tokens.invalidate(tokens.token())  # type: ignore[arg-type]
    tokens.invalidate(token + "\ud83d")
    assert tokens.get() == token
    assert tokens.stats().ignored_rejections == 1


def test_accepts_path_as_ca_file(tmp_path: Path) -> None:
    with pytest.raises(bankhub.InvalidArgument, match=r"^ca_file "):
        cache(ca_file=tmp_path / "absent.pem")


def test_reads_environment(monkeypatch: pytest.MonkeyPatch, mock_server: MockServer) -> None:
    for name in ("CLIENT_ID", "CLIENT_SECRET", "BASE_URL", "CA_FILE", "STORE"):
        monkeypatch.setenv(f"BANKHUB_{name}", "")
    with pytest.raises(bankhub.InvalidArgument, match=r"^BANKHUB_CLIENT_ID is not set"):
        TokenCache.from_env()
    monkeypatch.setenv("BANKHUB_CLIENT_ID", mock_server.client_id)
    with pytest.raises(bankhub.InvalidArgument, match=r"^BANKHUB_CLIENT_SECRET is not set"):
        TokenCache.from_env()
    monkeypatch.setenv("BANKHUB_CLIENT_SECRET", mock_server.client_secret)
    TokenCache.from_env().close()
    monkeypatch.setenv("BANKHUB_BASE_URL", mock_server.url)
    with TokenCache.from_env() as tokens:
        assert mock_server.resource(tokens.get()) == 200
    monkeypatch.setenv("BANKHUB_STORE", "elsewhere")
    with pytest.raises(bankhub.InvalidArgument, match=r"^store "):
        TokenCache.from_env()
    monkeypatch.delenv("BANKHUB_STORE")
    monkeypatch.setenv("BANKHUB_CA_FILE", "/absent.pem")
    with pytest.raises(bankhub.InvalidArgument, match=r"^ca_file "):
        TokenCache.from_env()


def test_prints_no_secret(tokens: TokenCache, mock_server: MockServer) -> None:
    token = tokens.token()
    assert token.generation == tokens.generation
    for thing in (tokens, token, tokens.stats()):
        for text in (repr(thing), str(thing), f"{thing}", f"{[thing]}"):
            assert token.value not in text
            assert mock_server.client_secret not in text
    assert repr(token).startswith(f"Token(generation={token.generation}, expires_at=")
    assert repr(tokens) == f"<bankhub.TokenCache generation={token.generation}>"
    assert repr(TokenCache.__new__(TokenCache)) == "<bankhub.TokenCache generation=0>"


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickle.dumps])
def test_refuses_copy(duplicate: Callable[[object], object]) -> None:
    with cache() as tokens, pytest.raises(TypeError, match="make one in each process"):
        duplicate(tokens)


def test_closes_unused_cache() -> None:
    tokens = cache()
    handle = tokens._handle
    assert bankhub_token_invalidate(handle, None, None) != BANKHUB_CLOSED
    del tokens
    gc.collect()
    assert bankhub_token_invalidate(handle, None, None) == BANKHUB_CLOSED


def cache(**settings: Any) -> TokenCache:
    return TokenCache(**{"client_id": "somebody", "client_secret": SECRET, **settings})
