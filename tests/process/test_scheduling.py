"""The fetch thread has the scheduling of the program, not that of the thread that happened to call first."""

from __future__ import annotations

import os
import subprocess

import pytest

from support.mock_server import MockServer

from .programs import Programs

FETCH_MS = 300
MAY_RUN_IN_REAL_TIME = subprocess.run(["chrt", "--fifo", "1", "true"], capture_output=True).returncode == 0
POLICIES = {"batch": os.SCHED_BATCH, "idle": os.SCHED_IDLE}
if MAY_RUN_IN_REAL_TIME:
    POLICIES |= {"fifo": os.SCHED_FIFO, "rr": os.SCHED_RR}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("caller", ["main", "other"])
def test_fetch_thread_has_the_scheduling_of_the_program(
    programs: Programs, mock_server: MockServer, caller: str, policy: str
) -> None:
    mock_server.settings(latency_ms=FETCH_MS)
    output = programs.c("scheduling", caller, policy, mock_server=mock_server)
    processors, number, nice = output.line("caller")
    assert (processors, int(number), nice) == ("1", POLICIES[policy], "5")
    expected = output.line("program")
    if os.geteuid() != 0:
        expected[2] = nice  # only root may set a smaller one
    assert output.line("fetch") == expected
    assert output.line("got")[0] == "1"
