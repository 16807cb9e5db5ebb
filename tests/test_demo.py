"""Tests examples/run.py: the output that a demo program must have, and the mistakes that fail the demo."""

from __future__ import annotations

import importlib.util
import sys
from datetime import datetime, timezone
from pathlib import Path

import pytest

SPEC = importlib.util.spec_from_file_location("demo", Path(__file__).parent.parent / "examples/run.py")
assert SPEC and SPEC.loader
demo = importlib.util.module_from_spec(SPEC)
sys.modules["demo"] = demo
SPEC.loader.exec_module(demo)

STARTED = datetime(2026, 1, 1, tzinfo=timezone.utc)
GOOD = """token: 5e79…f164
expires: 2026-01-01 16:40:02 UTC
resource: 200
revoked: 401, then 200
threads: 1
"""


def test_correct_output_fills_every_cell() -> None:
    result = demo.judge(GOOD, STARTED, revoked=True)
    assert result.cells == ["5e79…f164", "2026-01-01 16:40:02 UTC", "200", "401, then 200", "1"]
    assert result.problems == []


def test_refuses_a_revocation_that_did_not_happen() -> None:
    without = GOOD.replace("revoked: 401, then 200\n", "").replace("16:40:02", "01:00:00")
    result = demo.judge(without, STARTED, revoked=False)
    assert result == (["5e79…f164", "2026-01-01 01:00:00 UTC", "200", "-", "1"], [])
    assert demo.judge(GOOD, STARTED, revoked=False).problems


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        (GOOD, ""),
        ("resource: 200\n", ""),
        ("threads: 1\n", "threads: 1\nthreads: 1\n"),
        ("resource: 200\nrevoked: 401, then 200\n", "revoked: 401, then 200\nresource: 200\n"),
        ("5e79…f164", "5e79079684d93027ed1d7e414b04543b1d6ef164"),
        ("resource: 200", "resource: 500"),
        ("401, then 200", "401, then 401"),
        ("threads: 1", "threads: 64"),
        ("16:40:02", "16:41:00"),
        ("2026-01-01 16", "2025-12-31 16"),
    ],
)
def test_reports_wrong_output(right: str, wrong: str) -> None:
    assert demo.judge(GOOD.replace(right, wrong), STARTED, revoked=True).problems


def test_does_not_show_a_whole_token() -> None:
    result = demo.judge(GOOD.replace("5e79…f164", "5e79079684d9f164"), STARTED, revoked=True)
    assert "5e79079684d9f164" not in str(result)


@pytest.mark.parametrize("name", demo.MOCK_SERVER_COUNTS)
def test_compares_the_counters_of_the_mock_server(name: str) -> None:
    assert demo.compare(demo.MOCK_SERVER_COUNTS) == []
    assert demo.compare({**demo.MOCK_SERVER_COUNTS, name: 64}) == [
        f"the mock server counted 64 as {name}, not {demo.MOCK_SERVER_COUNTS[name]}"
    ]


def test_last_line_counts_passed_failed_and_skipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "build/missing").write_text("go: too old\n")
    lasting = GOOD.replace("revoked: 401, then 200\n", "").replace("2026", "9999")
    good, bad = ([sys.executable, "-c", f"{verb}({lasting.strip()!r})"] for verb in ("print", "exit"))
    monkeypatch.setattr(demo, "ROOT", tmp_path)
    monkeypatch.setattr(demo, "DEMOS", [demo.Demo("C", good), demo.Demo("Rust", bad), demo.Demo("Go", good, ("go",))])
    assert demo.run_all(None) == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[-1] == "1 passed, 1 failed, 1 skipped"
    assert any("go: too old" in line for line in printed)
