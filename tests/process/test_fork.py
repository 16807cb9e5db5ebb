"""Children of fork, from C: each gets a token within a normal fetch, and its parent does not notice."""

from __future__ import annotations

from collections import Counter

import pytest

from support.languages import LIBRARIES
from support.mock_server import MockServer

from .programs import Programs, Said

CHILDREN = 300
CHILDREN_WITH_TLS = 40
FIRST_CALLS = 300
HANDLES = 2_000
ROUND = 4
WAITERS = 64
LATENCY_MS = 20
HANDSHAKE_US = 10_000
NORMAL_FETCH_MS = 5_000
"""On cores that other threads keep busy; who waits for what its parent held waits for its request timeout, 10 s."""

AS_IF_NOBODY_HAD_FORKED = ["1", "1", "0", "0", "0"]
"""Statistics: requests, successes, failures, waiters, and whether a fetch is in flight."""


def test_forked_while_others_fetch_and_wait(programs: Programs, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    said = programs.c("fork", "fetching", CHILDREN, LATENCY_MS * 1000, mock_server=mock_server)
    check_fetching(said, CHILDREN, mock_server)


def test_forked_while_others_speak_tls(programs: Programs, mock_server: MockServer, https: tuple[str, str]) -> None:
    url, ca_file = https
    said = programs.c(
        "fork", "fetching", CHILDREN_WITH_TLS, HANDSHAKE_US, mock_server=mock_server, base_url=url, ca_file=ca_file
    )
    check_fetching(said, CHILDREN_WITH_TLS, mock_server)


def check_fetching(said: Said, children: int, mock_server: MockServer) -> None:
    rounds = children // ROUND
    assert said.of("failure") == []
    assert statuses(said, "inherited", "grandchild") == {"BANKHUB_OK": children}
    assert statuses(said, "own") == {"BANKHUB_OK": children}
    assert statuses(said, "freed") == {"BANKHUB_CLOSED": rounds}
    assert statuses(said, "waiter") == {"BANKHUB_OK": WAITERS * rounds}
    check_children(said, children + rounds)
    assert said.of("stats") == [AS_IF_NOBODY_HAD_FORKED] * rounds
    check_calls(said, mock_server)


def test_forked_while_others_publish_and_open_and_free(programs: Programs, mock_server: MockServer) -> None:
    said = programs.c("fork", "writing", CHILDREN, mock_server=mock_server)
    rounds = CHILDREN // ROUND
    assert said.of("failure") == []
    assert statuses(said, "steady") == {"BANKHUB_OK": 2 * 3 * rounds}
    assert statuses(said, "inherited") == {"BANKHUB_OK": rounds}
    assert statuses(said, "own") == {"BANKHUB_OK": CHILDREN}
    assert statuses(said, "churned").keys() <= {"BANKHUB_OK", "BANKHUB_CLOSED"}
    check_children(said, CHILDREN)
    # What was valid at the fork is the child's too, without a request.
    assert len({token for *_, token in said.of("parent", "steady", "inherited")}) == 1
    assert said.one("stats") == AS_IF_NOBODY_HAD_FORKED
    check_parent(said)
    check_calls(said, mock_server)


def test_forked_while_tokens_end_and_are_renewed(programs: Programs, mock_server: MockServer) -> None:
    mock_server.settings(ttl=2)
    said = programs.c("fork", "writing", CHILDREN, mock_server=mock_server)
    assert said.of("failure") == []
    assert statuses(said, "inherited") == {"BANKHUB_OK": CHILDREN // ROUND}
    assert statuses(said, "own") == {"BANKHUB_OK": CHILDREN}
    check_children(said, CHILDREN)
    check_parent(said)


def test_forked_beside_the_first_call_of_a_process(programs: Programs, mock_server: MockServer) -> None:
    said = programs.c("first", FIRST_CALLS, mock_server=mock_server)
    check_children(said, FIRST_CALLS * 2)
    assert statuses(said, "child", "parent") == {"BANKHUB_OK": FIRST_CALLS * 2}


def test_forked_with_many_handles(programs: Programs, mock_server: MockServer) -> None:
    said = programs.c("handles", HANDLES, mock_server=mock_server)
    check_children(said, 1)
    before, inherited, after = ([token for *_, token in said.of(who)] for who in ("before", "inherited", "after"))
    assert statuses(said, "before", "inherited", "after") == {"BANKHUB_OK": HANDLES * 3}
    assert before == inherited == after
    assert mock_server.token_requests() == len(set(before)) == HANDLES


def statuses(said: Said, *who: str) -> Counter[str]:
    return Counter(status for status, *_ in said.of(*who))


def check_children(said: Said, count: int) -> None:
    """None was killed by its deadline, or by a crash."""
    assert Counter(code for [code] in said.of("ended")) == {"0": count}


def check_parent(said: Said) -> None:
    gets, failures = map(int, said.one("gets"))
    assert gets > CHILDREN / ROUND
    assert failures == 0


def check_calls(said: Said, mock_server: MockServer) -> None:
    """None took too long; and no token is torn or made up: the mock server, which ends none here, knows each."""
    calls = said.of("inherited", "grandchild", "own", "waiter", "parent", "steady", "churned")
    assert max(int(ms) for _, ms, _ in calls) <= NORMAL_FETCH_MS
    tokens = {token for status, _, token in calls if status == "BANKHUB_OK"}
    assert {mock_server.resource(token) for token in tokens} == {200}


@pytest.mark.parametrize("others", ["alone", "beside"])
def test_forked_by_a_signal_handler_that_interrupts_a_call(
    programs: Programs, mock_server: MockServer, others: str
) -> None:
    forks = 200  # each may take a sixth of a second
    said = programs.c("handler", others, forks, mock_server=mock_server)
    assert said.one("ended_well") == said.one("forked")


def test_fork_handlers_of_the_program_call_the_library(programs: Programs, mock_server: MockServer) -> None:
    said = programs.c_without_library("atfork", LIBRARIES / "libbankhub.so", mock_server=mock_server)
    assert said.of("new", "stats") == [["before", "0"], ["before", "0"], ["parent", "0"], ["parent", "0"]]
    check_children(said, 1)
