"""A real Redis server, on a free port and a Unix socket, with a password, and with a user who may do only what the
library needs."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from .certificates import Authority
from .ports import free_port, listens
from .waiting import wait_until

PASSWORD = "R3disPa55w0rd"
"""Of the user `default`, who may do everything."""

USER, USER_PASSWORD = "bankhub", "Us3rPa55w0rd"
LEAST_RULES = ("~bankhub:*", "+eval", "+set", "+get", "+time", "+del", "+pttl")
"""The rules of `USER`: those that docs/shared-stores.md names."""

HOSTS = ("localhost", "127.0.0.1")
"""The certificates are valid for these."""

DEADLINE_S = 10


class RedisServer:
    """Saves nothing to disk. With `tls` it accepts TLS only. Its Unix socket is never TLS."""

    password = PASSWORD

    def __init__(self, folder: Path, *, tls: Optional[Authority] = None, options: Sequence[object] = ()) -> None:
        self.port = free_port()
        self.socket = folder / "redis.sock"
        self._tls: list[str] = []
        ports: list[object] = ["--port", self.port]
        if tls:
            files = tls.write_server_files(folder, *HOSTS)
            ports = ["--port", 0, "--tls-port", self.port, "--tls-auth-clients", "no", "--tls-replication", "yes"]
            ports += ["--tls-cert-file", files.certificate, "--tls-key-file", files.key]
            ports += ["--tls-ca-cert-file", files.ca_file]
            self._tls = ["--tls", "--cacert", str(files.ca_file)]
        self.scheme = "rediss" if tls else "redis"
        self.address = f"localhost:{self.port}"
        self.url = f"{self.scheme}://{USER}:{USER_PASSWORD}@{self.address}"
        self._command = ["redis-server", *map(str, [*self._own_options(folder), *ports, "--dir", folder, *options])]
        self.start()

    def _own_options(self, folder: Path) -> list[object]:
        user = ["--user", USER, "on", f">{USER_PASSWORD}", *LEAST_RULES]
        login = ["--requirepass", PASSWORD, "--masterauth", PASSWORD]
        # With a diskless sync, a replica that says that it is in sync gets the first writes up to a second later.
        sync = ["--repl-diskless-sync", "no"]
        return ["--save", "", "--unixsocket", self.socket, *sync, *login, *user]

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        wait_until(lambda: listens(self.port), within_s=DEADLINE_S, what="Redis listens")

    def run(self, *words: object) -> str:
        """Runs a command and returns the reply, as redis-cli prints it."""
        command = ["redis-cli", "-h", "localhost", "-p", str(self.port), *self._tls, *map(str, words)]
        environment = {**os.environ, "REDISCLI_AUTH": self.password}
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, timeout=DEADLINE_S)
        return done.stdout.decode("latin-1").strip()

    @property
    def runs(self) -> bool:
        return self._process.poll() is None

    def is_in_sync(self) -> bool:
        """Whether it is a replica that has all data of its master."""
        return "master_link_status:up" in self.run("INFO", "replication")

    def pause(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
