"""What is left of a secret in the memory of a process: nothing, once it was replaced or its handle freed."""

from __future__ import annotations

import base64

from support.mock_server import CLIENT_ID, CLIENT_SECRET, MockServer

from .programs import Programs, Said

BASIC = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()


def test_nothing_is_left_of_what_was_replaced_or_freed(programs: Programs, mock_server: MockServer) -> None:
    assert_nothing_is_left(programs.c("secrets", BASIC, mock_server=mock_server))


def test_nor_where_it_went_through_tls(programs: Programs, mock_server: MockServer, https: tuple[str, str]) -> None:
    base_url, ca_file = https
    assert_nothing_is_left(programs.c("secrets", BASIC, mock_server=mock_server, base_url=base_url, ca_file=ca_file))


def assert_nothing_is_left(said: Said) -> None:
    token, basic = map(int, said.one("held"))
    assert token > 1 and basic > 0, "the program's own copy, and those of the library: the search finds what is there"
    assert said.one("undumped") == ["1"], "where it is published"
    assert said.one("replaced") == ["0"], "the old token"
    assert said.one("freed") == ["0"] * 4, "the old token, the last one, the client secret, the Basic header"
