"""The library as a guest in a process: its thread, its descriptors, the environment, a lookup that hangs, the end."""

from __future__ import annotations

import signal
from collections import Counter

import pytest

from support.languages import LIBRARIES
from support.mock_server import MockServer

from .programs import Programs

FETCH_MS = 1_000
"""Long enough for a look at it."""
PROMPTLY_MS = 2_000
STACK_BYTES_MAX = 513 * 1024
"""What the thread-local data of libraries takes included."""


def test_one_thread_per_fetch_and_none_otherwise(programs: Programs, mock_server: MockServer) -> None:
    handles = 20
    mock_server.settings(latency_ms=FETCH_MS)
    said = programs.c("thread", handles, mock_server=mock_server)
    assert [status for status, *_ in said.of("get")] == ["BANKHUB_OK"] * handles * 2
    assert said.of("before", "during", "after", "idle") == [["1"], [str(1 + handles)], ["1"], ["1"]]
    assert said.one("name") == ["bankhub-fetch"]
    [blocked], [stack_bytes] = said.one("blocked"), said.one("stack")
    open_signals = {number for number in signal.valid_signals() if not int(blocked) >> (number - 1) & 1}
    assert open_signals == {signal.SIGKILL, signal.SIGSTOP}  # which cannot be blocked
    assert 256 * 1024 < int(stack_bytes) <= STACK_BYTES_MAX


@pytest.mark.parametrize("program", ["open", "blocked"])
def test_signals_are_the_programs_own(programs: Programs, mock_server: MockServer, program: str) -> None:
    mock_server.settings(latency_ms=FETCH_MS)
    said = programs.c("signals", program, mock_server=mock_server)
    assert [status for status, *_ in said.of("get")] == ["BANKHUB_OK"] * 3
    assert mock_server.token_requests() == 1
    during, after = ((int(all_), int(by_fetch)) for all_, by_fetch in said.of("handled"))
    assert (during[0] == 0) == (program == "blocked")
    assert after[0] >= 2  # those that were waiting
    assert after[1] == 0


@pytest.mark.parametrize(
    ("latency_ms", "within_ms"), [(5, 10), (20_000, 20)], ids=["around the end of a fetch", "long before it"]
)
def test_the_process_may_end_at_any_moment(
    programs: Programs, mock_server: MockServer, latency_ms: int, within_ms: int
) -> None:
    rounds = 300
    mock_server.settings(latency_ms=latency_ms)
    said = programs.c("leave", rounds, within_ms * 1000, mock_server=mock_server)
    assert Counter(code for code, _ in said.of("left")) == {"7": rounds}
    assert max(int(ms) for _, ms in said.of("left")) <= PROMPTLY_MS


def test_a_program_started_during_a_fetch_inherits_no_descriptor(programs: Programs, mock_server: MockServer) -> None:
    started = 100
    said = programs.c("descriptors", started, mock_server=mock_server)
    assert said.of("inherited") == []
    assert len(said.of("looked")) == started
    assert said.of("ended") == [["0"]] * started
    sockets, kept_by_exec = map(int, said.one("sockets"))
    assert sockets > 0
    assert kept_by_exec == 0


def test_where_no_thread_can_start_the_call_says_so(programs: Programs, mock_server: MockServer) -> None:
    said = programs.c("limit", "threads", mock_server=mock_server)
    refused = said.of("refused")
    assert [status for status, *_ in refused] == ["BANKHUB_INTERNAL"] * 2
    for _, retry_after_ms, *message in refused:
        assert 0 < int(retry_after_ms) <= 1_000
        assert " ".join(message).startswith("no thread could be started to fetch a token: ")
    assert said.one("lifted")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 1


def test_no_descriptor_can_be_had(programs: Programs, mock_server: MockServer) -> None:
    said = programs.c("limit", "descriptors", mock_server=mock_server)
    (status, _, *message), (other_status, *_) = said.of("refused")
    assert (status, other_status) == ("BANKHUB_UNAVAILABLE", "BANKHUB_DEADLINE")
    assert "Too many open files" in " ".join(message)
    assert said.one("lifted")[0] == "BANKHUB_OK"


def test_a_name_whose_first_address_is_dead(programs: Programs, mock_server: MockServer) -> None:
    by_name = mock_server.url.replace("127.0.0.1", "hub.test")
    assert programs.c("addresses", mock_server=mock_server, base_url=by_name).one("second")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 1


def test_a_name_lookup_that_hangs_holds_up_nobody(programs: Programs, mock_server: MockServer) -> None:
    request_timeout_ms = 300
    by_name = mock_server.url.replace("127.0.0.1", "hub.test")
    said = programs.c("lookup", request_timeout_ms, mock_server=mock_server, base_url=by_name)
    assert said.one("freed")[0] == "BANKHUB_CLOSED"
    assert said.one("impatient")[0] == "BANKHUB_DEADLINE"
    status, ms, _ = said.one("patient")
    assert status == "BANKHUB_UNAVAILABLE"
    assert request_timeout_ms <= int(ms) <= PROMPTLY_MS
    assert {status for status, *_ in said.of("meanwhile")} == {"BANKHUB_UNAVAILABLE"}
    assert {" ".join(message) for message in said.of("failure")[1:]} == {
        f"the token request did not end within {request_timeout_ms}ms; the name lookup may hang"
    }
    # Lookups and threads: one of each handle, and another when that has ended.
    assert said.one("hanging") == ["2", "2"]
    assert said.one("in_all") == ["3", "3"]
    assert said.one("let_go")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 1


def test_the_environment_is_read_by_new_alone(
    programs: Programs, mock_server: MockServer, https: tuple[str, str]
) -> None:
    url, ca_file = https
    said = programs.c("environment", mock_server=mock_server, base_url=url, ca_file=ca_file)
    assert ["HTTPS_PROXY"] in said.of("opening")
    assert said.of("using") == []
    assert said.one("get")[0] == "BANKHUB_OK"
    assert mock_server.token_requests() == 2


def test_the_library_may_be_closed_during_a_fetch(programs: Programs, mock_server: MockServer) -> None:
    rounds, latency_ms = 20, 20
    mock_server.settings(latency_ms=latency_ms)
    library = LIBRARIES / "libbankhub.so"
    said = programs.c_without_library("unload", library, rounds, 2 * latency_ms * 1000, mock_server=mock_server)
    assert said.of("get") == [["0"]] * rounds
    assert said.of("mapped") == [["1"]] * rounds
    assert said.of("ended") == [["0"]] * rounds


def test_a_valid_token_is_read_without_a_write_or_a_system_call(programs: Programs, mock_server: MockServer) -> None:
    # Or else the kernel writes into the C library's memory, at every preemption, on which processor the thread runs.
    without_rseq = "glibc.pthread.rseq=0"
    said = programs.c("hot", 100_000, mock_server=mock_server, tunables=without_rseq)
    assert said.one("ended") == ["0"]
