"""A store on a Redis Cluster: nodes that name each other, keys that move, and nodes that end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.certificates import Authority
from support.driver_process import Cache
from support.mock_server import MockServer
from support.redis_cluster import RedisCluster
from support.redis_server import USER, USER_PASSWORD, RedisServer
from support.resp_front import RespFront
from support.waiting import at_most, wait_until

from .conftest import NewCache, check_shared, store_problem


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisCluster]:
    cluster = RedisCluster(tmp_path_factory.mktemp("cluster"))
    yield cluster
    cluster.end()


@pytest.fixture
def cluster(running: RedisCluster) -> Iterator[RedisCluster]:
    """Three masters, without keys."""
    for node in running.nodes:
        node.run("FLUSHALL")
        node.run("ACL", "SETUSER", USER, "-asking")
    yield running
    for node in running.nodes:
        node.resume()


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[RedisCluster]:
    """Three masters, each with a replica."""
    cluster = RedisCluster(tmp_path, replicas=1)
    yield cluster
    cluster.end()


def revoke_and_share(caches: list[Cache], token: str) -> str:
    """Each reports the token. Returns the new one, which they share without a problem."""
    for cache in caches:
        cache.invalidate(token).ok()
    tokens = {cache.get().ok().value for cache in caches}
    assert [store_problem(cache) for cache in caches] == [""] * len(caches)
    [token] = tokens
    return token


def test_every_node_leads_to_the_key(new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster) -> None:
    for node in cluster.nodes:
        check_shared(new_cache, mock_server, cluster.url_of(node))
    check_shared(new_cache, mock_server, cluster.url)
    assert mock_server.token_requests() == len(cluster.keys()) == 1


def test_tls_and_host_names(new_cache: NewCache, mock_server: MockServer, tmp_path: Path) -> None:
    authority = Authority()
    cluster = RedisCluster(tmp_path, tls=authority, hostname="localhost")
    ca_file = str(authority.write_ca_file(tmp_path))
    for node in cluster.nodes:
        check_shared(new_cache, mock_server, cluster.url_of(node), ca_file=ca_file)
    assert mock_server.token_requests() == 1
    cluster.end()


def test_remembers_the_node_that_has_the_key(
    new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster
) -> None:
    probe = new_cache(cluster.url)
    probe.get().ok()
    [key] = cluster.keys()
    other = cluster.others(key)[0]
    caches = [new_cache(cluster.url_of(other)) for _ in range(2)]
    [token] = {cache.get().ok().value for cache in caches}
    other.pause()
    with at_most(900, "a new token while the configured node does not respond"):
        revoke_and_share(caches, token)
    other.resume()


def test_seeds_that_are_gone_cost_little(new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster) -> None:
    new_cache(cluster.url).get().ok()
    [key] = cluster.keys()
    gone, good = cluster.others(key)
    gone.pause()
    with at_most(1_500, "two tokens, with a node first that does not respond"):
        check_shared(new_cache, mock_server, f"{cluster.url_of(gone, good)}")
    nobody = "redis://{}:{}@127.0.0.1:1,localhost:2,{}"
    check_shared(new_cache, mock_server, nobody.format(USER, USER_PASSWORD, good.address))


def test_follows_a_slot_that_moves(new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster) -> None:
    caches = [new_cache(cluster.url_of(node)) for node in cluster.nodes]
    [token] = {cache.get().ok().value for cache in caches}
    [key] = cluster.keys()
    for _ in range(2):
        cluster.move(key)
        check_shared(new_cache, mock_server, cluster.url)
        token = revoke_and_share(caches, token)
    assert mock_server.token_requests() == 3


def test_a_slot_that_moves_under_a_lease_keeps_lease_and_token(
    new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster
) -> None:
    mock_server.settings(latency_ms=1_000)
    caches = [new_cache(cluster.url_of(node)) for node in cluster.nodes]
    for cache in caches:
        cache.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    [lease] = cluster.keys()
    cluster.move(lease)
    tokens = [reply.ok().value for cache in caches for reply in cache.driver.join()]
    assert len(set(tokens)) == mock_server.token_requests() == 1


def test_reads_a_key_on_its_way(new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster) -> None:
    for node in cluster.nodes:
        node.run("ACL", "SETUSER", USER, "+asking")
    check_shared(new_cache, mock_server, cluster.url)
    [key] = cluster.keys()
    target = cluster.others(key)[0]
    owner = cluster.begin_move(key, target)
    check_shared(new_cache, mock_server, cluster.url)
    cluster.move_keys(owner, target, key)
    check_shared(new_cache, mock_server, cluster.url)
    cluster.finish_move(key, target)
    check_shared(new_cache, mock_server, cluster.url)
    assert mock_server.token_requests() == 1


@pytest.mark.parametrize("rule", ["+asking", "-asking"])
def test_waits_for_a_move_that_ends_at_once(
    new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster, rule: str
) -> None:
    """Until then, no script can use the two keys of the store, because only one is there (TRYAGAIN)."""
    for node in cluster.nodes:
        node.run("ACL", "SETUSER", USER, rule)
    caches = [new_cache(cluster.url) for _ in range(2)]
    [token] = {cache.get().ok().value for cache in caches}
    [key] = cluster.keys()
    target = cluster.others(key)[0]
    owner = cluster.begin_move(key, target)
    cluster.move_keys(owner, target, key)
    for cache in caches:
        cache.invalidate(token).ok()
        cache.start(1)
    time.sleep(0.15)
    cluster.finish_move(key, target)
    assert len({reply.ok().value for cache in caches for reply in cache.driver.join()}) == 1
    assert [store_problem(cache) for cache in caches] == ["", ""]
    assert mock_server.token_requests() == 2


def test_a_key_on_its_way_needs_asking(new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster) -> None:
    new_cache(cluster.url).get().ok()
    [key] = cluster.keys()
    target = cluster.others(key)[0]
    owner = cluster.begin_move(key, target)
    cluster.move_keys(owner, target, key)
    cache = new_cache(cluster.url)
    cache.get().ok()
    assert "does not allow its user the command ASKING (NOPERM); add +asking" in store_problem(cache)
    cluster.finish_move(key, target)
    check_shared(new_cache, mock_server, cluster.url)


def test_a_replica_takes_over(new_cache: NewCache, mock_server: MockServer, replicated: RedisCluster) -> None:
    caches = [new_cache(replicated.url) for _ in range(2)]
    [token] = {cache.get().ok().value for cache in caches}
    key = replicated.keys()[0]
    replicated.kill_owner(key)
    revoke_and_share(caches, token)
    assert mock_server.token_requests() == 2


def test_says_that_a_cluster_is_down(new_cache: NewCache, mock_server: MockServer, tmp_path: Path) -> None:
    cluster = RedisCluster(tmp_path)
    new_cache(cluster.url).get().ok()
    [key] = cluster.keys()
    cluster.owner(key).kill()
    others = cluster.running()
    wait_until(lambda: not any(node.is_ok() for node in others), within_s=10, what="the Cluster is down")
    cache = new_cache(cluster.url_of(*others))
    cache.get().ok()
    assert "CLUSTERDOWN" in store_problem(cache)
    cluster.end()


def test_a_cluster_has_one_database(new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster) -> None:
    cluster.nodes[0].run("ACL", "SETUSER", USER, "+select")
    cache = new_cache(f"{cluster.url_of(cluster.nodes[0])}/1")
    cache.get().ok()
    assert "a node of a Cluster, which has only database 0" in store_problem(cache)
    cluster.nodes[0].run("ACL", "SETUSER", USER, "-select")


def test_a_socket_reaches_one_node_only(new_cache: NewCache, mock_server: MockServer, cluster: RedisCluster) -> None:
    new_cache(cluster.url).get().ok()
    [key] = cluster.keys()
    login = f"?user={USER}&pass={USER_PASSWORD}"
    check_shared(new_cache, mock_server, f"redis+unix:{cluster.owner(key).socket}{login}")
    cache = new_cache(f"redis+unix:{cluster.others(key)[0].socket}{login}")
    cache.get().ok()
    assert "which a Unix socket does not reach" in store_problem(cache)


def answering(reply: bytes) -> RespFront:
    return RespFront(lambda words: b"+OK\r\n" if words[0] == "AUTH" else reply)


@pytest.mark.parametrize(
    "to, words",
    [
        ("{port}", "name each other for the keys of the store (MOVED)"),
        ("127.0.0.1:1", "Redis at 127.0.0.1:1 could not be reached"),
        ("?:{port}", "without an address that can be used (MOVED)"),
        ("a host:{port}", "without an address that can be used (MOVED)"),
        ("127.0.0.1:0", "without an address that can be used (MOVED)"),
        ("127.0.0.1", "without an address that can be used (MOVED)"),
        ("", "without an address that can be used (MOVED)"),
    ],
)
def test_a_redirection_that_leads_nowhere_ends(
    new_cache: NewCache, mock_server: MockServer, to: str, words: str
) -> None:
    front = answering(b"")
    to = to.format(port=front.port)
    own = f":{front.port}" if to == str(front.port) else to
    front.answer = lambda words: f"-MOVED 1 {own}\r\n".encode()
    cache = new_cache(f"redis://{front.address}")
    with at_most(1_500, "a token without the store"):
        cache.get().ok()
    assert words in store_problem(cache), store_problem(cache)
    assert len(front.commands) <= 6
    front.close()


def test_slow_redirections_take_no_longer_than_one_operation(new_cache: NewCache, mock_server: MockServer) -> None:
    def redirect_late(words: list[str]) -> bytes:
        time.sleep(0.4)
        return f"-MOVED 1 :{front.port}\r\n".encode()

    front = RespFront(redirect_late)
    cache = new_cache(f"redis://{front.address},{front.address}")
    with at_most(1_300, "a token after one operation of a second"):
        cache.get().ok()
    assert "did not respond in time" in store_problem(cache)
    front.close()


def test_the_same_host_may_be_left_out(new_cache: NewCache, mock_server: MockServer, redis: RedisServer) -> None:
    redis.run("FLUSHALL")
    front = answering(b"-MOVED 1 :%d\r\n" % redis.port)
    check_shared(new_cache, mock_server, f"redis://{USER}:{USER_PASSWORD}@{front.address}")
    assert len(redis.run("KEYS", "*").split()) == 1
    front.close()
