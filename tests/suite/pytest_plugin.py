"""Reports to pytest as skipped what its JUnit XML would leave out or call passed.

A test that was deselected is absent there. A test that is expected to fail proves nothing, even if it passes.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest


def pytest_deselected(items: Sequence[pytest.Item]) -> None:
    """Reports each of them."""
    for item in items:
        report = pytest.TestReport(
            nodeid=item.nodeid,
            location=item.location,
            keywords={},
            outcome="skipped",
            longrepr=(str(item.path), item.location[1] or 0, "deselected"),
            when="setup",
        )
        item.ihook.pytest_runtest_logreport(report=report)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Changes the report before others see it."""
    if report.passed and hasattr(report, "wasxfail"):
        report.outcome = "skipped"
