"""The ways in which programs reach a store: a directory, and Redis as it is run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Callable

from support.certificates import Authority
from support.haproxy import HaProxy
from support.ports import listens
from support.redis_cluster import CHANGE_S, MASTERS, RedisCluster
from support.redis_sentinels import RedisSentinels, new_folder
from support.redis_server import LEAST_RULES, PASSWORD, USER, USER_PASSWORD, RedisServer
from support.valkey_server import ValkeyServer
from support.waiting import wait_until

DATABASE = 3
FILES = {".token", ".lock"}
"""What stays in a directory."""


def nothing() -> None:
    """There is nothing to be done."""


@dataclass(frozen=True)
class Topology:
    """A store that runs, and that the processes of a test share."""

    config: Mapping[str, str]
    """What a cache needs for it."""
    empty: Callable[[], object]
    left_behind: Callable[[], list[str]]
    """The entries that should not stay in it."""
    end: Callable[[], object]
    fail_over: Callable[[], object] = field(default=nothing)
    """Kills the server that has the entries, and returns when another one has taken over."""


def file(folder: Path) -> Topology:
    directory = folder / "store"

    def left_behind() -> list[str]:
        return [path.name for path in directory.glob("*") if path.suffix not in FILES]

    remove = partial(shutil.rmtree, directory, ignore_errors=True)
    return Topology({"store": f"file:{directory}"}, remove, left_behind, remove)


def of_servers(
    url: str, *servers: RedisServer, database: int = 0, ca_file: str = "", **callables: Callable[[], object]
) -> Topology:
    """Redis servers that are reached by this URL. Some of them may be replicas, or have been killed."""

    def running() -> list[RedisServer]:
        return [server for server in servers if listens(server.port)]

    def empty() -> None:
        for server in running():
            server.run("FLUSHALL")

    def left_behind() -> list[str]:
        choice = ["-n", database] if database else []
        keys = [key for server in running() for key in server.run(*choice, "KEYS", "*").split()]
        return [key for key in keys if not key.endswith(":token")]

    def end() -> None:
        for server in servers:
            server.kill()

    config = {"store": url, **({"ca_file": ca_file} if ca_file else {})}
    return Topology(config, empty, left_behind, **{"end": end, **callables})


def plain(folder: Path) -> Topology:
    """The password of the user `default`, who may do everything."""
    server = RedisServer(folder)
    return of_servers(f"redis://:{PASSWORD}@{server.address}", server)


def acl(folder: Path) -> Topology:
    """A user who may do only what the library needs."""
    server = RedisServer(folder)
    return of_servers(server.url, server)


def database(folder: Path) -> Topology:
    """That user in a database, for which it takes one more right."""
    server = RedisServer(folder)
    server.run("ACL", "SETUSER", USER, *LEAST_RULES, "+select")
    return of_servers(f"{server.url}/{DATABASE}", server, database=DATABASE)


def unix(folder: Path) -> Topology:
    server = RedisServer(folder)
    return of_servers(f"redis+unix://{USER}:{USER_PASSWORD}@{server.socket}", server)


def tls(folder: Path) -> Topology:
    server = RedisServer(folder, tls=Authority())
    return of_servers(server.url, server, ca_file=str(folder / "ca.pem"))


def valkey(folder: Path) -> Topology:
    server = ValkeyServer(folder)
    return of_servers(server.url, server)


def haproxy(folder: Path) -> Topology:
    """A master and a replica behind HAProxy, which forwards to the master."""
    servers = [RedisServer(new_folder(folder, name)) for name in ("a", "b")]
    servers[1].run("REPLICAOF", "127.0.0.1", servers[0].port)
    wait_until(servers[1].is_in_sync, within_s=10, what="the replica is in sync")
    proxy = HaProxy(folder, servers)

    def fail_over() -> None:
        servers[0].kill()
        servers[1].run("REPLICAOF", "NO", "ONE")
        proxy.wait_for_master(servers[1])

    def end() -> None:
        proxy.kill()
        for server in servers:
            server.kill()

    return of_servers(f"redis://{USER}:{USER_PASSWORD}@{proxy.address}", *servers, end=end, fail_over=fail_over)


def sentinel(folder: Path) -> Topology:
    setup = RedisSentinels(folder)
    return of_servers(setup.url, *setup.servers, end=setup.end, fail_over=setup.kill_master)


def cluster(folder: Path) -> Topology:
    """Three masters, each with a replica."""
    setup = RedisCluster(folder, replicas=1)

    def fail_over() -> None:
        [key, *_] = setup.keys()
        master = setup.owner(key)
        replica = setup.nodes[MASTERS + setup.nodes.index(master)]
        master.kill()
        took_over = lambda: "role:master" in replica.run("INFO", "replication") and replica.is_ok()  # noqa: E731
        wait_until(took_over, within_s=CHANGE_S, what="the replica is the master")

    return of_servers(setup.url, *setup.nodes, end=setup.end, fail_over=fail_over)


TOPOLOGIES: Mapping[str, Callable[[Path], Topology]] = {
    start.__name__: start for start in (file, plain, acl, database, unix, tls, valkey, haproxy, sentinel, cluster)
}
