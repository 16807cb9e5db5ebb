"""Fetches tokens from servers with several addresses, and prints how that went, a line of JSON each.

Runs in network and mount namespaces of its own. A second one is the router: it rejects `fd01::` as an administrator
does, calls `fd02::` unreachable, and drops every packet to `fd03::`.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

from support.driver_process import Driver
from support.mock_server import MockServer
from support.redis_server import RedisServer
from support.waiting import Stopwatch, wait_until

from .conftest import cache_of

SERVER = "127.0.0.1"
SETTLED_S = 10
ALLOW_HTTP = 1
NAMES = {
    "rejected.test": ["fd01::1"],
    "unreachable.test": ["fd02::1"],
    "dropped.test": ["fd03::1"],
    "many.test": ["fd03::1", "fd01::1", "fd02::1", "fd03::2", "fd01::2", "fd03::3"],
}


def run(command: str) -> None:
    subprocess.run(command.split(), check=True)


class Router:
    """Another namespace, which forwards nothing."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(["unshare", "--net", "sh", "-c", "echo; cat"], stdin=-1, stdout=-1)
        assert self._process.stdout
        self._process.stdout.readline()
        run("ip link set lo up")
        run("ip link add inner type veth peer name outer")
        run(f"ip link set outer netns {self._process.pid}")
        self._run("sysctl -qw net.ipv6.conf.all.forwarding=1")
        self._run("ip -6 addr add fd00::2/64 dev outer nodad")
        self._run("ip link set outer up")
        for route in ("prohibit fd01::/64", "unreachable fd02::/64", "blackhole fd03::/64"):
            self._run(f"ip -6 route add {route}")
        run("ip -6 addr add fd00::1/64 dev inner nodad")
        run("ip link set inner up")
        run("ip -6 route add default via fd00::2")
        wait_until(self._responds, within_s=SETTLED_S, what="the router responds")

    def _run(self, command: str) -> None:
        run(f"nsenter --target {self._process.pid} --net {command}")

    def _responds(self) -> bool:
        with socket.socket(socket.AF_INET6) as probe:
            try:
                probe.connect(("fd00::2", 9))
            except ConnectionRefusedError:
                return True
            except OSError:
                return False
        return True

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def write_hosts(folder: Path) -> None:
    # The resolver returns IPv6 first, and only so both.
    lines = [f"{address} {name}" for name, first in NAMES.items() for address in [SERVER, *first]]
    hosts = folder / "hosts"
    hosts.write_text("\n".join(["127.0.0.1 localhost", *lines]) + "\n")
    run(f"mount --bind {hosts} /etc/hosts")


def main(folder: Path) -> None:
    router = Router()
    write_hosts(folder)
    mock_server = MockServer()
    redis = RedisServer(folder)
    driver = Driver("c")
    for name in NAMES:
        base_url = f"http://{name}:{mock_server.address.split(':')[1]}"
        store = redis.url.replace("localhost", name)
        cache_of(driver, base_url, flags=ALLOW_HTTP).get().ok()  # the router's neighbours are known now
        stopwatch = Stopwatch()
        reply = cache_of(driver, base_url, flags=ALLOW_HTTP).get()
        ms = stopwatch()
        before = mock_server.token_requests()
        cache_of(driver, base_url, flags=ALLOW_HTTP, store=store).get().ok()
        shared = cache_of(driver, base_url, flags=ALLOW_HTTP, store=store).get()
        requests = mock_server.token_requests() - before
        print(
            json.dumps(
                {
                    "name": name,
                    "status": reply.status.name,
                    "ms": ms,
                    "shared": shared.status.name,
                    "requests": requests,
                }
            )
        )
    driver.end()
    redis.kill()
    mock_server.kill()
    router.kill()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
