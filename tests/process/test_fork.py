"""Children of fork, from C: each gets a token in the time of a normal fetch, and the parent is not affected."""

from __future__ import annotations

from collections import Counter

import pytest

from support.languages import LIBRARIES
from support.mock_server import MockServer

from .programs import Output, Programs

CHILDREN = 300
CHILDREN_WITH_TLS = 40
FIRST_CALLS = 300
HANDLES = 2_000
ROUND = 4
WAITERS = 64
LATENCY_MS = 20
HANDSHAKE_US = 10_000
NORMAL_FETCH_MS = 5_000
"""On busy cores. A child that waits for a lock of its parent would wait for its request timeout, 10 s."""

AS_WITHOUT_FORK = ["1", "1", "0", "0", "0"]
"""The statistics: requests, successes, failures, waiters, and whether a fetch is in flight."""


def test_fork_while_others_fetch_and_wait(programs: Programs, mock_server: MockServer) -> None:
    mock_server.settings(latency_ms=LATENCY_MS)
    output = programs.c("fork", "fetching", CHILDREN, LATENCY_MS * 1000, mock_server=mock_server)
    check_fetching(output, CHILDREN, mock_server)


def test_fork_while_others_use_tls(programs: Programs, mock_server: MockServer, https: tuple[str, str]) -> None:
    url, ca_file = https
    output = programs.c(
        "fork", "fetching", CHILDREN_WITH_TLS, HANDSHAKE_US, mock_server=mock_server, base_url=url, ca_file=ca_file
    )
    check_fetching(output, CHILDREN_WITH_TLS, mock_server)


def check_fetching(output: Output, children: int, mock_server: MockServer) -> None:
    rounds = children // ROUND
    assert output.lines("failure") == []
    assert statuses(output, "inherited", "grandchild") == {"BANKHUB_OK": children}
    assert statuses(output, "own") == {"BANKHUB_OK": children}
    assert statuses(output, "freed") == {"BANKHUB_CLOSED": rounds}
    assert statuses(output, "waiter") == {"BANKHUB_OK": WAITERS * rounds}
    check_children(output, children + rounds)
    assert output.lines("stats") == [AS_WITHOUT_FORK] * rounds
    check_calls(output, mock_server)


def test_fork_while_others_publish_open_and_free(programs: Programs, mock_server: MockServer) -> None:
    output = programs.c("fork", "writing", CHILDREN, mock_server=mock_server)
    rounds = CHILDREN // ROUND
    assert output.lines("failure") == []
    assert statuses(output, "steady") == {"BANKHUB_OK": 2 * 3 * rounds}
    assert statuses(output, "inherited") == {"BANKHUB_OK": rounds}
    assert statuses(output, "own") == {"BANKHUB_OK": CHILDREN}
    assert statuses(output, "churned").keys() <= {"BANKHUB_OK", "BANKHUB_CLOSED"}
    check_children(output, CHILDREN)
    # A token that is valid at the fork is also the child's, without a request.
    assert len({token for *_, token in output.lines("parent", "steady", "inherited")}) == 1
    assert output.line("stats") == AS_WITHOUT_FORK
    check_parent(output)
    check_calls(output, mock_server)


def test_fork_while_tokens_expire_and_refresh(programs: Programs, mock_server: MockServer) -> None:
    mock_server.settings(ttl=2)
    output = programs.c("fork", "writing", CHILDREN, mock_server=mock_server)
    assert output.lines("failure") == []
    assert statuses(output, "inherited") == {"BANKHUB_OK": CHILDREN // ROUND}
    assert statuses(output, "own") == {"BANKHUB_OK": CHILDREN}
    check_children(output, CHILDREN)
    check_parent(output)


def test_fork_during_the_first_call_of_a_process(programs: Programs, mock_server: MockServer) -> None:
    output = programs.c("fork_during_first_call", FIRST_CALLS, mock_server=mock_server)
    check_children(output, FIRST_CALLS * 2)
    assert statuses(output, "child", "parent") == {"BANKHUB_OK": FIRST_CALLS * 2}


def test_fork_with_many_handles(programs: Programs, mock_server: MockServer) -> None:
    output = programs.c("fork_with_many_handles", HANDLES, mock_server=mock_server)
    check_children(output, 1)
    before, inherited, after = ([token for *_, token in output.lines(who)] for who in ("before", "inherited", "after"))
    assert statuses(output, "before", "inherited", "after") == {"BANKHUB_OK": HANDLES * 3}
    assert before == inherited == after
    assert mock_server.token_requests() == len(set(before)) == HANDLES


def statuses(output: Output, *who: str) -> Counter[str]:
    return Counter(status for status, *_ in output.lines(*who))


def check_children(output: Output, count: int) -> None:
    """Every child ended with code 0, not by its deadline or a crash."""
    assert Counter(code for [code] in output.lines("ended")) == {"0": count}


def check_parent(output: Output) -> None:
    gets, failures = map(int, output.line("gets"))
    assert gets > CHILDREN / ROUND
    assert failures == 0


def check_calls(output: Output, mock_server: MockServer) -> None:
    """No call took too long, and the mock server, which ends no token here, accepts each token."""
    calls = output.lines("inherited", "grandchild", "own", "waiter", "parent", "steady", "churned")
    assert max(int(ms) for _, ms, _ in calls) <= NORMAL_FETCH_MS
    tokens = {token for status, _, token in calls if status == "BANKHUB_OK"}
    assert {mock_server.resource(token) for token in tokens} == {200}


@pytest.mark.parametrize("others", ["alone", "freeing"])
def test_fork_from_a_signal_handler_during_a_call(programs: Programs, mock_server: MockServer, others: str) -> None:
    forks = 200  # each may take a sixth of a second
    output = programs.c("fork_in_signal_handler", others, forks, mock_server=mock_server)
    assert output.line("ended_well") == output.line("forked")


def test_fork_handlers_may_call_the_library(programs: Programs, mock_server: MockServer) -> None:
    output = programs.c_without_library("atfork", LIBRARIES / "libbankhub.so", mock_server=mock_server)
    assert output.lines("new", "stats") == [["before", "0"], ["before", "0"], ["parent", "0"], ["parent", "0"]]
    check_children(output, 1)
