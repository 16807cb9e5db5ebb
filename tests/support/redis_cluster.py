"""A real Redis Cluster: masters that share the slots, each with replicas if wanted, and changes of its topology."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Optional

from .certificates import Authority
from .ports import free_port
from .redis_server import PASSWORD, USER, USER_PASSWORD, RedisServer
from .waiting import wait_until

MASTERS = 3
SLOTS = 16384
NODE_TIMEOUT_MS = 1000
CHANGE_S = 15
"""The longest that a change takes until all nodes know it; most take a second."""


class ClusterNode(RedisServer):
    """One node. Its URL names it alone."""

    def __init__(self, folder: Path, *, tls: Optional[Authority] = None, options: Sequence[object] = ()) -> None:
        self.bus_port = free_port()
        cluster = ["--cluster-enabled", "yes", "--cluster-port", self.bus_port, "--tls-cluster", "yes" if tls else "no"]
        timing = ["--cluster-node-timeout", NODE_TIMEOUT_MS, "--cluster-allow-replica-migration", "no"]
        super().__init__(folder, tls=tls, options=[*cluster, *timing, *options])
        self.id = self.run("CLUSTER", "MYID")

    def is_ok(self) -> bool:
        return "cluster_state:ok" in self.run("CLUSTER", "INFO")


class RedisCluster:
    """`hostname`: the nodes name each other by it, not by 127.0.0.1."""

    def __init__(
        self, folder: Path, *, replicas: int = 0, tls: Optional[Authority] = None, hostname: Optional[str] = None
    ) -> None:
        names = ["--cluster-announce-hostname", hostname, "--cluster-preferred-endpoint-type", "hostname"]
        self.nodes = []
        for number in range(MASTERS * (1 + replicas)):
            home = folder / f"node-{number}"
            home.mkdir()
            self.nodes.append(ClusterNode(home, tls=tls, options=names if hostname else ()))
        first, masters = self.nodes[0], self.nodes[:MASTERS]
        starts = [SLOTS * number // MASTERS for number in range(MASTERS + 1)]
        for number, node in enumerate(masters):
            node.run("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            node.run("CLUSTER", "ADDSLOTSRANGE", starts[number], starts[number + 1] - 1)
        for node in self.nodes[1:]:
            first.run("CLUSTER", "MEET", "127.0.0.1", node.port, node.bus_port)
        wait_until(self._all_know_all, within_s=CHANGE_S, what="the nodes know each other")
        for number, node in enumerate(self.nodes[MASTERS:]):
            node.run("CLUSTER", "REPLICATE", masters[number % MASTERS].id)
        wait_until(lambda: all(node.is_ok() for node in self.nodes), within_s=CHANGE_S, what="the Cluster is up")
        for node in self.nodes[MASTERS:]:
            wait_until(node.is_in_sync, within_s=CHANGE_S, what="the replica is in sync")
        self.url = self.url_of(*masters)

    def url_of(self, *nodes: RedisServer) -> str:
        """The URL of the store that names these nodes."""
        addresses = ",".join(node.address for node in nodes)
        return f"{nodes[0].scheme}://{USER}:{USER_PASSWORD}@{addresses}"

    def _all_know_all(self) -> bool:
        known = f"cluster_known_nodes:{len(self.nodes)}"
        return all(known in node.run("CLUSTER", "INFO").splitlines() for node in self.nodes)

    def slot(self, key: str) -> int:
        return int(self.running()[0].run("CLUSTER", "KEYSLOT", key))

    def running(self) -> list[ClusterNode]:
        return [node for node in self.nodes if node.runs]

    def owner(self, key: str, *, seen_by: Optional[ClusterNode] = None) -> ClusterNode:
        """The master of a key, as a node names it: the first one that runs, or `seen_by`."""
        slot = self.slot(key)
        for line in (seen_by or self.running()[0]).run("CLUSTER", "NODES").splitlines():
            id, *_ = words = line.split()
            ranges = [range_.split("-") for range_ in words[8:] if not range_.startswith("[")]
            if any(int(ends[0]) <= slot <= int(ends[-1]) for ends in ranges):
                return next(node for node in self.nodes if node.id == id)
        raise AssertionError(f"no node has the slot {slot}")

    def others(self, key: str) -> list[ClusterNode]:
        """The masters that do not have this key."""
        owner = self.owner(key)
        return [node for node in self.nodes[:MASTERS] if node is not owner]

    def keys(self) -> list[str]:
        return sorted({key for node in self.running() for key in node.run("KEYS", "*").split()})

    def begin_move(self, key: str, target: ClusterNode) -> ClusterNode:
        """The slot of the key is between two nodes: what its owner does not have is to be asked of the target (ASK).
        Returns the owner."""
        slot, owner = self.slot(key), self.owner(key)
        target.run("CLUSTER", "SETSLOT", slot, "IMPORTING", owner.id)
        owner.run("CLUSTER", "SETSLOT", slot, "MIGRATING", target.id)
        return owner

    def move_keys(self, owner: ClusterNode, target: ClusterNode, *keys: str) -> None:
        owner.run("MIGRATE", "127.0.0.1", target.port, "", 0, 5000, "AUTH", PASSWORD, "KEYS", *keys)

    def finish_move(self, key: str, target: ClusterNode) -> None:
        """The target has the slot."""
        slot = self.slot(key)
        for node in [target, *(node for node in self.nodes[:MASTERS] if node is not target)]:
            node.run("CLUSTER", "SETSLOT", slot, "NODE", target.id)
        wait_until(
            lambda: all(self.owner(key, seen_by=node) is target for node in self.nodes),
            within_s=CHANGE_S,
            what="all know the new owner",
        )

    def cancel_move(self, key: str) -> None:
        for node in self.running():
            node.run("CLUSTER", "SETSLOT", self.slot(key), "STABLE")

    def move(self, key: str) -> ClusterNode:
        """Moves the slot of the key, with all its keys, to another master. Returns that one."""
        target = self.others(key)[0]
        owner = self.begin_move(key, target)
        keys = owner.run("CLUSTER", "GETKEYSINSLOT", self.slot(key), 100).split()
        if keys:
            self.move_keys(owner, target, *keys)
        self.finish_move(key, target)
        return target

    def kill_owner(self, key: str) -> ClusterNode:
        """Kills the master of a key. Returns its replica when that one has taken over."""
        old = self.owner(key)
        old.kill()
        wait_until(
            lambda: all(self.owner(key, seen_by=node) is not old and node.is_ok() for node in self.running()),
            within_s=CHANGE_S,
            what="a replica takes over",
        )
        return self.owner(key)

    def end(self) -> None:
        for node in self.nodes:
            node.kill()
