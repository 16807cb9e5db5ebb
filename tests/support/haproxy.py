"""HAProxy in front of Redis servers: it forwards connections to the one that is the master."""

from __future__ import annotations

import csv
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path

from .ports import free_port, listens
from .redis_server import PASSWORD, RedisServer
from .waiting import wait_until

START_DEADLINE_S = 10
CHECK_EVERY_MS = 100


class HaProxy:
    """Asks each server for its role all the time, as operators have it do. `servers` begins with the master."""

    def __init__(self, folder: Path, servers: Sequence[RedisServer]) -> None:
        port = free_port()
        self._control = folder / "haproxy.sock"
        self.address = f"127.0.0.1:{port}"
        lines = [f"server {server.port} 127.0.0.1:{server.port}" for server in servers]
        settings = folder / "haproxy.cfg"
        settings.write_text(
            f"""
            global
              stats socket {self._control} mode 600 level user
            defaults
              mode tcp
              timeout connect 1s
              timeout client 30s
              timeout server 30s
            listen redis
              bind {self.address}
              option tcp-check
              tcp-check send AUTH\\ {PASSWORD}\\r\\n
              tcp-check expect string +OK
              tcp-check send INFO\\ replication\\r\\n
              tcp-check expect string role:master
              default-server check inter {CHECK_EVERY_MS}ms fall 2 rise 1 on-marked-down shutdown-sessions
            """
            + "\n".join(lines)
            + "\n"
        )
        command = ["haproxy", "-db", "-q", "-f", str(settings)]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: listens(port), within_s=START_DEADLINE_S, what="HAProxy listens")
        self.wait_for_master(servers[0])

    def wait_for_master(self, server: RedisServer) -> None:
        """Returns when it forwards to this one alone: at first it takes each for a master, until it has asked."""
        up = {str(server.port)}
        wait_until(lambda: self._up() == up, within_s=START_DEADLINE_S, what="HAProxy knows the master")

    def _up(self) -> set[str]:
        with socket.socket(socket.AF_UNIX) as control, control.makefile("r") as reader:
            control.connect(str(self._control))
            control.sendall(b"show stat\n")
            rows = csv.DictReader(reader)
            return {row["svname"] for row in rows if row["status"].startswith("UP")} - {"BACKEND"}

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
