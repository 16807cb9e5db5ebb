"""Processes that share a directory, but not their clocks: time namespaces, restored containers, other machines."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Callable, Optional

import pytest

from support.driver_process import Cache, Driver
from support.languages import ROOT, clean_environment
from support.mock_server import MockServer
from support.waiting import wait_until

RESTORED = Path(__file__).with_name("restored.py")
AS_ROOT = ["unshare", "--map-root-user"] if os.geteuid() else []
"""Only root may make a time namespace."""

DAY_S = 86_400
"""More than a token lives: judged by the wrong clock it would have expired, or lie in the future."""
SKEW_S = 300
"""A token that was timed by another clock counts as older by this."""
TOLERANCE_S = 2
NewCache = Callable[..., Cache]
SHIFTED_CLOCK = Path(__file__).with_name("shifted_clock.c")
HOUR_S = 3600
BRIEF_TTL_S = 600
AHEAD = "the store contains a token of a machine whose clock is ahead by more than 5 minutes; the token is not used: "
BEHIND = "the store contains a token of a machine whose clock is behind by more than 5 minutes; the token counts as too"


@pytest.fixture(scope="module")
def shifted_clock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    library = tmp_path_factory.mktemp("clock") / "shifted_clock.so"
    subprocess.run(["cc", "-shared", "-fPIC", str(SHIFTED_CLOCK), "-o", str(library)], check=True)
    return library


@pytest.fixture
def new_cache(mock_server: MockServer, folder: Path, shifted_clock: Path) -> Iterator[NewCache]:
    """Makes caches, each in another process, with another offset of the boot clock if one is given."""
    drivers = []

    def new(offset_s: Optional[int], wall_ahead_s: int = 0) -> Cache:
        unshare = ["unshare", *AS_ROOT[1:], "--time", "--boottime", str(offset_s), "--fork", "--kill-child"]
        shift = {"LD_PRELOAD": str(shifted_clock), "WALL_CLOCK_AHEAD_S": str(wall_ahead_s)} if wall_ahead_s else {}
        drivers.append(Driver("c", wrapper=[] if offset_s is None else unshare, environment=shift))
        credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
        return drivers[-1].new(**credentials, base_url=mock_server.url, store=f"file:{folder}")

    yield new
    for driver in drivers:
        driver.kill()


@pytest.mark.parametrize(
    ("first", "second", "is_same_clock"),
    [
        (None, DAY_S, False),
        (DAY_S, None, False),
        (DAY_S, 3 * DAY_S, False),
        (None, 0, True),
        (DAY_S, DAY_S, True),
        (None, None, True),
    ],
)
def test_the_boot_clock_is_believed_where_it_is_the_same(
    new_cache: NewCache,
    mock_server: MockServer,
    first: Optional[int],
    second: Optional[int],
    is_same_clock: bool,
) -> None:
    expected = new_cache(first).token().ok()
    found = new_cache(second).token().ok()
    assert found.value == expected.value and mock_server.token_requests() == 1
    earlier = expected.expires_at - found.expires_at
    assert abs(earlier - (0 if is_same_clock else SKEW_S)) <= TOLERANCE_S, earlier


@pytest.mark.parametrize("hidden", ["/proc", "/proc/self/ns", "/proc/sys/kernel"])
def test_a_clock_of_which_the_system_tells_nothing_is_not_believed(
    new_cache: NewCache, mock_server: MockServer, folder: Path, hidden: str
) -> None:
    expected = new_cache(None).token().ok()
    hide = f'mount -t tmpfs none {hidden.replace("self", "$$")} && exec "$@"'
    driver = Driver("c", wrapper=["unshare", *AS_ROOT[1:], "--mount", "sh", "-c", hide, "sh"])
    credentials = {"client_id": mock_server.client_id, "client_secret": mock_server.client_secret}
    found = driver.new(**credentials, base_url=mock_server.url, store=f"file:{folder}").token().ok()
    driver.kill()
    assert found.value == expected.value and mock_server.token_requests() == 1
    assert abs(expected.expires_at - found.expires_at - SKEW_S) <= TOLERANCE_S


def test_a_restored_container_has_another_clock(mock_server: MockServer, folder: Path) -> None:
    environment = {**clean_environment(), **mock_server.environment, "BANKHUB_STORE": f"file:{folder}"}
    environment["PYTHONPATH"] = str(ROOT / "bindings/python/src")
    command = [*AS_ROOT, sys.executable, str(RESTORED), str(DAY_S)]
    lines = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    before, after = map(datetime.fromisoformat, lines.stdout.splitlines())
    assert mock_server.token_requests() == 1
    assert abs(before - after - timedelta(seconds=SKEW_S)) <= timedelta(seconds=TOLERANCE_S)


def problem_of(cache: Cache) -> str:
    return cache.stats().ok().fields["last_error.message"]


@pytest.mark.parametrize(
    ("first_ahead_s", "second_ahead_s", "of_first", "of_second"),
    [
        pytest.param(HOUR_S, 0, "60 minutes apart", AHEAD, id="the first one's is ahead"),
        pytest.param(-HOUR_S, 0, "60 minutes apart", BEHIND, id="the first one's is behind"),
        pytest.param(0, HOUR_S, "", "60 minutes apart", id="the second one's is ahead"),
        pytest.param(0, -HOUR_S, "", "60 minutes apart", id="the second one's is behind"),
        pytest.param(HOUR_S, HOUR_S, "60 minutes apart", "", id="both are ahead, and agree"),
        pytest.param(120, -120, "", "", id="4 minutes"),
    ],
)
def test_says_that_clocks_are_an_hour_apart(
    new_cache: NewCache, mock_server: MockServer, first_ahead_s: int, second_ahead_s: int, of_first: str, of_second: str
) -> None:
    """The token lives for less than an hour, so it cannot be shared. No call fails."""
    mock_server.settings(ttl=BRIEF_TTL_S)
    first = new_cache(DAY_S, first_ahead_s)
    first.get().ok()
    second = new_cache(2 * DAY_S, second_ahead_s)
    second.get().ok()
    for cache, words in ((first, of_first), (second, of_second)):
        assert words in problem_of(cache) and bool(words) == bool(problem_of(cache)), problem_of(cache)


def test_says_that_a_token_that_has_just_come_counts_as_too_old(new_cache: NewCache, mock_server: MockServer) -> None:
    """The clock of the reader is ahead, which the times of the file do not tell."""
    mock_server.settings(latency_ms=500)
    fetching, waiting = new_cache(DAY_S), new_cache(2 * DAY_S, HOUR_S)
    fetching.start(1)
    wait_until(lambda: mock_server.token_requests() == 1, within_s=5, what="the request")
    waiting.get().ok()
    assert BEHIND in problem_of(waiting) and mock_server.token_requests() == 1
    fetching.driver.join()
