"""The memory of a process holds no secret that was replaced, or whose handle was freed."""

from __future__ import annotations

import base64

from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer

from .programs import Output, Programs

BASIC = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


def test_wipes_replaced_and_freed_secrets(programs: Programs, mock_server: MockServer) -> None:
    assert_wiped(programs.c("secrets", BASIC, mock_server=mock_server))


def test_wipes_secrets_after_tls(programs: Programs, mock_server: MockServer, https: tuple[str, str]) -> None:
    base_url, ca_file = https
    assert_wiped(programs.c("secrets", BASIC, mock_server=mock_server, base_url=base_url, ca_file=ca_file))


def assert_wiped(output: Output) -> None:
    token, basic = map(int, output.line("held"))
    assert token > 1 and basic > 0, "the search finds the copies of the program and of the library"
    assert output.line("undumped") == ["1"], "the published copy"
    assert output.line("replaced") == ["0"], "the old token"
    assert output.line("freed") == ["0"] * 4, "the old token, the last one, the client secret, the Basic header"
