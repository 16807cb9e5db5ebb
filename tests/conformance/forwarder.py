"""TLS in front of the sandbox: ends it, and passes what is inside to the sandbox's plain port and back."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import ssl
import threading
from typing import Optional

import trustme

CHUNK_BYTES = 65536
POLL_S = 0.02
"""How long closing takes at most."""


class TlsForwarder:
    """Listens on a free port of loopback until closed. `certificate` is what it shows to every client; it speaks one
    version of TLS, if any is named."""

    def __init__(self, certificate: trustme.LeafCert, target: str, *, version: Optional[ssl.TLSVersion] = None) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        if version:
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")  # or there is no TLS 1.1 to refuse
        certificate.configure_cert(context)
        host, port = target.split(":")

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with (
                    contextlib.suppress(
                        OSError
                    ),  # a client that does not trust the certificate leaves in the handshake
                    context.wrap_socket(self.request, server_side=True) as outside,
                    socket.create_connection((host, int(port))) as inside,
                ):
                    for side in (outside, inside):
                        side.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # or each answer may wait 40 ms
                    threading.Thread(target=_pass, args=(outside, inside), daemon=True).start()
                    _pass(inside, outside)

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(socketserver.ThreadingTCPServer):
    request_queue_size = 128  # of the usual 5, a burst loses some, which the system tries again a second later


def _pass(source: socket.socket, sink: socket.socket) -> None:
    """One direction, until the other side of either ends it; then both are over."""
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            sink.sendall(chunk)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
