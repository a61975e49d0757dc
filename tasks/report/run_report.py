"""The page of a training run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks.report.page import Page
from tasks.report.plots import bars, curves


def write_run_report(
    run: Any, title: str, rows: Sequence[Mapping[str, Any]], extra: Sequence[tuple[str, str]] = ()
) -> Path:
    """Table, training curves, versions and seed of a run.

    Args:
        run: :class:`encoders.run.Run` with its rows of metrics.
        rows: table of the result; the last rows are learned ones.
        extra: more figures as (svg, caption).
    """
    about = run.read()
    page = Page(
        title, f"Run {run.folder.name}, seed {about.get('seed')}, {about.get('seconds', {}).get('wall', 0):.0f} s"
    )
    learned = [str(row["row"]) for row in rows if row.get("learned")]
    shown = [{key: value for key, value in row.items() if key != "learned"} for row in rows]
    if shown:
        page.heading("Result, on families that training never saw")
        page.table(shown, learned)
        column = next((name for name in shown[0] if name != "row"), None)
        if column:
            values = {str(row["row"]): float(row[column]) for row in shown}
            page.figures((bars(values, column, learned), "Baselines in grey, learned in blue."))
    page.heading("Training")
    page.figures(*training_figures(run.rows), *extra)
    page.heading("What was run")
    versions = about.get("versions", {})
    page.table([{"what": name, "version": version} for name, version in versions.items()])
    page.preformatted((run.folder / "recipe.toml").read_text())
    return page.write(run.folder / "report.html")


def training_figures(rows: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Curves of the logged values: losses, then accuracies and errors."""
    names = list(dict.fromkeys(name for row in rows for name in row if name not in {"step", "epoch"}))
    groups: dict[str, list[str]] = {"loss": [], "other": []}
    for name in names:
        groups["loss" if "loss" in name else "other"].append(name)
    found = []
    for group, members in groups.items():
        series = {}
        for name in members:
            points = [(row["step"], row[name]) for row in rows if name in row]
            series[name] = ([p[0] for p in points], [p[1] for p in points])
        if series:
            caption = "Losses by step." if group == "loss" else "Measures by step; validation families are unseen."
            found.append((curves(series, "step", "loss" if group == "loss" else "value"), caption))
    return found
