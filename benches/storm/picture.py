"""Draws a call's time over the seconds around a renewal, a panel for each library."""

from __future__ import annotations

import time
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from libraries import COLUMNS, Library
from stage import LEAD_S, Call, Plan, Stage
from support.mock_server import MockServer

PLAN = Plan.turns(8, period_ms=5, seconds=6)
AROUND_S = 2
"""So much before the renewal, and as much after it; the token falls due in the middle of the plan."""

BIN_S = 0.02
"""Of all calls in such a time, the worst is drawn."""

OURS, PEERS, TEXT = "#3b82f6", "#e0781f", "#808890"
"""Colours that can be told from white as well as from black."""


def draw(file: Path, mock_server: MockServer) -> None:
    """Measures, and writes the SVG."""
    style = {"svg.hashsalt": "storm", "svg.fonttype": "none", "text.color": TEXT, "axes.edgecolor": TEXT}
    axes_style = {"axes.labelcolor": TEXT, "xtick.color": TEXT, "ytick.color": TEXT, "font.size": 9}
    with matplotlib.rc_context({**style, **axes_style}):
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        panels = figure.subplots(2, len(COLUMNS) // 2, sharex=True, sharey=True)
        for library, panel in zip(COLUMNS, panels.flat):
            draw_panel(panel, library, mock_server)
        figure.supxlabel("seconds since the renewal's request", color=TEXT)
        figure.supylabel(f"worst call in {BIN_S * 1e3:g} ms, in ms", color=TEXT)
        figure.savefig(file, transparent=True, metadata={"Date": None})


def draw_panel(panel: Axes, library: Library, mock_server: MockServer) -> None:
    panel.semilogy(
        *zip(*worst_of_bins(*renewal(library, mock_server))), color=OURS if library.ours else PEERS, linewidth=0.8
    )
    panel.set(title=library.name, xlim=(-AROUND_S, AROUND_S), ylim=(1e-4, 1e3))
    panel.yaxis.set_major_formatter("{x:g}")
    panel.minorticks_off()
    panel.grid(color=TEXT, alpha=0.25)


def renewal(library: Library, mock_server: MockServer) -> tuple[float, list[Call]]:
    """How long after the start its request reached the endpoint, and the calls."""
    with Stage(library, mock_server) as stage:
        stage.first_token(library.soon_due.ttl)
        stage.begin(PLAN)
        start = time.monotonic() + LEAD_S
        before = stage.mock_server.token_requests()
        while stage.mock_server.token_requests() == before:
            assert time.monotonic() < start + PLAN.seconds, f"{library.name} renewed nothing"
            time.sleep(0.01)
        return time.monotonic() - start, [call for calls in stage.end(PLAN) for call in calls]


def worst_of_bins(renewed_s: float, calls: list[Call]) -> list[tuple[float, float]]:
    """Seconds since the renewal, and milliseconds."""
    worst: dict[int, float] = {}
    for call in calls:
        number = round((call.due_ms / 1e3 - renewed_s) / BIN_S)
        if abs(number) * BIN_S <= AROUND_S:
            worst[number] = max(call.took_ms, worst.get(number, 0))
    return [(number * BIN_S, took_ms) for number, took_ms in sorted(worst.items())]
