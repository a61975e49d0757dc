"""Plots as inline SVG: matplotlib through its object interface, reproducible bytes."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import one_line

COLOURS = ("#2f6db3", "#c4572b", "#3a8a5f", "#7a5aa6", "#8a8f98")
RASTER_FROM = 1500
"""Points from which a scatter is rasterised."""


def _writable_settings() -> None:
    """Give matplotlib a folder of its own where the home folder cannot be written; it would warn otherwise."""
    if "MPLCONFIGDIR" not in os.environ and not os.access(Path("~").expanduser(), os.W_OK):
        os.environ["MPLCONFIGDIR"] = tempfile.mkdtemp(prefix="circuitgraph-matplotlib-")


def _figure(width: float = 5.2, height: float = 3.4) -> tuple[Any, Any]:
    _writable_settings()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import matplotlib as mpl
        from matplotlib.figure import Figure

    mpl.rcParams["svg.fonttype"] = "none"
    mpl.rcParams["svg.hashsalt"] = "circuitgraph"
    mpl.rcParams["text.parse_math"] = False  # names of nets and cells hold dollar signs
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.grid(True, color="#e6e9ee", linewidth=0.7)
    axes.set_axisbelow(True)
    return figure, axes


def _svg(figure: Any) -> str:
    from matplotlib.backends.backend_svg import FigureCanvasSVG

    text = io.StringIO()
    FigureCanvasSVG(figure).print_svg(text, metadata={"Date": None, "Creator": None})
    found = text.getvalue()
    return found[found.index("<svg") :]


def _short(name: str) -> str:
    """A name as it fits beside an axis."""
    return one_line(name, 40)


def curves(series: Mapping[str, tuple[Sequence[float], Sequence[float]]], x: str, y: str, log: bool = False) -> str:
    """Lines by name: (x, y) each."""
    if not any(len(points[0]) for points in series.values()):
        return ""
    figure, axes = _figure()
    for (name, (across, up)), colour in zip(series.items(), COLOURS * 3, strict=False):
        axes.plot(across, up, color=colour, linewidth=1.6, label=_short(name))
    axes.set(xlabel=_short(x), ylabel=_short(y))
    if log:
        axes.set_yscale("log")
    if len(series) > 1:
        axes.legend(frameon=False, fontsize=9)
    return _svg(figure)


def scatter(truth: npt.ArrayLike, series: Mapping[str, npt.ArrayLike], x: str, y: str) -> str:
    """Predictions against a truth, with the diagonal."""
    across = np.asarray(truth, np.float64)
    figure, axes = _figure(4.6, 4.0)
    kept = [across[np.isfinite(across)]]
    for (name, values), colour in zip(series.items(), COLOURS * 3, strict=False):
        up = np.asarray(values, np.float64)
        keep = np.isfinite(across) & np.isfinite(up)
        kept.append(up[keep])
        many = int(keep.sum()) > RASTER_FROM
        axes.scatter(
            across[keep], up[keep], s=9, alpha=0.5, color=colour, label=_short(name), linewidths=0, rasterized=many
        )
    flat = np.concatenate(kept)
    if len(flat):
        ends = [float(flat.min()), float(flat.max())]
        axes.plot(ends, ends, color="#8a8f98", linewidth=1, linestyle="--")
    axes.set(xlabel=_short(x), ylabel=_short(y))
    axes.legend(frameon=False, fontsize=9)
    return _svg(figure)


def histogram(series: Mapping[str, npt.ArrayLike], x: str, zero_line: bool = False) -> str:
    """Counts over common bins."""
    clean = {name: np.asarray(values, np.float64) for name, values in series.items()}
    clean = {name: values[np.isfinite(values)] for name, values in clean.items()}
    flat = np.concatenate(list(clean.values())) if clean else np.zeros(0)
    if not len(flat):
        return ""
    figure, axes = _figure()
    edges = np.histogram_bin_edges(flat, bins=40)
    for (name, values), colour in zip(clean.items(), COLOURS * 3, strict=False):
        axes.hist(values, bins=edges, color=colour, alpha=0.55, label=_short(name))
    if zero_line and edges[0] < 0 < edges[-1]:
        axes.axvline(0.0, color="#b3261e", linewidth=1.2)
    axes.set(xlabel=_short(x), ylabel="endpoints")
    if len(clean) > 1:
        axes.legend(frameon=False, fontsize=9)
    return _svg(figure)


def bars(values: Mapping[str, float], y: str, ours: Sequence[str] = ()) -> str:
    """One bar a row of a table."""
    figure, axes = _figure(5.2, 2.6)
    names = list(values)
    colours = [COLOURS[0] if name in ours else "#b9c2cd" for name in names]
    axes.barh(range(len(names)), [values[name] for name in names[::-1]], color=colours[::-1])
    axes.set_yticks(range(len(names)), [_short(name) for name in names[::-1]])
    axes.set(xlabel=_short(y))
    for row, name in enumerate(names[::-1]):
        if not np.isfinite(values[name]):
            continue
        axes.annotate(f" {values[name]:.1f}", (values[name], row), va="center", fontsize=9)
    return _svg(figure)


def intervals(rows: Sequence[tuple[str, float, float, float]], label: str) -> str:
    """Values with their intervals below each other, zero marked; blue where an interval lies above it, red below.

    Args:
        rows: (name, value, low, high), the first on top.
        label: of the axis.
    """
    if not rows:
        return ""
    figure, axes = _figure(height=0.8 + 0.26 * len(rows))
    for place, (_, value, low, high) in enumerate(rows):
        colour = COLOURS[0] if low > 0 else COLOURS[1] if high < 0 else COLOURS[4]
        axes.plot([low, high], [place, place], color=colour, linewidth=2)
        axes.plot([value], [place], "o", color=colour, markersize=4.5)
    axes.axvline(0, color="#1c2430", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [_short(name) for name, *_ in rows])
    axes.invert_yaxis()
    axes.locator_params(axis="x", nbins=5)
    axes.set_xlabel(label)
    return _svg(figure)


def floor_map(
    x: npt.ArrayLike, y: npt.ArrayLike, values: npt.ArrayLike, die: tuple[float, float, float, float], label: str
) -> str:
    """The lowest value in each cell of a grid over a die; red below zero, blue above, white where nothing stands.

    Args:
        x: um.
        y: um.
        values: of each point; NaN is left out.
        die: left, low, right, top, um.
        label: of the colour bar.
    """
    across, up, value = (np.asarray(column, np.float64) for column in (x, y, values))
    kept = np.isfinite(across) & np.isfinite(up) & np.isfinite(value)
    width, height = die[2] - die[0], die[3] - die[1]
    if not kept.any() or not width > 0 or not height > 0:
        return ""
    side = max(width, height) / 48
    columns, rows = max(1, round(width / side)), max(1, round(height / side))
    column = np.clip(((across[kept] - die[0]) / width * columns).astype(int), 0, columns - 1)
    row = np.clip(((up[kept] - die[1]) / height * rows).astype(int), 0, rows - 1)
    grid = np.full(rows * columns, np.inf)
    np.minimum.at(grid, row * columns + column, value[kept])
    grid[np.isinf(grid)] = np.nan
    figure, axes = _figure(5.0, float(np.clip(4.2 * height / width, 2.0, 5.0)))
    top = float(np.nanmax(np.abs(grid))) or 1.0
    image = axes.imshow(
        grid.reshape(rows, columns),
        origin="lower",
        extent=(die[0], die[2], die[1], die[3]),
        cmap="RdBu",
        vmin=-top,
        vmax=top,
        aspect="auto" if max(width, height) > 4 * min(width, height) else "equal",
        interpolation="nearest",
    )
    axes.grid(False)
    axes.set(xlabel="x, um", ylabel="y, um")
    figure.colorbar(image, ax=axes, label=label, shrink=0.9)
    return _svg(figure)
