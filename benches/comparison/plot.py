"""Plots a call's time over the seconds around a refresh, a panel for each library."""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness import LEAD_S, Call, Harness, Plan
from libraries import COLUMNS, Library
from support.mock_server import MockServer

PLAN = Plan.staggered(8, period_ms=5, seconds=6)
AROUND_S = 2
"""Shown before the refresh, and after it; the token falls due in the middle of the plan."""

BIN_S = 0.02
"""The worst call in each of these is drawn."""

OURS, PEERS, TEXT = "#3b82f6", "#e0781f", "#808890"
"""Colours that stand out from white and from black."""


def draw(file: Path, mock_server: MockServer) -> None:
    """Measures, and writes the SVG."""
    style = {"svg.hashsalt": "bankhub", "svg.fonttype": "none", "text.color": TEXT, "axes.edgecolor": TEXT}
    axes_style = {"axes.labelcolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT, "font.size": 9}
    with matplotlib.rc_context({**style, **axes_style}):
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        panels = figure.subplots(2, len(COLUMNS) // 2, sharex=True, sharey=True)
        for library, panel in zip(COLUMNS, panels.flat):
            draw_panel(panel, library, mock_server)
        figure.supxlabel("seconds since the refresh request", color=TEXT)
        figure.supylabel(f"worst call in {BIN_S * 1e3:g} ms, in ms", color=TEXT)
        figure.savefig(file, transparent=True, metadata={"Date": None})


def draw_panel(panel: Axes, library: Library, mock_server: MockServer) -> None:
    panel.semilogy(
        *zip(*worst_of_bins(*refresh(library, mock_server))), color=OURS if library.ours else PEERS, linewidth=0.8
    )
    panel.set(title=library.name, xlim=(-AROUND_S, AROUND_S), ylim=(1e-4, 1e3))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.minorticks_off()
    panel.grid(color=TEXT, alpha=0.25)


def refresh(library: Library, mock_server: MockServer) -> tuple[float, list[Call]]:
    """How long after the start its request reached the endpoint, and the calls."""
    with Harness(library, mock_server) as harness:
        harness.first_token(library.soon_due.ttl)
        harness.begin(PLAN)
        start = time.monotonic() + LEAD_S
        before = harness.mock_server.token_requests()
        while harness.mock_server.token_requests() == before:
            assert time.monotonic() < start + PLAN.seconds, f"{library.name} refreshed nothing"
            time.sleep(0.01)
        return time.monotonic() - start, [call for calls in harness.end(PLAN) for call in calls]


def worst_of_bins(refreshed_s: float, calls: list[Call]) -> list[tuple[float, float]]:
    """Seconds since the refresh, and milliseconds."""
    worst: dict[int, float] = {}
    for call in calls:
        number = round((call.due_ms / 1e3 - refreshed_s) / BIN_S)
        if abs(number) * BIN_S <= AROUND_S:
            worst[number] = max(call.took_ms, worst.get(number, 0))
    return [(number * BIN_S, took_ms) for number, took_ms in sorted(worst.items())]
