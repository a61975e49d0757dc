"""The page of a timing prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_paths import worst_paths
from circuitgraph.analysis.sta_report import report_path
from tasks.report.page import Page
from tasks.report.plots import histogram, scatter


def timing_page(
    inputs: Any,
    timing: Timing,
    summary: Mapping[str, Any],
    lines: Sequence[str],
    path: Path,
    paths: int,
    reference: Timing | None = None,
) -> Path:
    """Numbers, histogram of slack, scatter against a reference where there is one, worst paths.

    Args:
        lines: what matched and what is modelled; the first is shown as a warning when wires are guesses.
        paths: how many worst paths are printed.
        reference: the same design under known wires, or None.
    """
    page = Page(
        f"Timing of {summary['design']}",
        f"{summary['source']}; wires: {summary['wires']}; delay model: {summary['delay_model']}",
    )
    tiles = {
        "WNS, ns": f"{summary['wns_ns']:.4f}",
        "TNS, ns": f"{summary['tns_ns']:.4f}",
        "hold WNS, ns": f"{summary['hold_wns_ns']:.4f}",
        "endpoints": f"{summary['endpoints']:,}",
        "violating": f"{summary['violating']:,}",
    }
    bad = [name for name, key in (("WNS, ns", "wns_ns"), ("hold WNS, ns", "hold_wns_ns")) if summary[key] < 0]
    page.tiles(tiles, bad)
    page.heading("What went in")
    guessed = summary["wires"] != "spef"
    for row, line in enumerate(lines):
        page.warning(line) if guessed and row == 0 else page.text(line)
    page.heading("Slack")
    setup, hold = 1e9 * timing.worst_slack(), 1e9 * timing.worst_slack(early=True)
    figures = [
        (histogram({"setup": setup, "hold": hold}, "slack, ns", zero_line=True), "Worst slack of every endpoint.")
    ]
    if reference is not None:
        truth = 1e9 * reference.worst_slack()
        figures.append((scatter(truth, {"setup": setup}, "reference slack, ns", "predicted slack, ns"), "Setup slack."))
    page.figures(*figures)
    page.table(_worst_endpoints(inputs, timing))
    if paths > 0:
        page.heading("Worst setup paths")
        for one in worst_paths(timing, paths):
            page.preformatted(report_path(timing, one))
        early = worst_paths(timing, 1, early=True)
        if early:
            page.heading("Worst hold path")
            page.preformatted(report_path(timing, early[0]))
    return page.write(path)


def _worst_endpoints(inputs: Any, timing: Timing, count: int = 10) -> list[dict[str, Any]]:
    """The worst rows of the endpoints' table."""
    from circuitgraph.analysis.sta_output import ENDPOINT_COLUMNS, endpoint_rows

    rows = []
    for row in endpoint_rows(timing):
        named = dict(zip(ENDPOINT_COLUMNS, row, strict=True))
        rows.append({key: value for key, value in named.items() if key not in {"lower", "upper"}})
        if len(rows) == count:
            break
    return rows


def slack_scatter(truth: Timing, series: Mapping[str, Timing]) -> str:
    """Predicted setup slack of several analyses against the one with known wires, ns."""
    return scatter(
        1e9 * truth.worst_slack(),
        {name: np.asarray(1e9 * timing.worst_slack()) for name, timing in series.items()},
        "setup slack with the true wires, ns",
        "predicted setup slack, ns",
    )
