"""The library in its host process: threads, signals, descriptors, environment, name lookups, and the end."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from support.languages import LIBRARIES
from support.mock_server import MockServer

from .programs import Programs

FETCH_MS = 1_000
"""Long enough to examine the fetch thread."""
PROMPTLY_MS = 2_000
STACK_BYTES_MAX = 513 * 1024
"""Including the thread-local data of other libraries."""


def test_has_one_thread_per_fetch(programs: Programs, mock_server: MockServer) -> None:
    handles = 20
    mock_server.settings(latency_ms=FETCH_MS)
    output = programs.c("fetch_threads", handles, mock_server=mock_server)
    assert [status for status, *_ in output.lines("get")] == ["BANKHUB_OK"] * handles * 2
    assert output.lines("before", "during", "after", "idle") == [["1"], [str(1 + handles)], ["1"], ["1"]]
    assert output.line("name") == ["bankhub-fetch"]
    [blocked], [stack_bytes] = output.line("blocked"), output.line("stack")
    open_signals = {number for number in signal.valid_signals() if not int(blocked) >> (number - 1) & 1}
    assert open_signals == {signal.SIGKILL, signal.SIGSTOP}  # which cannot be blocked
    assert 256 * 1024 < int(stack_bytes) <= STACK_BYTES_MAX


@pytest.mark.parametrize("program", ["open", "blocked"])
def test_handles_no_signal_of_the_program(programs: Programs, mock_server: MockServer, program: str) -> None:
    mock_server.settings(latency_ms=FETCH_MS)
    output = programs.c("signals", program, mock_server=mock_server)
    assert [status for status, *_ in output.lines("get")] == ["BANKHUB_OK"] * 3
    assert mock_server.token_requests() == 1
    during, after = ((int(all_), int(by_fetch)) for all_, by_fetch in output.lines("handled"))
    assert (during[0] == 0) == (program == "blocked")
    assert after[0] >= 2  # the signals that were pending
    assert after[1] == 0


@pytest.mark.parametrize(
    ("latency_ms", "within_ms"), [(5, 10), (20_000, 20)], ids=["around the end of a fetch", "long before it"]
)
def test_process_may_exit_at_any_moment(
    programs: Programs, mock_server: MockServer, latency_ms: int, within_ms: int
) -> None:
    rounds = 300
    mock_server.settings(latency_ms=latency_ms)
    output = programs.c("exit_during_fetch", rounds, within_ms * 1000, mock_server=mock_server)
    assert Counter(code for code, _ in output.lines("exited")) == {"7": rounds}
    assert max(int(ms) for _, ms in output.lines("exited")) <= PROMPTLY_MS


def test_started_program_inherits_no_descriptor(programs: Programs, mock_server: MockServer) -> None:
    started = 100
    output = programs.c("descriptors", started, mock_server=mock_server)
    assert output.lines("inherited") == []
    assert len(output.lines("checked")) == started
    assert output.lines("ended") == [["0"]] * started
    sockets, kept_by_exec = map(int, output.line("sockets"))
    assert sockets > 0
    assert kept_by_exec == 0


def test_reports_that_no_thread_can_start(programs: Programs, mock_server: MockServer) -> None:
    output = programs.c("resource_limits", "threads", mock_server=mock_server)
    refused = output.lines("refused")
    assert [status for status, *_ in refused] == ["BANKHUB_INTERNAL"] * 2
    for _, retry_after_ms, *message in refused:
        assert 0 < int(retry_after_ms) <= 1_000
        assert " ".join(message).startswith("no thread could be started to fetch a token: ")
    assert output.line("lifted")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 1


def test_reports_that_no_descriptor_is_free(programs: Programs, mock_server: MockServer) -> None:
    output = programs.c("resource_limits", "descriptors", mock_server=mock_server)
    (status, _, *message), (other_status, *_) = output.lines("refused")
    assert (status, other_status) == ("BANKHUB_UNAVAILABLE", "BANKHUB_DEADLINE")
    assert "Too many open files" in " ".join(message)
    assert output.line("lifted")[0] == "BANKHUB_OK"


def test_tries_the_second_address(programs: Programs, mock_server: MockServer) -> None:
    by_name = mock_server.url.replace("127.0.0.1", "hub.test")
    assert programs.c("two_addresses", mock_server=mock_server, base_url=by_name).line("second")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 1


def test_a_hanging_name_lookup_blocks_no_caller(programs: Programs, mock_server: MockServer) -> None:
    request_timeout_ms = 300
    by_name = mock_server.url.replace("127.0.0.1", "hub.test")
    output = programs.c("hanging_lookup", request_timeout_ms, mock_server=mock_server, base_url=by_name)
    assert output.line("freed")[0] == "BANKHUB_CLOSED"
    assert output.line("short_timeout")[0] == "BANKHUB_DEADLINE"
    status, ms, _ = output.line("long_timeout")
    assert status == "BANKHUB_UNAVAILABLE"
    assert request_timeout_ms <= int(ms) <= PROMPTLY_MS
    assert {status for status, *_ in output.lines("meanwhile")} == {"BANKHUB_UNAVAILABLE"}
    assert {" ".join(message) for message in output.lines("failure")[1:]} == {
        f"the token request did not end within {request_timeout_ms}ms; the name lookup may hang"
    }
    # Lookups and threads: one for each handle, and another one when that has ended.
    assert output.line("hanging") == ["2", "2"]
    assert output.line("total") == ["3", "3"]
    assert output.line("released")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 1


def test_only_new_reads_the_environment(programs: Programs, mock_server: MockServer, https: tuple[str, str]) -> None:
    url, ca_file = https
    output = programs.c("environment", mock_server=mock_server, base_url=url, ca_file=ca_file)
    assert ["HTTPS_PROXY"] in output.lines("opening")
    assert output.lines("using") == []
    assert output.line("get")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 2


def test_library_may_be_closed_during_a_fetch(programs: Programs, mock_server: MockServer) -> None:
    rounds, latency_ms = 20, 20
    mock_server.settings(latency_ms=latency_ms)
    library = LIBRARIES / "libbankhub.so"
    output = programs.c_without_library(
        "dlclose_during_fetch", library, rounds, 2 * latency_ms * 1000, mock_server=mock_server
    )
    assert output.lines("get") == [["0"]] * rounds
    assert output.lines("mapped") == [["1"]] * rounds
    assert output.lines("ended") == [["0"]] * rounds


def test_get_of_a_valid_token_needs_no_write_or_system_call(programs: Programs, mock_server: MockServer) -> None:
    # With rseq, the kernel writes the number of the processor into the C library's memory at every preemption.
    without_rseq = "glibc.pthread.rseq=0"
    output = programs.c("read_only_get", 100_000, mock_server=mock_server, tunables=without_rseq)
    assert output.line("ended") == ["0"]
