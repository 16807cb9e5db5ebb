"""A real Redis master with replicas, and the Sentinels that make another one the master if it fails."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Optional

from .certificates import Authority
from .redis_server import PASSWORD, USER, USER_PASSWORD, RedisServer
from .waiting import wait_until

MASTER_NAME = "bankhub-test"
SENTINEL_PASSWORD = "S3ntinelPa55w0rd"
"""Of the user `default` of each Sentinel. `USER` has one password on Redis and on the Sentinels, where it may ask for
the master only."""

SENTINEL_RULES = ("+sentinel|get-master-addr-by-name",)
SENTINELS = 3
DOWN_AFTER_MS = 400
FAILOVER_S = 10
"""The longest that a failover takes; most take one to three seconds."""


class Sentinel(RedisServer):
    """One Sentinel. It keeps what it learns in its configuration file, so that it can be started again."""

    password = SENTINEL_PASSWORD

    def __init__(self, folder: Path, settings: list[str], *, tls: Optional[Authority] = None) -> None:
        folder.mkdir()
        self._file = folder / "sentinel.conf"
        self._file.write_text("\n".join([*settings, f"user {USER} on >{USER_PASSWORD} {' '.join(SENTINEL_RULES)}"]))
        super().__init__(folder, tls=tls, options=["--sentinel"])

    def _own_options(self, folder: Path) -> list[object]:
        return [self._file, "--requirepass", SENTINEL_PASSWORD]

    def master(self) -> tuple[str, int]:
        """The address of the master, as this Sentinel names it."""
        host, port = self.run("SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER_NAME).split()
        return host, int(port)


class RedisSentinels:
    """A master, its replicas and three Sentinels. Redis and the Sentinels have different passwords, except for `USER`,
    whose login is in `url`."""

    def __init__(self, folder: Path, *, replicas: int = 1, tls: Optional[Authority] = None) -> None:
        self.servers = [RedisServer(new_folder(folder, f"redis-{i}"), tls=tls) for i in range(1 + replicas)]
        master = self.servers[0]
        for replica in self.servers[1:]:
            replica.run("REPLICAOF", "127.0.0.1", master.port)
        for replica in self.servers[1:]:
            wait_until(replica.is_in_sync, within_s=FAILOVER_S, what="the replica is in sync")
        self.sentinels = [Sentinel(folder / f"sentinel-{i}", self._settings(), tls=tls) for i in range(SENTINELS)]
        for sentinel in self.sentinels:
            # It announces itself and asks often, so that a failover takes less time.
            sentinel.run("SENTINEL", "DEBUG", "PUBLISH-PERIOD", 100, "INFO-PERIOD", 200, "ASK-PERIOD", 100)
        wait_until(lambda: all(map(self._knows_all, self.sentinels)), within_s=FAILOVER_S, what="all know all")
        self.url = self.url_with(f"{USER}:{USER_PASSWORD}")

    def _settings(self) -> list[str]:
        master = self.servers[0]
        return [
            f"sentinel myid {secrets.token_hex(20)}",
            f"sentinel sentinel-pass {SENTINEL_PASSWORD}",
            f"sentinel monitor {MASTER_NAME} 127.0.0.1 {master.port} {SENTINELS // 2 + 1}",
            f"sentinel auth-pass {MASTER_NAME} {PASSWORD}",
            f"sentinel down-after-milliseconds {MASTER_NAME} {DOWN_AFTER_MS}",
            f"sentinel failover-timeout {MASTER_NAME} 3000",
            *(f"sentinel known-replica {MASTER_NAME} 127.0.0.1 {replica.port}" for replica in self.servers[1:]),
        ]

    def _knows_all(self, sentinel: Sentinel) -> bool:
        words = sentinel.run("SENTINEL", "MASTER", MASTER_NAME).split()
        known = {name: words[words.index(name) + 1] for name in ("num-slaves", "num-other-sentinels", "flags")}
        return known == {
            "num-slaves": str(len(self.servers) - 1),
            "num-other-sentinels": str(SENTINELS - 1),
            "flags": "master",
        }

    def url_with(self, login: str, end: str = "") -> str:
        """The URL of the store, with `user:password`, and with what follows the name of the master."""
        hosts = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"{self.sentinels[0].scheme}+sentinel://{login}@{hosts}/{MASTER_NAME}{end}"

    def master(self) -> RedisServer:
        """The server that a Sentinel that runs names."""
        _, port = self.sentinels[-1].master()
        [server] = [server for server in self.servers if server.port == port]
        return server

    def fail_over(self) -> None:
        """Makes a replica the master, in an orderly way. Returns when all Sentinels name it."""
        with self._another_master():
            self.sentinels[0].run("SENTINEL", "FAILOVER", MASTER_NAME)

    def kill_master(self) -> RedisServer:
        """Kills the master. Returns it when all Sentinels name another one."""
        old = self.master()
        with self._another_master():
            old.kill()
        return old

    @contextmanager
    def _another_master(self) -> Iterator[None]:
        old = self.master()
        yield
        wait_until(lambda: self._all_name_another(old), within_s=FAILOVER_S, what="a failover")

    def _all_name_another(self, old: RedisServer) -> bool:
        ports = {sentinel.master()[1] for sentinel in self.sentinels}
        return len(ports) == 1 and old.port not in ports

    def end(self) -> None:
        for server in [*self.sentinels, *self.servers]:
            server.kill()


def new_folder(parent: Path, name: str) -> Path:
    folder = parent / name
    folder.mkdir()
    return folder
