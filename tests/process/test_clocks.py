"""Suspends, a wall clock that is set, clocks that cannot be read: no stale token is served, no valid one is dropped."""

from __future__ import annotations

import errno
import json
import time

import pytest

from support.mock_server import MockServer

from .programs import Programs

TTL_S = 600
"""The token is stale from 570 s on, and due between 507 and 519 s."""


@pytest.mark.parametrize(
    ("changes", "tokens", "requests"),
    [
        pytest.param("sleep+100", "A A", 1, id="a short suspend"),
        pytest.param("sleep+560", "A A", 2, id="a suspend to the last seconds, and a refresh"),
        pytest.param("sleep+571", "A B", 2, id="a suspend past stale_at"),
        pytest.param("sleep+300 sleep+300", "A A B", 2, id="two suspends that reach stale_at together"),
        pytest.param("sleep+530 sleep+1", "A A B", 2, id="a suspend past refresh_at"),
        pytest.param("wall+100", "A A", 1, id="set forward"),
        pytest.param("wall+571", "A B", 2, id="set forward past stale_at"),
        pytest.param("wall-86400", "A A", 1, id="set back by a day"),
        pytest.param("wall-86400 sleep+571", "A A B", 2, id="set back, and then a suspend past stale_at"),
        pytest.param("wall-86400 wall+86400", "A A A", 1, id="set back, and right again"),
        pytest.param("wall+86400 wall-86400", "A B B", 2, id="set forward by a day, and right again"),
        pytest.param("wall-4000000000", "A A", 1, id="set to before 1970"),
        pytest.param("refuse+7 run+1", "A A A", 1, id="no clock that goes on in a suspend"),
        pytest.param("refuse+7 run+571", "A A B", 2, id="none, and past stale_at"),
        pytest.param("refuse+7 wall-86400 run+571", "A A A B", 2, id="none, set back, and past stale_at"),
        pytest.param("refuse+7 sleep+571", "A A B", 2, id="none, and a suspend that only the wall clock sees"),
        pytest.param("refuse+6 refuse+5 run+1", "A A A A", 1, id="no coarse clock"),
        pytest.param("refuse+6 refuse+5 run+571", "A A A B", 2, id="no coarse clock, and past stale_at"),
        pytest.param("refuse+0 refuse+5 run+571", "A A A B", 2, id="no wall clock, and past stale_at"),
    ],
)
def test_serves_by_both_clocks(
    programs: Programs, mock_server: MockServer, changes: str, tokens: str, requests: int
) -> None:
    mock_server.settings(ttl=TTL_S)
    output = programs.c("clocks", *changes.split(), mock_server=mock_server)
    gets = output.lines("get")
    assert {status for status, *_ in gets} == {"BANKHUB_OK"}
    names: dict[str, str] = {}
    assert [names.setdefault(token, "ABC"[len(names)]) for *_, token in gets] == tokens.split()
    assert mock_server.token_requests() == requests


def test_a_backoff_ends_without_the_clock_that_it_began_with(programs: Programs, mock_server: MockServer) -> None:
    token = {"code": 201, "access_token": "first", "ttl": TTL_S}
    mock_server.respond(201, json.dumps(token), count=1)
    mock_server.respond(429, count=1)
    output = programs.c("clocks", "sleep+1000000", "refuse+7", "run+2", mock_server=mock_server)
    statuses = [status for status, *_ in output.lines("get")]
    assert statuses == ["BANKHUB_OK", "BANKHUB_RATE_LIMITED", "BANKHUB_RATE_LIMITED", "BANKHUB_OK"]


@pytest.mark.parametrize("clock", [time.CLOCK_BOOTTIME, 6, 5], ids=["boottime", "monotonic-coarse", "realtime-coarse"])
@pytest.mark.parametrize("error", [errno.EPERM, errno.ENOSYS, errno.EINVAL], ids=errno.errorcode.get)
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_sandbox_may_forbid_a_clock(
    programs: Programs, mock_server: MockServer, when: str, error: int, clock: int
) -> None:
    mock_server.settings(ttl=TTL_S)
    output = programs.c("sandboxed_clocks", when, error, clock, mock_server=mock_server)
    (first, _, token), (second, _, same) = output.lines("get")
    assert (first, second, token) == ("BANKHUB_OK", "BANKHUB_OK", same)
    assert mock_server.token_requests() == 1
    assert TTL_S - 2 <= int(output.line("lives")[0]) <= TTL_S
    assert 500 <= int(output.line("due")[0]) <= 520
