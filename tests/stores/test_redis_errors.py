"""`last_error` names why a Redis server cannot be used: each cause has its own sentence."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread
from typing import Callable, Optional

import pytest

from support.certificates import Authority
from support.languages import ROOT
from support.mock_server import MockServer
from support.redis_server import LEAST_RULES, PASSWORD, USER, USER_PASSWORD, RedisServer
from support.resp_front import RespFront
from support.waiting import at_most

from .conftest import NewCache, check_shared, store_problem

LOGIN = f"{USER}:{USER_PASSWORD}@"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path)
    yield server
    server.kill()


@pytest.fixture
def problem(new_cache: NewCache, mock_server: MockServer) -> Callable[..., str]:
    """The message of a cache about its store after it got a token without it."""

    def problem(url: str, **config: str) -> str:
        cache = new_cache(url, **config)
        with at_most(2_500, "a token without the store"):
            cache.get().ok()
        said = store_problem(cache)
        assert USER_PASSWORD not in said and PASSWORD not in said
        return said

    return problem


SETTINGS: list[tuple[str, Callable[[RedisServer], object], Callable[[RedisServer], str], str]] = [
    (
        "no-password",
        lambda server: None,
        lambda server: f"redis://{server.address}",
        "requires a password, and the URL of the store has none (NOAUTH); write user:password@ before the host",
    ),
    (
        "wrong-password",
        lambda server: None,
        lambda server: f"redis://:wrong@{server.address}",
        "refused the user or the password of the URL of the store (WRONGPASS)",
    ),
    (
        "user-is-off",
        lambda server: server.run("ACL", "SETUSER", USER, "off"),
        lambda server: server.url,
        "refused the user or the password of the URL of the store (WRONGPASS); check both, and that the user is on",
    ),
    (
        "superfluous-password",
        lambda server: server.run("CONFIG", "SET", "requirepass", ""),
        lambda server: f"redis://:{PASSWORD}@{server.address}",
        "has no password, but the URL of the store has one; remove it from the URL, or set one in Redis",
    ),
    (
        "no-rights-for-the-database",
        lambda server: None,
        lambda server: f"{server.url}/1",
        "does not allow its user the command SELECT (NOPERM); add +select to the rules of the user (ACL SETUSER)",
    ),
    (
        "unknown-database",
        lambda server: server.run("ACL", "SETUSER", USER, "+select"),
        lambda server: f"{server.url}/99",
        "has no database 99; write another one into the URL, or raise its setting databases",
    ),
    (
        "keys",
        lambda server: server.run("ACL", "SETUSER", USER, "resetkeys", "~other:*"),
        lambda server: server.url,
        "does not allow its user the keys of the store (NOPERM); add ~bankhub:* to the rules of the user",
    ),
    (
        "read-only-key",
        lambda server: server.run("ACL", "SETUSER", USER, "resetkeys", "%R~bankhub:*"),
        lambda server: server.url,
        "does not allow its user the keys of the store (NOPERM); add ~bankhub:* to the rules of the user",
    ),
    (
        "too-few-replicas",
        lambda server: server.run("CONFIG", "SET", "min-replicas-to-write", 1),
        lambda server: server.url,
        "accepts no writes, because too few replicas are in sync (NOREPLICAS); check the replicas",
    ),
    (
        "replica",
        lambda server: server.run("REPLICAOF", "localhost", 1),
        lambda server: server.url,
        "is a replica, which accepts no writes (READONLY)",
    ),
    (
        "replica-without-master",
        lambda server: [
            server.run("CONFIG", "SET", "replica-serve-stale-data", "no"),
            server.run("REPLICAOF", "localhost", 1),
        ],
        lambda server: server.url,
        "is a replica that has lost its master (MASTERDOWN); check the master",
    ),
    (
        "full",
        lambda server: server.run("CONFIG", "SET", "maxmemory", 1),
        lambda server: server.url,
        "has no memory left (OOM); raise its maxmemory",
    ),
    (
        "sentinel-without-sentinels",
        lambda server: None,
        lambda server: f"redis+sentinel://{LOGIN}{server.address}/name",
        "does not know the command SENTINEL: it is not a Sentinel; for a server, use redis:// or rediss://",
    ),
]


@pytest.mark.parametrize("change, url, words", [pytest.param(*row[1:], id=row[0]) for row in SETTINGS])
def test_says_what_is_wrong(
    problem: Callable[[str], str],
    server: RedisServer,
    change: Callable[[RedisServer], object],
    url: Callable[[RedisServer], str],
    words: str,
) -> None:
    change(server)
    assert words in problem(url(server))


@pytest.mark.parametrize("command", [rule[1:] for rule in LEAST_RULES if rule.startswith("+")])
def test_names_the_command_that_is_not_allowed(
    problem: Callable[[str], str], new_cache: NewCache, server: RedisServer, command: str
) -> None:
    cache = new_cache(server.url)
    token = cache.get().ok().value
    server.run("ACL", "SETUSER", USER, f"-{command}")
    cache.invalidate(token).ok()
    cache.get().ok()
    said = store_problem(cache)
    assert f"does not allow its user the command {command.upper()} (NOPERM); add +{command} to the rules" in said


def test_the_documents_name_the_rights_of_these_tests() -> None:
    text = (ROOT / "docs" / "shared-stores.md").read_text()
    assert f"ACL SETUSER bankhub on >PASSWORD {' '.join(LEAST_RULES)}\n" in text


@pytest.mark.parametrize("command", ["EVAL", "SET", "PTTL"])
def test_a_renamed_command(problem: Callable[[str], str], tmp_path: Path, command: str) -> None:
    server = RedisServer(tmp_path, options=["--rename-command", command, ""])
    server.run("ACL", "SETUSER", USER, *LEAST_RULES)
    assert f"does not know the command {command}: it is disabled or renamed there (rename-comm" in problem(server.url)
    server.kill()


def test_too_many_clients(problem: Callable[[str], str], server: RedisServer) -> None:
    server.run("CONFIG", "SET", "maxclients", 1)
    with socket.create_connection(("localhost", server.port)):
        assert "has as many clients as it accepts; raise its maxclients" in problem(server.url)


@pytest.mark.parametrize("reply", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x15\x03\x03\x00\x02\x02\x46"])
def test_a_server_that_is_not_redis(problem: Callable[[str], str], reply: bytes) -> None:
    words = {
        b"": "closed the connection without a reply; if it expects TLS on this port, write rediss instead of redis",
        b"H": "sent a reply that cannot be read; check that it is a Redis server",
        b"\x15": "expects TLS on this port; write rediss instead of redis",
    }
    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=answer_each, args=(listener, reply), daemon=True).start()
        assert words[reply[:1]] in problem(f"redis://{LOGIN}127.0.0.1:{listener.getsockname()[1]}")


def answer_each(listener: socket.socket, reply: bytes) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:
            return
        with client:
            client.recv(4096)
            client.sendall(reply)


def test_tls_on_one_side_only(
    problem: Callable[..., str], server: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("tls")
    authority = Authority()
    ca_file = str(authority.write_ca_file(folder))
    assert "did not respond to the TLS handshake in time; if it has no TLS on this port, write redis" in problem(
        server.url.replace("redis:", "rediss:"), ca_file=ca_file
    )
    over_tls = RedisServer(folder, tls=authority)
    assert "TLS on this port, write rediss instead of redis" in problem(over_tls.url.replace("rediss:", "redis:"))
    over_tls.kill()


def test_a_client_certificate_is_wanted(problem: Callable[..., str], tmp_path: Path) -> None:
    authority = Authority()
    server = RedisServer(tmp_path, tls=authority)
    server.run("CONFIG", "SET", "tls-auth-clients", "yes")
    said = problem(server.url, ca_file=str(authority.write_ca_file(tmp_path)))
    assert "the server asks for a client certificate" in said
    assert "set tls-auth-clients to no" in said
    server.kill()


def test_a_unix_socket(
    new_cache: NewCache, mock_server: MockServer, problem: Callable[[str], str], server: RedisServer
) -> None:
    server.run("ACL", "SETUSER", USER, "+select")
    check_shared(new_cache, mock_server, f"redis+unix:{server.socket}?user={USER}&pass={USER_PASSWORD}&db=3")
    check_shared(new_cache, mock_server, f"redis+unix://{LOGIN}{server.socket}?db=3")
    assert len(server.run("-n", 3, "KEYS", "*").split()) == mock_server.token_requests() == 1
    server.pause()
    assert f"on Redis at {server.socket} did not respond in time" in problem(f"redis+unix:{server.socket}")
    server.resume()
    server.kill()
    assert f"on Redis at {server.socket} could not be reached: " in problem(f"redis+unix:{server.socket}")


def test_a_unix_socket_whose_queue_is_full_is_not_waited_for(problem: Callable[[str], str], tmp_path: Path) -> None:
    path = tmp_path / "full.sock"
    with socket.socket(socket.AF_UNIX) as listener, ExitStack() as waiting:
        listener.bind(str(path))
        listener.listen(0)
        for _ in range(2):
            client = waiting.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            client.connect_ex(str(path))
        assert "did not respond in time" in problem(f"redis+unix:{path}")


def test_a_process_that_was_stopped_goes_on_reading_a_socket(
    new_cache: NewCache, mock_server: MockServer, server: RedisServer
) -> None:
    cache = new_cache(f"redis+unix:{server.socket}?user={USER}&pass={USER_PASSWORD}")
    server.pause()
    cache.start(1)
    for signal_ in (signal.SIGSTOP, signal.SIGCONT):
        time.sleep(0.1)
        cache.driver.signal(signal_)
    server.resume()
    [reply] = cache.driver.join()
    reply.ok()
    assert store_problem(cache) == ""


def test_redis_5_has_passwords_without_users(new_cache: NewCache, mock_server: MockServer, server: RedisServer) -> None:
    """Its AUTH takes one argument."""

    def answer(words: list[str]) -> Optional[bytes]:
        return (
            b"-ERR wrong number of arguments for 'auth' command\r\n" if len(words) == 3 and words[0] == "AUTH" else None
        )

    front = RespFront(answer, server.address)
    check_shared(new_cache, mock_server, f"redis://anybody:{PASSWORD}@{front.address}/1")
    assert len(server.run("-n", 1, "KEYS", "*").split()) == 1
    front.close()


@pytest.mark.parametrize(
    "error, words",
    [
        ("LOADING Redis is loading the dataset in memory", "is loading its data (LOADING)"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "(TRYAGAIN)"),
        ("CLUSTERDOWN The cluster is down", "(CLUSTERDOWN)"),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "(MASTERDOWN)"),
    ],
)
def test_waits_a_moment_for_what_passes(
    new_cache: NewCache,
    mock_server: MockServer,
    problem: Callable[[str], str],
    server: RedisServer,
    error: str,
    words: str,
) -> None:
    left = [2, 100]
    reply = f"-{error}\r\n".encode()

    def answer(words: list[str]) -> Optional[bytes]:
        if words[0] == "AUTH" or not left[0]:
            return None
        left[0] -= 1
        return reply

    front = RespFront(answer, server.address)
    url = f"redis://{LOGIN}{front.address}"
    check_shared(new_cache, mock_server, url)
    left[0] = 100
    assert words in problem(url)
    assert left[0] > 90
    front.close()
