"""Tests the suite itself: with a faulty driver, the scenario that is about the fault must fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from support.languages import LANGUAGES, clean_environment

from .conftest import Drivers
from .faulty_driver import FAULTS

HERE = Path(__file__).resolve().parent
DEADLINE_S = 2
LIMIT_S = 60

CAUGHT_BY = {
    "always-the-first-token": "test_invalidate.py::test_replaces_the_current_token",
    "a-cache-for-every-get": "test_get.py::test_second_get_sends_no_request",
    "generation-wrong": "test_get.py::test_token_has_generation_and_expires_at",
    "expires-at-in-milliseconds": "test_get.py::test_token_has_generation_and_expires_at",
    "offset-wrong": "test_layout.py::test_struct_matches_c",
    "size-wrong": "test_layout.py::test_struct_matches_c",
    "constant-wrong": "test_layout.py::test_constants_match_c",
    "url-wrong": "test_layout.py::test_constants_match_c",
    "waiters-wrong": "test_stats.py::test_counts_16_waiters",
    "type-wrong": "test_responses.py::test_disabled_credentials_are_unauthenticated",
    "http-status-lost": "test_responses.py::test_disabled_credentials_are_unauthenticated",
    "refused-and-unavailable-swapped": "test_responses.py::test_wrong_credentials_are_unauthenticated",
    "errors-swallowed": "test_responses.py::test_wrong_credentials_are_unauthenticated",
    "the-secret-in-every-error": "test_responses.py::test_disabled_credentials_are_unauthenticated",
    "invalidate-skipped": "test_invalidate.py::test_replaces_the_current_token",
    "close-skipped": "test_close.py::test_calls_after_close_return_closed",
    "no-reply": "test_get.py::test_second_get_sends_no_request",
}


@pytest.fixture
def language_present(drivers: Drivers) -> str:
    """Any language but C, with which the other layouts are compared."""
    present = [name for name, language in LANGUAGES.items() if name != "c" and not language.missing()]
    if not present:
        drivers.require("python")
    return present[0]


def run_suite(language: str, fault: str, *scenarios: str) -> subprocess.CompletedProcess[str]:
    options = ["--language", language, "--fault", fault, "--deadline", str(DEADLINE_S)]
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *options, *scenarios]
    return subprocess.run(
        command, cwd=HERE, env=clean_environment(), capture_output=True, text=True, timeout=LIMIT_S, check=False
    )


def test_every_fault_has_its_scenario() -> None:
    assert CAUGHT_BY.keys() == FAULTS.keys() - {"no-fault"}


def test_passes_without_a_fault(language_present: str) -> None:
    run = run_suite(language_present, "no-fault", *sorted(set(CAUGHT_BY.values())))
    assert run.returncode == 0, run.stdout


@pytest.mark.parametrize("fault", sorted(CAUGHT_BY))
def test_catches_a_fault(language_present: str, fault: str) -> None:
    run = run_suite(language_present, fault, CAUGHT_BY[fault])
    assert run.returncode == 1, f"no scenario failed: {run.stdout}"
    assert f"FAILED {CAUGHT_BY[fault]}" in run.stdout and f"{language_present}]" in run.stdout, run.stdout
