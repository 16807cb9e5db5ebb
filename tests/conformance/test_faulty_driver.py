"""The suite itself is tested: beside a driver that lies it turns red, at the scenario that the lie is about."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.languages import LANGUAGES, clean_environment

from .conftest import Drivers
from .faulty_driver import LIES

HERE = Path(__file__).resolve().parent
DEADLINE_S = 2
LIMIT_S = 60

CAUGHT_BY = {
    "always-the-first-token": "test_invalidate.py::test_the_current_token_is_replaced",
    "a-cache-for-every-get": "test_get.py::test_second_get_sends_nothing",
    "generation-wrong": "test_get.py::test_token_tells_generation_and_end",
    "expires-at-in-milliseconds": "test_get.py::test_token_tells_generation_and_end",
    "offset-wrong": "test_layout.py::test_struct",
    "size-wrong": "test_layout.py::test_struct",
    "constant-wrong": "test_layout.py::test_constants",
    "url-wrong": "test_layout.py::test_constants",
    "waiters-wrong": "test_stats.py::test_while_16_threads_wait",
    "type-wrong": "test_answers.py::test_disabled_credentials_are_unauthenticated",
    "http-status-lost": "test_answers.py::test_disabled_credentials_are_unauthenticated",
    "refused-and-unavailable-swapped": "test_answers.py::test_wrong_credentials_are_unauthenticated",
    "errors-swallowed": "test_answers.py::test_wrong_credentials_are_unauthenticated",
    "the-secret-in-every-error": "test_answers.py::test_disabled_credentials_are_unauthenticated",
    "invalidate-not-done": "test_invalidate.py::test_the_current_token_is_replaced",
    "close-not-done": "test_close.py::test_every_call_after_close_says_so",
    "never-an-answer": "test_get.py::test_second_get_sends_nothing",
}


@pytest.fixture
def believed(drivers: Drivers) -> str:
    """Any will do; C is what the layouts are compared with, so it cannot be the one that lies about them."""
    present = [name for name, language in LANGUAGES.items() if name != "c" and not language.missing()]
    if not present:
        drivers.require("python")
    return present[0]


def run_suite(language: str, lie: str, *scenarios: str) -> subprocess.CompletedProcess[str]:
    options = ["--language", language, "--lie", lie, "--deadline", str(DEADLINE_S)]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *scenarios]
    return subprocess.run(
        command, cwd=HERE, env=clean_environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def test_every_lie_is_told() -> None:
    assert CAUGHT_BY.keys() == LIES.keys() - {"truth"}


def test_the_truth_is_green(believed: str) -> None:
    run = run_suite(believed, "truth", *sorted(set(CAUGHT_BY.values())))
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("lie", sorted(CAUGHT_BY))
def test_a_lie_is_red(believed: str, lie: str) -> None:
    run = run_suite(believed, lie, CAUGHT_BY[lie])
    assert run.returncode == 1, f"nobody noticed: {run.stdout}"
    assert f"FAILED {CAUGHT_BY[lie]}" in run.stdout and f"{believed}]" in run.stdout, run.stdout
