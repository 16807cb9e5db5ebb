"""Runs the examples of the README as a reader would."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.mock_server import MockServer

README = Path(__file__).parents[1] / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)


def test_has_three_examples() -> None:
    assert len(EXAMPLES) == 3


@pytest.mark.parametrize("example", EXAMPLES)
def test_runs_example(
    example: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], mock_server: MockServer
) -> None:
    monkeypatch.setenv("BANKHUB_CLIENT_ID", mock_server.client_id)
    monkeypatch.setenv("BANKHUB_CLIENT_SECRET", mock_server.client_secret)
    monkeypatch.setenv("BANKHUB_BASE_URL", mock_server.url)
    exec(example, {})
    assert capsys.readouterr().out == "200\n"
