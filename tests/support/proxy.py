"""A real HTTP proxy, tinyproxy, behind a recording proxy that shows what it received."""

from __future__ import annotations

import subprocess
from pathlib import Path

from .ports import free_port, listens
from .recording_proxy import RecordingProxy
from .waiting import wait_until

USER, PASSWORD = "proxy-user", "Pr0xyPa55w0rd"
START_DEADLINE_S = 5


class Proxy:
    """Requires credentials, unless it is open to all, and connects to the allowed ports only."""

    def __init__(self, folder: Path, *allowed_ports: int, open_to_all: bool = False) -> None:
        port = free_port()
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
        wait_until(lambda: listens(port), within_s=START_DEADLINE_S, what="the proxy listens")
        self._recorder = RecordingProxy(f"127.0.0.1:{port}")
        self.address = f"127.0.0.1:{self._recorder.port}"
        self.url = f"http://{USER}:{PASSWORD}@{self.address}"

    def received(self) -> bytes:
        """All bytes that clients sent to it."""
        return b"".join(self._recorder.sent)

    def kill(self) -> None:
        self._recorder.close()
        self._process.kill()
        self._process.wait()
