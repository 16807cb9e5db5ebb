"""A store in a directory: its files, damaged or unsafe files, full disks, and a locked directory."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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

# Only root may change the owner of a directory, or mount one.
OTHER_OWNER = ["another user's"] if os.geteuid() == 0 else []
MAY_MOUNT = subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.fixture
def new_cache(mock_server: MockServer, folder: Path) -> Iterator[NewCache]:
    """Makes caches, each in another process of the C driver."""
    drivers = []

    def new(directory: Union[Path, None] = None, **config: int) -> Cache:
        drivers.append(Driver("c"))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**credentials, base_url=mock_server.url, store=f"file:{directory or folder}", **config)

    yield new
    for driver in drivers:
        driver.kill()


def only_file(suffix: str, folder: Path) -> Path:
    [path] = folder.glob(f"*.{suffix}")
    return path


def check_works_without_store(cache: Cache, reason: str) -> None:
    """The cache gets a token without the store, and its statistics say why."""
    with at_most(PROMPTLY_MS, "a token without the store"):
        cache.get().ok()
    stats = cache.stats().ok()
    assert Status(stats.number("last_error.status")) == Status.UNAVAILABLE
    assert re.search(reason, stats.fields["last_error.message"])


def test_files_are_private_and_hold_no_secret(new_cache: NewCache, mock_server: MockServer, folder: Path) -> None:
    token = new_cache().get().ok().value
    assert {path.suffix for path in folder.iterdir()} == {".token", ".lock"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        for secret in (token, CLIENT_ID, CLIENT_SECRET, mock_server.url, "127.0.0.1"):
            assert secret not in path.name
            assert secret.encode() not in path.read_bytes()


def test_serves_a_process_that_starts_later(new_cache: NewCache, mock_server: MockServer) -> None:
    first = new_cache()
    token = first.token().ok()
    first.driver.kill()
    later = new_cache().token().ok()
    assert (later.value, later.expires_at) == (token.value, token.expires_at)
    assert mock_server.token_requests() == 1


@pytest.mark.parametrize("damage", ["changed", "cut", "empty", "longer", "huge", "another's"])
def test_replaces_a_damaged_token(new_cache: NewCache, mock_server: MockServer, folder: Path, damage: str) -> None:
    new_cache().get().ok()
    path = only_file("token", folder)
    intact = path.read_bytes()
    path.write_bytes(
        {
            "changed": intact[:40] + bytes([intact[40] ^ 1]) + intact[41:],
            "cut": intact[:-1],
            "empty": b"",
            "longer": intact + b"\0",
            "huge": intact * 10_000,
            "another's": os.urandom(len(intact)),
        }[damage]
    )
    check_works_without_store(new_cache(), "damaged")
    new_cache().get().ok()
    assert mock_server.token_requests() == 2, "the second cache has replaced the damaged token"


@pytest.mark.parametrize("end", ["token", "lock"])
@pytest.mark.parametrize("instead", ["link", "fifo", "directory", "readable by others"])
def test_does_not_touch_an_unsafe_file(
    new_cache: NewCache, folder: Path, tmp_path: Path, end: str, instead: str
) -> None:
    new_cache().get().ok()
    path, target = only_file(end, folder), tmp_path / "target"
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
        only_file("token", folder).unlink()
    reason = {
        "link": "it is a symbolic link; remove it",
        "fifo": "it is not a regular file; remove it",
        "directory": "it is not a regular file; remove it",
        "readable by others": "its mode is 0644, so other users may use it; set mode 0600",
    }[instead]
    check_works_without_store(new_cache(), rf"cannot (read|lock) '.*\.{end}': {reason}")
    assert target.read_text() == "not to be touched"


@pytest.mark.parametrize("instead", ["link", "file", "readable by others", "nowhere", *OTHER_OWNER])
def test_does_not_use_an_unsafe_directory(new_cache: NewCache, folder: Path, tmp_path: Path, instead: str) -> None:
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
    directory = folder / "below" if instead == "nowhere" else folder
    reason = {
        "link": "cannot use '/.*': it is a symbolic link; name the directory that it leads to",
        "file": "cannot use '/.*': it is not a directory",
        "readable by others": "cannot use '/.*': its mode is 0755, so other users may use it; set mode 0700",
        "nowhere": "cannot create '/.*': its parent directory does not exist; create that first",
        "another user's": "cannot use '/.*': user 12345 owns it, but this process runs as user 0; all processes",
    }[instead]
    check_works_without_store(new_cache(directory), reason)
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

    def test_works_with_a_full_disk(new_cache: NewCache, mock_server: MockServer, small_disk: Path) -> None:
        filling = small_disk / "filling"
        filling.write_bytes(b"f" * 12 * 1024)
        check_works_without_store(new_cache(), "No space left")
        mock_server.settings(latency_ms=600)
        caches = [new_cache() for _ in range(4)]
        for cache in caches:
            cache.start(1)
        wait_until(lambda: mock_server.token_requests() == 5, within_s=1, what="no cache waits for a lease")
        mock_server.settings(latency_ms=0)
        filling.unlink()
        token = new_cache().get().ok().value
        assert new_cache().get().ok().value == token

    def test_works_with_a_read_only_disk(new_cache: NewCache, small_disk: Path) -> None:
        token = new_cache().get().ok().value
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        reader = new_cache()
        assert reader.get().ok().value == token, "the token can be read"
        reader.invalidate(token).ok()
        check_works_without_store(reader, "Read-only")


def test_a_directory_that_stays_locked_does_not_block_others(new_cache: NewCache, folder: Path) -> None:
    """As after a process that was stopped in the microseconds in which it changes who has the lease."""
    new_cache().get().ok()
    only_file("token", folder).unlink()
    with lock(folder), lock(only_file("lock", folder)):
        other = new_cache(request_timeout_ms=100)
        with at_most(8_000, "a token without the lease"):
            other.get(timeout=10_000).ok()
        assert "too long" in other.stats().fields["last_error.message"]


@contextmanager
def lock(path: Path) -> Iterator[None]:
    descriptor = os.open(path, os.O_RDONLY)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    yield
    os.close(descriptor)


def test_a_forked_child_keeps_no_lock(new_cache: NewCache, mock_server: MockServer, folder: Path) -> None:
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
    with at_most(PROMPTLY_MS, "a token while the child is running"):
        new_cache().get().ok()
    os.kill(child, signal.SIGKILL)


def test_leaves_no_descriptor_open(new_cache: NewCache) -> None:
    cache = new_cache()
    cache.get().ok()
    before = cache.driver.descriptors()
    for _ in range(5):
        cache.invalidate(cache.get().ok().value).ok()
    cache.get().ok()
    wait_until(lambda: cache.driver.descriptors() == before, within_s=5, what="as many descriptors as before")
