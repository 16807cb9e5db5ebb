"""A server that speaks RESP, in front of a real Redis: it answers some commands itself, as another version would."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading
from collections.abc import Callable
from typing import BinaryIO, Optional

from .recording_proxy import CHUNK_BYTES, POLL_S

Answer = Callable[[list[str]], Optional[bytes]]
"""The reply to a command, or None: Redis replies."""


class RespFront:
    """Listens on a free port of loopback until it is closed. Without a `target` it has to answer everything itself."""

    def __init__(self, answer: Answer, target: Optional[str] = None) -> None:
        self.answer = answer
        self.commands: list[list[str]] = []
        front = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.ExitStack() as stack:
                    stack.enter_context(contextlib.suppress(OSError, ValueError))
                    client = stack.enter_context(self.request)
                    server = None
                    if target:
                        host, port = target.split(":")
                        server = stack.enter_context(socket.create_connection((host, int(port))))
                        threading.Thread(target=_forward, args=(server, client), daemon=True).start()
                    front._serve(client, server)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.address = f"127.0.0.1:{self.port}"
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    def _serve(self, client: socket.socket, server: Optional[socket.socket]) -> None:
        reader = client.makefile("rb")
        while words := read_command(reader):
            self.commands.append(words)
            reply = self.answer(words)
            if reply is not None:
                client.sendall(reply)
            elif server:
                server.sendall(b"*%d\r\n" % len(words) + b"".join(map(bulk, words)))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def bulk(text: str) -> bytes:
    data = text.encode("latin-1")
    return b"$%d\r\n%s\r\n" % (len(data), data)


def read_command(reader: BinaryIO) -> list[str]:
    """The words of the next command; none at the end of the stream."""
    line = reader.readline()
    words = []
    for _ in range(int(line[1:]) if line else 0):
        length = int(reader.readline()[1:])
        words.append(reader.read(length + 2)[:length].decode("latin-1"))
    return words


def _forward(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            sink.sendall(chunk)
