"""Where a directory for a store comes from: its URL, the users of a service, systemd, and volumes of Kubernetes."""

from __future__ import annotations

import os
import re
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Callable, Union

import pytest

from support.driver_process import Cache, Driver, Status
from support.languages import ROOT
from support.mock_server import MockServer

WORKERS, OTHERS, GROUP = 12345, 12346, 2345
DOCUMENT = (ROOT / "docs/shared-stores.md").read_text()
NewCache = Callable[..., Cache]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike that of pytest."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def new_cache(mock_server: MockServer) -> Iterator[NewCache]:
    """Makes caches, each in another process of the C driver, which may run as another user."""
    drivers = []

    def new(store: Union[str, bytes], *, user: int = os.geteuid(), group: int = -1, umask: str = "022") -> Cache:
        as_user = ["setpriv", f"--reuid={user}", f"--regid={user}"]
        as_user += [f"--groups={group}"] if group >= 0 else ["--clear-groups"]
        change = [f'umask {umask}; exec {shlex.join(as_user)} "$@"'] if user != os.geteuid() else ['exec "$@"']
        drivers.append(Driver("c", wrapper=["sh", "-c", *change, "sh"]))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**credentials, base_url=mock_server.url, store=store)

    yield new
    for driver in drivers:
        driver.kill()


def problem_of(cache: Cache) -> str:
    """Gets a token without the store, and returns what the statistics say about it."""
    cache.get().ok()
    stats = cache.stats().ok()
    assert Status(stats.number("last_error.status")) == Status.UNAVAILABLE
    return stats.fields["last_error.message"]


def check_shares(caches: Sequence[Cache], mock_server: MockServer, requests: int = 1) -> None:
    assert len({cache.get().ok().value for cache in caches}) == 1
    assert mock_server.token_requests() == requests
    for cache in caches:
        assert cache.stats().fields["last_error.message"] == ""


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("file:{}/plain", b"plain"),
        ("file://{}/plain", b"plain"),
        ("FILE://localhost{}/plain/", b"plain"),
        ("file:{}/100%25%20%3F%23%3A", b"100% ?#:"),
        ("file:{}/caf%C3%A9", b"caf\xc3\xa9"),
        ("file:{}/caf%E9", b"caf\xe9"),
    ],
)
def test_a_url_names_a_directory(
    new_cache: NewCache, mock_server: MockServer, folder: Path, url: str, name: bytes
) -> None:
    store = url.format(folder)
    check_shares([new_cache(store), new_cache(store)], mock_server)
    assert os.listdir(os.fsencode(folder)) == [name]


@pytest.mark.parametrize("end", ["/", "//", "/.", "/%2E/"])
def test_no_end_of_a_url_follows_a_link(new_cache: NewCache, folder: Path, end: str) -> None:
    (folder / "target").mkdir(0o700)
    (folder / "link").symlink_to("target")
    assert "symbolic link; name the directory that it leads to" in problem_of(new_cache(f"file:{folder}/link{end}"))
    assert not os.listdir(folder / "target")


@pytest.fixture
def driver() -> Iterator[Driver]:
    driver = Driver("c")
    yield driver
    driver.end()


@pytest.mark.parametrize("place", ["host.example/run/app", "/run/../app", "/run/50%", "/run/a?b", "//host/app"])
def test_no_url_is_taken_literally(driver: Driver, place: str) -> None:
    error = driver.refused(client_id="id", client_secret="Zx8Kq2LmVw4Rt7Yb", store=f"file://{place}")
    assert error.expect(Status.INVALID_ARGUMENT).message.startswith("store ")


def test_a_file_above_the_directory(new_cache: NewCache, folder: Path) -> None:
    (folder / "file").touch()
    assert "a part of its path is not a directory; correct the path" in problem_of(new_cache(f"file:{folder}/file/x"))


