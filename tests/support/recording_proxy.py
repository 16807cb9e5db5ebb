"""A TCP proxy between clients and a server, which records the bytes that the clients send."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from typing import Optional

CHUNK_BYTES = 65536
POLL_S = 0.02
"""The longest time that closing takes."""


class RecordingProxy:
    """Listens on a free port of loopback until it is closed. With `tls` it terminates TLS, and forwards in clear.

    Each new connection is forwarded to the current `target`.
    """

    def __init__(self, target: str, *, tls: Optional[ssl.SSLContext] = None) -> None:
        self.target = target
        self.sent: list[bytes] = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                host, port = proxy.target.split(":")
                with (
                    contextlib.suppress(OSError),  # a client that does not trust the certificate disconnects
                    tls.wrap_socket(self.request, server_side=True) if tls else self.request as client,
                    socket.create_connection((host, int(port))) as server,
                ):
                    for side in (client, server):
                        side.setsockopt(
                            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
                        )  # otherwise a response may wait 40 ms
                    threading.Thread(target=_forward, args=(client, server, proxy.sent), daemon=True).start()
                    _forward(server, client, [])

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = (
        128  # with the default of 5, a burst loses connections, which the system repeats a second later
    )


def _forward(source: socket.socket, sink: socket.socket, record: list[bytes]) -> None:
    """Forwards one direction until either side ends it, then ends both."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            record.append(chunk)
            sink.sendall(chunk)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
