"""The page of a timing prediction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_paths import worst_paths
from circuitgraph.analysis.sta_report import report_path
from circuitgraph.analysis.sta_required import Required
from tasks.report.page import Page
from tasks.report.plots import floor_map, histogram, scatter
from tasks.timing.confidence import Confidence
from tasks.timing.inputs import PinTimes
from tasks.timing.outputs import COLUMNS, pin_slack, sure_rows


def timing_page(
    inputs: Any,
    timing: Timing,
    summary: Mapping[str, Any],
    lines: Sequence[str],
    path: Path,
    paths: int,
    reference: PinTimes | None = None,
    warnings: Sequence[str] = (),
    confidence: Confidence | None = None,
    before: Timing | None = None,
    required: Required | None = None,
) -> Path:
    """Numbers, histogram and map of slack, scatter against a reference where there is one, worst paths.

    Args:
        lines: what matched and what is modelled; the first is shown as a warning when wires are guesses.
        paths: how many worst setup paths are printed, and as many hold paths where hold is violated, else one; 0 = none.
        reference: times of the same design under known wires, or None.
        warnings: lines that are not to be missed.
        confidence: intervals and probabilities of the endpoints, or None.
        before: the analysis that a learned model started from, or None.
        required: required times of every pin, for the map of a placed design; None = no map.
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
    if confidence is not None:
        tiles["violations to be expected (setup)"] = f"{summary['expected_setup_violations']:.1f}"
    page.tiles(tiles, bad)
    for line in warnings:
        page.warning(line)
    page.heading("What went in")
    guessed = summary["wires"] != "spef"
    for row, line in enumerate(lines):
        loud = (guessed and row == 0) or line.startswith("outside of what the model")
        page.warning(line) if loud else page.text(line)
    if confidence is not None:
        page.text(
            f"Intervals cover {confidence.level:.0%} of the endpoints of designs like those of training, whose errors "
            "calibrated them; the probability is that an endpoint's slack is negative."
        )
    page.heading("Slack")
    figures = [
        (histogram({"setup": setup, "hold": hold}, "slack, ns", zero_line=True), "Worst slack of every endpoint.")
    ]
    if reference is not None:
        truth = 1e9 * reference.setup_slack
        figures.append(
            (
                scatter(truth, {"setup": setup}, "reference slack, ns", "predicted slack, ns"),
                "Setup slack against the reference.",
            )
        )
    if before is not None:
        analytic = 1e9 * before.worst_slack()
        figures.append(
            (
                scatter(analytic, {"setup": setup}, "analytic slack, ns", "learned slack, ns"),
                "Setup slack: what the model changed against the wires that it started from.",
            )
        )
    if inputs.layout is not None and required is not None:
        figures.append((slack_map(inputs, required), "Worst setup slack of what stands in each part of the die."))
    page.figures(*figures)
    for name, rows in worst_endpoints(timing, confidence=confidence).items():
        if rows:
            page.heading(f"Worst {name} endpoints")
            page.table(rows)
    for name, is_early, count in (("setup", False, paths), ("hold", True, paths if early else min(paths, 1))):
        found = worst_paths(timing, count, early=is_early)
        if found:
            page.heading(f"Worst {name} path{'s' if len(found) > 1 else ''}")
        for one in found:
            for line in path_notes(timing, one, confidence, before):
                page.text(line)
            page.preformatted(report_path(timing, one))
    return page.write(path)


def slack_map(inputs: Any, required: Required) -> str:
    """Setup slack of the pins where they stand."""
    layout = inputs.layout
    x, y = np.concatenate([layout.pin_x, layout.port_x]), np.concatenate([layout.pin_y, layout.port_y])
    die = tuple(1e6 * side for side in layout.die)
    return floor_map(1e6 * x, 1e6 * y, 1e9 * pin_slack(required), die, "setup slack, ns")


def path_notes(timing: Timing, path: Any, confidence: Confidence | None, before: Timing | None) -> list[str]:
    """How sure the slack of a path is, and what the model changed in it."""
    found = []
    if confidence is not None:
        low, high, chance = (
            float(column[path.row]) for column in (confidence.lower, confidence.upper, confidence.probability)
        )
        found.append(
            f"Slack {1e9 * path.slack:.4f} ns; {confidence.level:.0%} interval {1e9 * low:.4f} to {1e9 * high:.4f} ns; "
            f"it violates with probability {chance:.2f}."
        )
    if before is not None:
        node = int(timing.endpoints.node[path.row])
        own = (before.endpoints.node == node) & (before.endpoints.kind == timing.endpoints.kind[path.row])
        if own.any():
            analytic = float(before.endpoints.slack[own].min())
            found.append(
                f"Analytic slack {1e9 * analytic:.4f} ns; the model changed it by {1e9 * (path.slack - analytic):+.4f} ns."
            )
    return found


def worst_endpoints(
    timing: Timing, setup: int = 10, hold: int = 5, confidence: Confidence | None = None
) -> dict[str, list[dict[str, str]]]:
    """The worst rows of the endpoints' table: of setup and recovery, and of hold and removal."""
    found: dict[str, list[dict[str, str]]] = {"setup": [], "hold": []}
    wanted = {"setup": setup, "hold": hold}
    shown = ("slack", "arrival", "required")
    if confidence is not None:
        shown = ("slack", "lower", "upper", "arrival", "required")
    for row in sure_rows(timing, confidence):
        named = dict(zip(COLUMNS, row, strict=True))
        kind = "hold" if named["check"] in {"hold", "removal"} else "setup"
        if len(found[kind]) < wanted[kind]:
            found[kind].append(
                {"endpoint": named["endpoint"], "check": named["check"]}
                | {f"{name} ns": _decimals(named[name]) for name in shown}
                | ({"violates": named["probability"]} if confidence is not None else {})
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
