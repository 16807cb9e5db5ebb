"""The HTTP clients for Python (../PROTOCOL.md): `client.py requests`, `client.py httpx`, `client.py httpx-async`."""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Optional, Union
from urllib.parse import quote, unquote

import httpx
import requests

import bankhub
import bankhub.httpx
import bankhub.requests

TIMEOUT_S = 10

Body = Union[str, Iterable[bytes], None]
Reply = tuple[int, str]


class Requests:
    """One Session for all threads."""

    def __init__(self, cache: bankhub.TokenCache) -> None:
        self._session = requests.Session()
        self._session.auth = bankhub.requests.BankHubAuth(cache)
        # More connections than the default, so that 64 threads do not wait for each other.
        self._session.mount("http://", requests.adapters.HTTPAdapter(pool_maxsize=64))

    def send(self, method: str, url: str, body: Body = None, headers: Optional[dict[str, str]] = None) -> Reply:
        response = self._session.request(method, url, data=body, headers=headers, timeout=TIMEOUT_S)
        return response.status_code, response.text

    def download(self, url: str) -> tuple[int, list[tuple[float, int]]]:
        with self._session.get(url, stream=True, timeout=TIMEOUT_S) as response:
            return response.status_code, [(now(), len(part)) for part in response.iter_content(None)]


class Httpx:
    """One Client for all threads."""

    def __init__(self, cache: bankhub.TokenCache) -> None:
        self._client = httpx.Client(auth=bankhub.httpx.BankHubAuth(cache), follow_redirects=True, timeout=TIMEOUT_S)

    def send(self, method: str, url: str, body: Body = None, headers: Optional[dict[str, str]] = None) -> Reply:
        response = self._client.request(method, url, content=body, headers=headers)
        return response.status_code, response.text

    def download(self, url: str) -> tuple[int, list[tuple[float, int]]]:
        with self._client.stream("GET", url) as response:
            return response.status_code, [(now(), len(part)) for part in response.iter_bytes()]


class HttpxAsync:
    """An AsyncClient with its own event loop; each call is a task of the loop."""

    def __init__(self, cache: bankhub.TokenCache) -> None:
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, daemon=True).start()
        auth = bankhub.httpx.BankHubAuth(cache)
        self._client = httpx.AsyncClient(auth=auth, follow_redirects=True, timeout=TIMEOUT_S)

    def send(self, method: str, url: str, body: Body = None, headers: Optional[dict[str, str]] = None) -> Reply:
        return asyncio.run_coroutine_threadsafe(self._send(method, url, body, headers), self._loop).result()

    def download(self, url: str) -> tuple[int, list[tuple[float, int]]]:
        return asyncio.run_coroutine_threadsafe(self._download(url), self._loop).result()

    def cancelled(self, after_s: float, method: str, url: str) -> bool:
        return asyncio.run_coroutine_threadsafe(self._cancelled(after_s, method, url), self._loop).result()

    async def _cancelled(self, after_s: float, method: str, url: str) -> bool:
        try:
            await asyncio.wait_for(self._send(method, url), after_s)
        except asyncio.TimeoutError:
            return True
        return False

    async def _send(self, method: str, url: str, body: Body = None, headers: Optional[dict[str, str]] = None) -> Reply:
        content = body if body is None or isinstance(body, str) else _async_parts(body)
        response = await self._client.request(method, url, content=content, headers=headers)
        return response.status_code, response.text

    async def _download(self, url: str) -> tuple[int, list[tuple[float, int]]]:
        async with self._client.stream("GET", url) as response:
            return response.status_code, [(now(), len(part)) async for part in response.aiter_bytes()]


async def _async_parts(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    for part in parts:
        yield part


def now() -> float:
    return time.monotonic() * 1000


class Client:
    """Replies to one line of input with one line of output, or several for `join`."""

    def __init__(self, client: Any, cache: bankhub.TokenCache) -> None:
        self._client, self._cache = client, cache
        self._threads = ThreadPoolExecutor(max_workers=64)
        self._started: list[Future[str]] = []

    def reply(self, line: str) -> str:
        verb, *words = line.rstrip("\n").split(" ")
        try:
            return VERBS[verb](self, *(unquote(word) for word in words))
        except KeyError:
            return "unknown"
        except (bankhub.BankHubError, requests.RequestException, httpx.HTTPError) as error:
            return result("error", type=type(error).__name__, message=error)

    def send(self, method: str, url: str, body: str = "") -> str:
        status, text = self._client.send(method, url, _body(body))
        return result(status=status, body=text)

    def start(self, count: str, *words: str) -> str:
        line = " ".join(["send", *(quote(word, safe="") for word in words)])
        self._started += [self._threads.submit(self.reply, line) for _ in range(int(count))]
        return result()

    def join(self) -> str:
        replies = [call.result() for call in self._started]
        self._started.clear()
        return "\n".join([result(count=len(replies)), *replies])

    def cancel(self, after_ms: str, method: str, url: str) -> str:
        if not hasattr(self._client, "cancelled"):
            return "unsupported"
        begun = now()
        cancelled = self._client.cancelled(int(after_ms) / 1000, method, url)
        return result(cancelled=int(cancelled), ms=round(now() - begun))

    def upload(self, chunks: str, every_ms: str, url: str) -> str:
        status, text = self._client.send("POST", url, _slow_chunks(int(chunks), int(every_ms) / 1000))
        return result(status=status, body=text)

    def download(self, url: str) -> str:
        status, parts = self._client.download(url)
        length, spread_ms = sum(length for _, length in parts), parts[-1][0] - parts[0][0]
        return result(status=status, length=length, spread_ms=round(spread_ms))

    def header(self, url: str, name: str, value: str) -> str:
        status, text = self._client.send("GET", url, None, {name: value})
        return result(status=status, body=text)

    def close(self) -> str:
        self._cache.close()
        return result()


VERBS: dict[str, Callable[..., str]] = {
    verb.__name__: verb
    for verb in (
        Client.send,
        Client.start,
        Client.join,
        Client.cancel,
        Client.upload,
        Client.download,
        Client.header,
        Client.close,
    )
}
CLIENTS: dict[str, Callable[[bankhub.TokenCache], Any]] = {
    "requests": Requests,
    "httpx": Httpx,
    "httpx-async": HttpxAsync,
}


def _body(word: str) -> Body:
    kind, _, text = word.partition("=")
    return {"": None, "text": text, "once": iter([text.encode()])}[kind]


def _slow_chunks(chunks: int, every_s: float) -> Iterator[bytes]:
    for number in range(chunks):
        time.sleep(every_s if number else 0)
        yield b"chunk\n"


def result(word: str = "ok", /, **pairs: Any) -> str:
    return " ".join([word, *(f"{name}={quote(str(value), safe='')}" for name, value in pairs.items())])


def main(name: str) -> None:
    with bankhub.TokenCache.from_env() as cache:
        client = Client(CLIENTS[name](cache), cache)
        print(f"ready {name}", flush=True)
        for line in sys.stdin:
            print(client.reply(line), flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
