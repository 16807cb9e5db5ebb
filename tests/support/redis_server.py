"""A real Redis server, on a free port, with a password."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Optional

from .certificates import Authority
from .ports import free_port, listens
from .waiting import wait_until

PASSWORD = "R3disPa55w0rd"
DEADLINE_S = 10


class RedisServer:
    """Saves nothing to disk. With `tls` it accepts TLS only, with a certificate for localhost."""

    def __init__(self, folder: Path, *, tls: Optional[Authority] = None) -> None:
        self._folder, self._port = folder, free_port()
        self._tls: list[str] = []
        options = ["--save", "", "--requirepass", PASSWORD, "--masterauth", PASSWORD, "--dir", str(folder)]
        ports = ["--port", str(self._port)]
        if tls:
            files = tls.write_server_files(folder, "localhost")
            ports = ["--port", "0", "--tls-port", str(self._port), "--tls-auth-clients", "no"]
            ports += ["--tls-cert-file", str(files.certificate), "--tls-key-file", str(files.key)]
            ports += ["--tls-ca-cert-file", str(files.ca_file)]
            self._tls = ["--tls", "--cacert", str(files.ca_file)]
        self._command = ["redis-server", *ports, *options]
        self.address = f"localhost:{self._port}"
        self.url = f"{'rediss' if tls else 'redis'}://:{PASSWORD}@{self.address}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        wait_until(lambda: listens(self._port), within_s=DEADLINE_S, what="Redis listens")

    def run(self, *words: object) -> str:
        """Runs a command and returns the reply, as redis-cli prints it."""
        command = ["redis-cli", "-h", "localhost", "-p", str(self._port), *self._tls, *map(str, words)]
        environment = {**os.environ, "REDISCLI_AUTH": PASSWORD}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S)
        return done.stdout.decode("latin-1").strip()

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
