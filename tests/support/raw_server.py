"""A TCP server that sends the same bytes to each client, whatever the client says."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import threading

from .recording_proxy import POLL_S

CHUNK_BYTES = 65536
TOKEN_BODY = '{"access_token":"from-a-raw-server","ttl":60000}'


class RawServer:
    """Listens on a free port of loopback until it is closed."""

    def __init__(self) -> None:
        self.response = b""
        self.endless = b""
        """Follows the response again and again, until the client disconnects."""
        self.received: list[bytes] = []
        self.sent_bytes = 0
        server = self

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError):
                    server.received.append(self.request.recv(CHUNK_BYTES))
                    self.request.sendall(server.response)
                    while server.endless:
                        server.sent_bytes += self.request.send(server.endless)
                    self.request.shutdown(socket.SHUT_WR)
                    while self.request.recv(CHUNK_BYTES):
                        pass

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self.url = f"http://{self.address}"
        threading.Thread(target=self._server.serve_forever, args=(POLL_S,), daemon=True).start()

    def close(self) -> None:
        self.endless = b""
        self._server.shutdown()
        self._server.server_close()
