"""Processes that share a directory, but not the boot clock: time namespaces, and containers that were restored."""

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

RESTORED = Path(__file__).with_name("restored.py")
AS_ROOT = ["unshare", "--map-root-user"] if os.geteuid() else []
"""Only root may make a time namespace."""

DAY_S = 86_400
"""More than a token lives: judged by the wrong clock it would have expired, or lie in the future."""
SKEW_S = 300
"""A token that was timed by another clock counts as older by this."""
TOLERANCE_S = 2
NewCache = Callable[[Optional[int]], Cache]


@pytest.fixture
def new_cache(mock_server: MockServer, folder: Path) -> Iterator[NewCache]:
    """Makes caches, each in another process, with another offset of the boot clock if one is given."""
    drivers = []

    def new(offset_s: Optional[int]) -> Cache:
        unshare = ["unshare", *AS_ROOT[1:], "--time", "--boottime", str(offset_s), "--fork", "--kill-child"]
        drivers.append(Driver("c", wrapper=[] if offset_s is None else unshare))
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
