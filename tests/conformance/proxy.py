"""A real proxy, tinyproxy, and in front of it a recorder of what it gets to see."""

from __future__ import annotations

import contextlib
import socket
import socketserver
import subprocess
import threading
from pathlib import Path

from patience import wait_until

USER, PASSWORD = "proxy-user", "Pr0xyPa55w0rd"
START_DEADLINE_S = 5
CHUNK_BYTES = 65536


class Proxy:
    """Wants credentials, unless it is open to all, and connects to the allowed ports only."""

    def __init__(self, folder: Path, *allowed_ports: int, open_to_all: bool = False) -> None:
        port = _free_port()
        lines = [
            f"Port {port}",
            "Listen 127.0.0.1",
            "Timeout 60",
            "LogLevel Info",
            f'LogFile "{folder / "tinyproxy.log"}"',
            *([] if open_to_all else [f"BasicAuth {USER} {PASSWORD}"]),
            *(f"ConnectPort {allowed}" for allowed in allowed_ports),
        ]
        settings = folder / "tinyproxy.conf"
        settings.write_text("\n".join(lines) + "\n")
        self._process = subprocess.Popen(["tinyproxy", "-d", "-c", str(settings)], stdout=subprocess.DEVNULL)
        wait_until(lambda: _listens(port), within_s=START_DEADLINE_S, what="the proxy listens")
        self._recorder = _Recorder(port)
        self.address = f"127.0.0.1:{self._recorder.port}"
        self.url = f"http://{USER}:{PASSWORD}@{self.address}"

    def seen(self) -> bytes:
        """All that was sent to it."""
        return b"".join(self._recorder.chunks)

    def kill(self) -> None:
        self._recorder.close()
        self._process.kill()
        self._process.wait()


class _Recorder:
    def __init__(self, target: int) -> None:
        chunks: list[bytes] = []

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with socket.create_connection(("127.0.0.1", target)) as proxy:
                    back = threading.Thread(target=_pass, args=(proxy, self.request, []), daemon=True)
                    back.start()
                    _pass(self.request, proxy, chunks)
                    back.join()

        self.chunks = chunks
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def _pass(source: socket.socket, sink: socket.socket, record: list[bytes]) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(CHUNK_BYTES):
            record.append(chunk)
            sink.sendall(chunk)
        sink.shutdown(socket.SHUT_WR)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
