"""Suspends, and a wall clock that is set: no stale token is served, and no valid token is dropped."""

from __future__ import annotations

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
