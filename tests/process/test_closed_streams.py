"""A program that has closed its standard streams: its log lines must not arrive in a descriptor of the library."""

from __future__ import annotations

from pathlib import Path

from support.mock_server import MockServer
from support.redis_server import RedisServer

from .programs import Programs

FETCHES = 50
LOG_LINE = b"log line"


def test_log_lines_do_not_arrive_in_a_connection(programs: Programs, mock_server: MockServer) -> None:
    check_closed_streams(programs, mock_server)


def test_log_lines_do_not_arrive_in_a_tls_connection(
    programs: Programs, mock_server: MockServer, https: tuple[str, str]
) -> None:
    url, ca_file = https
    check_closed_streams(programs, mock_server, base_url=url, ca_file=ca_file)


def test_log_lines_do_not_arrive_in_a_name_lookup(programs: Programs, mock_server: MockServer) -> None:
    check_closed_streams(programs, mock_server, base_url=mock_server.url.replace("127.0.0.1", "localhost"))


def test_log_lines_do_not_arrive_in_the_files_of_a_store(
    programs: Programs, mock_server: MockServer, tmp_path: Path
) -> None:
    store = tmp_path / "store"
    check_closed_streams(programs, mock_server, store=f"file:{store}")
    files = [file.read_bytes() for file in store.iterdir()]
    assert files and not any(LOG_LINE in contents for contents in files)


def test_log_lines_do_not_arrive_in_redis(programs: Programs, mock_server: MockServer, redis: RedisServer) -> None:
    redis.run("FLUSHALL")
    check_closed_streams(programs, mock_server, store=redis.url)


def check_closed_streams(
    programs: Programs, mock_server: MockServer, *, store: str = "-", base_url: str = "", ca_file: str = ""
) -> None:
    output = programs.c("closed_streams", FETCHES, store, mock_server=mock_server, base_url=base_url, ca_file=ca_file)
    assert output.lines("failure") == []
    assert output.lines("get") == [["BANKHUB_OK"]] * FETCHES
    # Nothing was written anywhere; each attempt got "bad descriptor"; and the streams are as closed as before.
    assert output.lines("stream") == [[str(number), "0", "0", "1"] for number in range(3)]
    assert output.line("pipes") == ["0"]
