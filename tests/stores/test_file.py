"""A store in a directory: what lies there, and what it does when somebody has been at it."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Union

import pytest

from support.driver_process import Cache, Driver, Status
from support.languages import ROOT, clean_environment
from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer
from support.waiting import at_most, wait_until

PROMPTLY_MS = 1_000
FORKING = Path(__file__).with_name("forking.py")
NewCache = Callable[..., Cache]

# Root alone may give a directory away, or mount one.
ANOTHERS = ["another user's"] if os.geteuid() == 0 else []
MAY_MOUNT = subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.fixture
def new_cache(mock_server: MockServer, folder: Path) -> Iterator[NewCache]:
    """Each in a process of its own, written in C."""
    drivers = []

    def new(place: Union[Path, None] = None, **config: int) -> Cache:
        drivers.append(Driver("c"))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**credentials, base_url=mock_server.url, store=f"file:{place or folder}", **config)

    yield new
    for driver in drivers:
        driver.kill()


def the(end: str, folder: Path) -> Path:
    [path] = folder.glob(f"*.{end}")
    return path


def check_alone(cache: Cache, reason: str) -> None:
    """It has a token all the same, and says why nobody else has it."""
    with at_most(PROMPTLY_MS, "a token without the store"):
        cache.get().ok()
    stats = cache.stats().ok()
    assert Status(stats.number("last_error.status")) == Status.UNAVAILABLE
    assert re.search(reason, stats.fields["last_error.message"])


def test_what_lies_there_is_private_and_tells_nothing(
    new_cache: NewCache, mock_server: MockServer, folder: Path
) -> None:
    token = new_cache().get().ok().value
    assert {path.suffix for path in folder.iterdir()} == {".token", ".lock"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for secret in (token, CLIENT_ID, CLIENT_SECRET, mock_server.url, "127.0.0.1"):
            assert secret not in path.name
            assert secret.encode() not in path.read_bytes()


def test_a_token_there_serves_a_process_that_starts_later(new_cache: NewCache, mock_server: MockServer) -> None:
    first = new_cache()
    token = first.token().ok()
    first.driver.kill()
    later = new_cache().token().ok()
    assert (later.value, later.expires_at) == (token.value, token.expires_at)
    assert mock_server.token_requests() == 1


@pytest.mark.parametrize("damage", ["changed", "cut", "empty", "longer", "huge", "another's"])
def test_a_damaged_token_is_replaced(new_cache: NewCache, mock_server: MockServer, folder: Path, damage: str) -> None:
    new_cache().get().ok()
    path = the("token", folder)
    sound = path.read_bytes()
    path.write_bytes(
        {
            "changed": sound[:40] + bytes([sound[40] ^ 1]) + sound[41:],
            "cut": sound[:-1],
            "empty": b"",
            "longer": sound + b"\0",
            "huge": sound * 10_000,
            "another's": os.urandom(len(sound)),
        }[damage]
    )
    check_alone(new_cache(), "damaged")
    new_cache().get().ok()
    assert mock_server.token_requests() == 2, "the second one has repaired it"


@pytest.mark.parametrize("end", ["token", "lock"])
@pytest.mark.parametrize("instead", ["link", "fifo", "directory", "readable by others"])
def test_what_is_not_this_users_alone_is_not_touched(
    new_cache: NewCache, folder: Path, tmp_path: Path, end: str, instead: str
) -> None:
    new_cache().get().ok()
    path, target = the(end, folder), tmp_path / "target"
    target.write_text("not to be touched")
    target.chmod(0o600)
    if instead == "readable by others":
        path.chmod(0o644)
    else:
        path.unlink()
    if instead == "link":
        path.symlink_to(target)
    elif instead == "fifo":
        os.mkfifo(path, 0o600)
    elif instead == "directory":
        path.mkdir()
    if end == "lock":
        the("token", folder).unlink()
    check_alone(new_cache(), rf"cannot (read|lock).*\.{end}'")
    assert target.read_text() == "not to be touched"


@pytest.mark.parametrize("instead", ["link", "file", "readable by others", "nowhere", *ANOTHERS])
def test_a_directory_that_is_not_this_users_alone_is_not_used(
    new_cache: NewCache, folder: Path, tmp_path: Path, instead: str
) -> None:
    target = tmp_path / "target"
    target.mkdir(mode=0o700)
    if instead == "link":
        folder.symlink_to(target)
    elif instead == "file":
        folder.touch(0o700)
    elif instead == "readable by others":
        folder.mkdir(0o755)
        folder.chmod(0o755)
    elif instead == "another user's":
        folder.mkdir(0o700)
        os.chown(folder, 12345, 12345)
    place = folder / "below" if instead == "nowhere" else folder
    check_alone(new_cache(place), "cannot create" if instead == "nowhere" else "this user owns")
    assert not list(target.iterdir())


if MAY_MOUNT:

    @pytest.fixture
    def small_disk(folder: Path) -> Iterator[Path]:
        """A file system of three pages."""
        folder.mkdir(0o700)
        mount = ["mount", "-t", "tmpfs", "-o", "size=12k,mode=0700", "bankhub", str(folder)]
        subprocess.run(mount, check=True)
        yield folder
        subprocess.run(["umount", "--lazy", str(folder)], check=True)

    def test_a_full_disk(new_cache: NewCache, mock_server: MockServer, small_disk: Path) -> None:
        filling = small_disk / "filling"
        filling.write_bytes(b"f" * 12 * 1024)
        check_alone(new_cache(), "No space left")
        mock_server.settings(latency_ms=600)
        caches = [new_cache() for _ in range(4)]
        for cache in caches:
            cache.start(1)
        wait_until(lambda: mock_server.token_requests() == 5, within_s=1, what="none waits for another's turn")
        mock_server.settings(latency_ms=0)
        filling.unlink()
        token = new_cache().get().ok().value
        assert new_cache().get().ok().value == token

    def test_a_read_only_disk(new_cache: NewCache, small_disk: Path) -> None:
        token = new_cache().get().ok().value
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        reader = new_cache()
        assert reader.get().ok().value == token, "it can be read"
        reader.invalidate(token).ok()
        check_alone(reader, "Read-only")


def test_whoever_stops_while_it_fetches_stops_nobody_else(new_cache: NewCache, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=60_000)
    stopped = new_cache()
    stopped.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    mock_server.settings(latency_ms=0)
    stopped.driver.signal(signal.SIGSTOP)
    other = new_cache(request_timeout_ms=100)
    with at_most(8_000, "a token while another process is stopped"):
        other.get(timeout=10_000).ok()
    assert "too long" in other.stats().fields["last_error.message"]


def test_a_child_of_who_fetches_keeps_no_lock(new_cache: NewCache, mock_server: MockServer, folder: Path) -> None:
    mock_server.settings(latency_ms=60_000)
    environment = {**clean_environment(), **mock_server.environment, "BANKHUB_STORE": f"file:{folder}"}
    environment["PYTHONPATH"] = str(ROOT / "bindings/python/src")
    parent = subprocess.Popen([sys.executable, str(FORKING)], env=environment, stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    parent.send_signal(signal.SIGUSR1)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    mock_server.settings(latency_ms=0)
    with at_most(PROMPTLY_MS, "a token although a child lives on"):
        new_cache().get().ok()
    os.kill(child, signal.SIGKILL)


def test_no_descriptor_is_left_open(new_cache: NewCache) -> None:
    cache = new_cache()
    cache.get().ok()
    before = cache.driver.descriptors()
    for _ in range(5):
        cache.invalidate(cache.get().ok().value).ok()
    cache.get().ok()
    wait_until(lambda: cache.driver.descriptors() == before, within_s=5, what="as many descriptors as before")