# Only root may become another user. tests/suite runs as root in CI.
if os.geteuid() == 0:

    def test_root_first_and_workers_later(new_cache: NewCache, folder: Path) -> None:
        store = f"file:{folder}/store"
        new_cache(store).get().ok()
        message = problem_of(new_cache(store, user=WORKERS))
        assert f"cannot use '{folder}/store': user 0 owns it, but this process runs as user {WORKERS}; " in message
        assert "create it for that user, with mode 0700, and call get only after a change of user" in message

    def test_the_files_of_root_in_the_directory_of_the_workers(new_cache: NewCache, folder: Path) -> None:
        """Somebody gave them the directory alone."""
        store = f"file:{folder}/store"
        new_cache(store).get().ok()
        os.chown(folder / "store", WORKERS, WORKERS)
        message = problem_of(new_cache(store, user=WORKERS))
        assert f"cannot read '{folder}/store/bankhub-" in message
        assert f"this process runs as user {WORKERS}; user 0 owns '{folder}/store/bankhub-" in message
        assert ".token', with mode 0600; " in message

    def test_a_file_of_another_user_that_root_could_read(new_cache: NewCache, folder: Path) -> None:
        store = f"file:{folder}/store"
        new_cache(store).get().ok()
        [token] = (folder / "store").glob("*.token")
        os.chown(token, WORKERS, WORKERS)
        message = problem_of(new_cache(store))
        assert f"user {WORKERS} owns it, but this process runs as user 0; remove it" in message

    @pytest.mark.parametrize("mode", [0o500, 0o600, 0o000])
    def test_a_directory_without_rights_of_its_owner(new_cache: NewCache, folder: Path, mode: int) -> None:
        (folder / "store").mkdir()
        os.chown(folder / "store", WORKERS, WORKERS)
        (folder / "store").chmod(mode)
        message = problem_of(new_cache(f"file:{folder}/store", user=WORKERS))
        assert f"user {WORKERS}; user {WORKERS} owns '{folder}/store', with mode {mode:04o}; correct one" in message

    @pytest.mark.parametrize("inner", ["store", "absent/store"])
    def test_a_parent_of_another_user(new_cache: NewCache, folder: Path, inner: str) -> None:
        (folder / "parent").mkdir(0o700)
        message = problem_of(new_cache(f"file:{folder}/parent/{inner}", user=WORKERS))
        assert f"cannot create '{folder}/parent/{inner}': Permission denied" in message
        assert f"runs as user {WORKERS}; user 0 owns '{folder}/parent', with mode 0700; correct one" in message

    @pytest.mark.parametrize("umask", ["000", "022", "027", "077", "777"])
    def test_a_runtime_directory_of_systemd(
        new_cache: NewCache, mock_server: MockServer, folder: Path, umask: str
    ) -> None:
        """`RuntimeDirectory=` is made by the manager for `User=`, with the mode of `RuntimeDirectoryMode=`."""
        unit = dict(re.findall(r"^(\w+)=(.+)$", DOCUMENT, re.MULTILINE))
        assert unit["Environment"] == f"BANKHUB_STORE=file:/run/{unit['RuntimeDirectory']}"
        made = folder / unit["RuntimeDirectory"]
        made.mkdir(int(unit["RuntimeDirectoryMode"], 8))
        os.chown(made, WORKERS, WORKERS)
        store = f"file:{made}"
        first, second = (new_cache(store, user=WORKERS, umask=umask) for _ in range(2))
        check_shares([first, second], mock_server)

    def test_a_runtime_directory_with_the_usual_mode(
        new_cache: NewCache, mock_server: MockServer, folder: Path
    ) -> None:
        """Without `RuntimeDirectoryMode=` it is 0755. A directory below it is private."""
        made = folder / "bankhub"
        made.mkdir(0o755)
        made.chmod(0o755)
        os.chown(made, WORKERS, WORKERS)
        message = problem_of(new_cache(f"file:{made}", user=WORKERS))
        assert "its mode is 0755, so other users may use it; set mode 0700" in message
        check_shares([new_cache(f"file:{made}/store", user=WORKERS) for _ in range(2)], mock_server, requests=2)

    def test_a_state_directory_of_systemd(new_cache: NewCache, mock_server: MockServer, folder: Path) -> None:
        """With `DynamicUser=yes` it is a link to a directory that only the manager and this user reach."""
        (folder / "private/app").mkdir(mode=0o755, parents=True)
        os.chown(folder / "private/app", WORKERS, WORKERS)
        (folder / "app").symlink_to("private/app")
        assert "name the directory that it leads to" in problem_of(new_cache(f"file:{folder}/app", user=WORKERS))
        check_shares([new_cache(f"file:{folder}/app/store", user=WORKERS) for _ in range(2)], mock_server, requests=2)

    def test_a_directory_made_for_the_workers(new_cache: NewCache, mock_server: MockServer, folder: Path) -> None:
        [command] = re.findall(r"^install -d .+$", DOCUMENT, re.MULTILINE)
        made = folder / "bankhub"
        command = command.replace("www-data", str(WORKERS)).replace("/run/bankhub", str(made))
        subprocess.run(command.split(), check=True)
        check_shares([new_cache(f"file:{made}", user=WORKERS) for _ in range(2)], mock_server)

    @pytest.fixture
    def volume(folder: Path) -> Iterator[Path]:
        """An emptyDir: the kubelet makes it for root with mode 0777, and mounts it."""
        path = folder / "volume"
        path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m,mode=0777", "volume", str(path)], check=True)
        yield path
        subprocess.run(["umount", "--lazy", str(path)], check=True)

    def test_a_volume_of_kubernetes(new_cache: NewCache, mock_server: MockServer, volume: Path) -> None:
        """Two containers of one pod, with one user: `runAsUser`."""
        assert (stat.S_IMODE(volume.stat().st_mode), volume.stat().st_uid) == (0o777, 0)
        [mounted] = re.findall(r"mountPath: (.+)", DOCUMENT)
        [store] = re.findall(r"value: (file:.+)", DOCUMENT)
        assert store.startswith(f"file:{mounted}/"), "the directory is below the volume"
        store = store.replace(mounted, str(volume))
        check_shares([new_cache(store, user=WORKERS) for _ in range(2)], mock_server)
        message = problem_of(new_cache(store, user=OTHERS))
        assert f"user {WORKERS} owns it, but this process runs as user {OTHERS}; " in message
        message = problem_of(new_cache(f"file:{volume}", user=WORKERS))
        assert f"user 0 owns it, but this process runs as user {WORKERS}; " in message

    def test_a_volume_of_kubernetes_with_a_group(new_cache: NewCache, mock_server: MockServer, volume: Path) -> None:
        """With `fsGroup` the kubelet gives it to that group, with mode 2777."""
        os.chown(volume, 0, GROUP)
        volume.chmod(0o2777)
        store = f"file:{volume}/bankhub"
        caches = [new_cache(store, user=WORKERS, group=GROUP) for _ in range(2)]
        check_shares(caches, mock_server)
        made = (volume / "bankhub").stat()
        assert (stat.S_IMODE(made.st_mode), made.st_gid) == (0o2700, GROUP), "the group is inherited"

    def test_a_group_gets_rights_in_a_volume_again(new_cache: NewCache, volume: Path) -> None:
        """A volume that outlives its pod: the kubelet lets the group use everything in it at the next start."""
        store = f"file:{volume}/bankhub"
        new_cache(store, user=WORKERS, group=GROUP).get().ok()
        os.chown(volume / "bankhub", WORKERS, GROUP)
        (volume / "bankhub").chmod(0o2770)
        message = problem_of(new_cache(store, user=WORKERS, group=GROUP))
        assert "its mode is 2770, so other users may use it; set mode 0700" in message
