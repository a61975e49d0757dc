"""The page of a timing prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_output import ENDPOINT_COLUMNS, endpoint_rows
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
    warnings: Sequence[str] = (),
) -> Path:
    """Numbers, histogram of slack, scatter against a reference where there is one, worst paths.

    Args:
        lines: what matched and what is modelled; the first is shown as a warning when wires are guesses.
        paths: how many worst setup paths are printed, and as many hold paths where hold is violated, else one; 0 = none.
        reference: the same design under known wires, or None.
        warnings: lines that are not to be missed.
    """
    page = Page(
        f"Timing of {summary['design']}",
        f"{summary['source']}; wires: {summary['wires']}; delay model: {summary['delay_model']}",
    )
    setup, hold = 1e9 * timing.worst_slack(), 1e9 * timing.worst_slack(early=True)
    late, early = int((setup < 0).sum()), int((hold < 0).sum())
    negative = {"WNS, ns": summary["wns_ns"], "TNS, ns": summary["tns_ns"], "hold WNS, ns": summary["hold_wns_ns"]}
    tiles = {name: "none" if value is None else f"{value:.4f}" for name, value in negative.items()}
    tiles |= {"endpoints": f"{summary['endpoints']:,}"}
    tiles |= {"setup violating": f"{late:,}", "hold violating": f"{early:,}"}
    bad = [name for name, value in negative.items() if value is not None and value < 0]
    bad += [name for name, count in (("setup violating", late), ("hold violating", early)) if count]
    page.tiles(tiles, bad)
    for line in warnings:
        page.warning(line)
    page.heading("What went in")
    guessed = summary["wires"] != "spef"
    for row, line in enumerate(lines):
        page.warning(line) if guessed and row == 0 else page.text(line)
    page.heading("Slack")
    figures = [
        (histogram({"setup": setup, "hold": hold}, "slack, ns", zero_line=True), "Worst slack of every endpoint.")
    ]
    if reference is not None:
        truth = 1e9 * reference.worst_slack()
        figures.append((scatter(truth, {"setup": setup}, "reference slack, ns", "predicted slack, ns"), "Setup slack."))
    page.figures(*figures)
    for name, rows in worst_endpoints(timing).items():
        if rows:
            page.heading(f"Worst {name} endpoints")
            page.table(rows)
    for name, is_early, count in (("setup", False, paths), ("hold", True, paths if early else min(paths, 1))):
        found = worst_paths(timing, count, early=is_early)
        if found:
            page.heading(f"Worst {name} path{'s' if len(found) > 1 else ''}")
        for one in found:
            page.preformatted(report_path(timing, one))
    return page.write(path)


def worst_endpoints(timing: Timing, setup: int = 10, hold: int = 5) -> dict[str, list[dict[str, str]]]:
    """The worst rows of the endpoints' table: of setup and recovery, and of hold and removal."""
    found: dict[str, list[dict[str, str]]] = {"setup": [], "hold": []}
    wanted = {"setup": setup, "hold": hold}
    for row in endpoint_rows(timing):
        named = dict(zip(ENDPOINT_COLUMNS, row, strict=True))
        kind = "hold" if named["check"] in {"hold", "removal"} else "setup"
        if len(found[kind]) < wanted[kind]:
            found[kind].append(
                {"endpoint": named["endpoint"], "check": named["check"]}
                | {f"{name} ns": _decimals(named[name]) for name in ("slack", "arrival", "required")}
                | {"clock": named["clock"]}
            )
        if all(len(found[name]) == count for name, count in wanted.items()):
            break
    return found


def _decimals(text: str) -> str:
    """A number of the tables with the four decimals of the tiles; blank stays blank."""
    return f"{float(text):.4f}" if text else ""


def slack_scatter(truth: Timing, series: Mapping[str, Timing]) -> str:
    """Predicted setup slack of several analyses against the one with known wires, ns."""
    return scatter(
        1e9 * truth.worst_slack(),
        {name: np.asarray(1e9 * timing.worst_slack()) for name, timing in series.items()},
        "setup slack with the true wires, ns",
        "predicted setup slack, ns",
    )
