"""The page of ``evaluate pretraining``: what each objective brings, probe by probe, and all scores."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tasks.report.page import Page
from tasks.report.plots import intervals


def write_pretraining_report(answer: Mapping[str, Any], path: Path) -> Path:
    """Gains over the untrained encoder with their intervals, one picture a probe, then the scores.

    Args:
        answer: of :func:`tasks.logic.pretraining_table.pretraining_table`.
        path: of the page.
    """
    page = Page(
        "Pretraining", "What frozen encoders know, on families that neither encoders nor probes were trained on"
    )
    least = min((str(each["labels"]) for each in answer["gains"]), key=float, default="")
    known = [each for each in answer["gains"] if each["gain"] is not None]
    for share in sorted({str(each["labels"]) for each in known}, key=float):
        page.heading(f"Gain over the untrained encoder of the same shape, {100 * float(share):g} % of the labels")
        if share == least:
            page.text("Mean over families, 95 % interval by bootstrap over families. Blue: above zero. Red: below.")
        figures = []
        for probe in dict.fromkeys(str(each["probe"]) for each in known):
            own = [each for each in known if each["probe"] == probe and str(each["labels"]) == share]
            rows = [(str(each["row"]), float(each["gain"]), float(each["low"]), float(each["high"])) for each in own]
            families = own[0]["families"] if own else 0
            figures.append((intervals(rows, "gain"), f"{probe}, {families} families"))
        page.figures(*figures)
    for share, rows in answer["rows"].items():
        page.heading(f"Scores at {100 * float(share):g} % of the labels")
        page.table(rows)
    return page.write(path)
