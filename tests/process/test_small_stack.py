"""The stack that a calling thread needs, as the header promises."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.languages import HEADER
from support.mock_server import MockServer
from support.redis_server import RedisServer

from .programs import Programs

STACK_BYTES = 32 * 1024
FUNCTIONS = ["new", "wrong", "fetch", "stats", "get", "generation", "invalidate", "free", "fail", "wipe"]


@pytest.mark.parametrize("store", ["file", "redis"])
def test_every_function_needs_little_stack(
    programs: Programs,
    mock_server: MockServer,
    https: tuple[str, str],
    redis: RedisServer,
    tmp_path: Path,
    store: str,
) -> None:
    url, ca_file = https
    where = {"file": f"file:{tmp_path / 'store'}", "redis": redis.url}[store]
    output = programs.c("small_stack", STACK_BYTES, where, mock_server=mock_server, base_url=url, ca_file=ca_file)
    assert output.lines("failure") == []
    assert output.lines("done") == [[name] for name in FUNCTIONS]


def test_header_says_how_much() -> None:
    [promised] = re.findall(r"A thread that calls needs (\d+) KiB of stack", HEADER.read_text())
    assert int(promised) * 1024 == STACK_BYTES
