"""The conformance driver for Python (../PROTOCOL.md): reads requests, makes the calls, prints the replies."""

from __future__ import annotations

import ctypes
import sys
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime
from typing import Any, Callable
from urllib.parse import quote, unquote

import bankhub
from bankhub import _abi

caches: dict[str, bankhub.TokenCache] = {}
started: list[Future[str]] = []
threads = ThreadPoolExecutor(max_workers=1024)


def main() -> None:
    print("ready python", flush=True)
    for line in sys.stdin:
        verb, *words = map(unquote, line.rstrip("\n").split(" "))
        print(reply(verb, words), flush=True)


def reply(verb: str, words: list[str]) -> str:
    try:
        return VERBS[verb](*words)
    except KeyError:  # no such verb, or no such cache
        return "unknown"
    except bankhub.BankHubError as error:
        return result("error", **describe(error), type=type(error).__name__)


def describe(error: bankhub.BankHubError) -> dict[str, Any]:
    return {
        "status": error.status,
        "http_status": error.http_status or 0,
        "retry_after_ms": round((error.retry_after or 0) * 1000),
        "message": error,
    }


def result(word: str = "ok", /, **pairs: Any) -> str:
    return " ".join([word, *(f"{name}={quote(str(value), safe='')}" for name, value in pairs.items())])


def layout() -> str:
    pairs: dict[str, Any] = {}
    for name, declared in vars(_abi).items():
        if name.startswith("BANKHUB_"):
            pairs[f"const.{name}"] = declared
        elif name.startswith("bankhub_"):
            pairs[f"sizeof.{name}"] = ctypes.sizeof(declared)
            for field, _ in declared._fields_:
                pairs[f"offsetof.{name}.{field}"] = getattr(declared, field).offset
    return result(**pairs)


def new(name: str, *settings: str) -> str:
    config: dict[str, Any] = {"client_id": None, "client_secret": None}
    for setting in settings:
        key, _, value = setting.partition("=")
        if key.endswith("_ms"):
            config[key[:-3]] = int(value) / 1000
        elif key.endswith("_s"):
            config[key[:-2]] = int(value)
        else:
            config[key] = value == "1" if key == "allow_http" else value
    caches[name] = bankhub.TokenCache(**config)
    return result()


def from_env(name: str) -> str:
    caches[name] = bankhub.TokenCache.from_env()
    return result()


def seconds(timeout: str) -> float | None:
    return None if timeout == "default" else int(timeout) / 1000


def get(name: str, timeout: str) -> str:
    return result(value=caches[name].get(seconds(timeout)))


def token(name: str, timeout: str) -> str:
    got = caches[name].token(seconds(timeout))
    return result(value=got.value, generation=got.generation, expires_at=unix(got.expires_at))


def start(name: str, count: str, timeout: str) -> str:
    started.extend(threads.submit(reply, "get", [name, timeout]) for _ in range(int(count)))
    return result()


def join() -> str:
    replies = [future.result() for future in started]
    started.clear()
    return "\n".join([result(count=len(replies)), *replies])


def generation(name: str) -> str:
    return result(generation=caches[name].generation)


def invalidate(name: str, rejected: str | None = None) -> str:
    caches[name].invalidate(rejected)
    return result()


def stats(name: str) -> str:
    got = caches[name].stats()
    pairs = {field.name: getattr(got, field.name) for field in fields(got) if field.name != "last_error"}
    last = describe(got.last_error) if got.last_error else {"status": 0, "http_status": 0, "message": ""}
    last_error = {f"last_error.{field}": last[field] for field in ("status", "http_status", "message")}
    return result(**{field: unix(value) for field, value in pairs.items()}, **last_error)


def unix(value: Any) -> int:
    return int(value.timestamp()) if isinstance(value, datetime) else int(value or 0)


def close(name: str) -> str:
    caches[name].close()
    return result()


VERBS: dict[str, Callable[..., str]] = {
    verb.__name__: verb
    for verb in (layout, new, from_env, get, token, start, join, generation, invalidate, stats, close)
}

if __name__ == "__main__":
    main()
