"""A server with several addresses, of which only the last one works, in network namespaces of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from support.languages import ROOT

LIMIT_S = 60
SYSTEM_TRIES_AGAIN_MS = 1000
"""Only then the system sends a second packet to an address that does not respond, or reports that it is rejected."""


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    namespaces = ["unshare", "--net", "--mount", *(["--map-root-user"] if os.geteuid() else [])]
    script = [sys.executable, "-m", "networks.in_namespace", str(tmp_path_factory.mktemp("namespace"))]
    done = subprocess.run(
        [*namespaces, *script], cwd=ROOT / "tests", stdout=subprocess.PIPE, text=True, check=True, timeout=LIMIT_S
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line["name"]: line for line in lines}


@pytest.mark.parametrize("name", ["rejected.test", "unreachable.test", "dropped.test", "many.test"])
def test_another_address_is_tried(facts: dict[str, dict[str, object]], name: str) -> None:
    assert facts[name]["status"] == "OK"


@pytest.mark.parametrize("name", ["rejected.test", "dropped.test", "many.test"])
def test_an_address_that_does_not_work_costs_little(facts: dict[str, dict[str, object]], name: str) -> None:
    """The families are tried in turn, so that one with many addresses costs no more."""
    ms = facts[name]["ms"]
    assert isinstance(ms, float) and ms < SYSTEM_TRIES_AGAIN_MS, ms


@pytest.mark.parametrize("name", ["rejected.test", "dropped.test", "many.test"])
def test_redis_is_reached_in_the_same_way(facts: dict[str, dict[str, object]], name: str) -> None:
    assert facts[name]["shared"] == "OK"
    assert facts[name]["requests"] == 1, "the second cache takes the token from the store"
