"""Stands between clients and a server, passes on what each sends, and keeps what the clients sent."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from typing import Optional

CHUNK_BYTES = 65536
POLL_S = 0.02
"""How long closing takes at most."""


class RecordingProxy:
    """Listens on a free port of loopback until closed. With a `tls` it ends TLS there, and what is inside goes on.

    Who connects is led to what is `target` by then.
    """

    def __init__(self, target: str, *, tls: Optional[ssl.SSLContext] = None) -> None:
        self.target = target
        self.sent: list[bytes] = []
        proxy = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                host, port = proxy.target.split(":")
                with (
                    contextlib.suppress(
                        OSError
                    ),  # a client that does not trust the certificate leaves in the handshake
                    tls.wrap_socket(self.request, server_side=True) if tls else self.request as outside,
                    socket.create_connection((host, int(port))) as inside,
                ):
                    for side in (outside, inside):
                        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each answer may wait 40 ms
                    threading.Thread(target=_pass, args=(outside, inside, proxy.sent), daemon=True).start()
                    _pass(inside, outside, [])

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128  # of the usual 5, a burst loses some, which the system tries again a second later


def _pass(source: socket.socket, sink: socket.socket, record: list[bytes]) -> None:
    """One direction, until the other side of either ends it; then both are over."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            record.append(chunk)
            sink.sendall(chunk)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
