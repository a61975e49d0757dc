"""The files of a timing prediction: pins.csv and endpoints.csv, with the stable names of the design's section 10."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_output import ENDPOINT_COLUMNS, PIN_COLUMNS, csv_text, endpoint_rows, pin_rows
from circuitgraph.files import write_atomic
from tasks.timing.confidence import Confidence

COLUMNS = (*ENDPOINT_COLUMNS, "probability")
"""Of endpoints.csv; ``probability`` is that the slack is negative, blank without a calibrated model."""


def write_tables(timing: Timing, folder: Path, confidence: Confidence | None = None) -> list[Path]:
    """Write both tables; returns their paths."""
    return [
        write_atomic(folder / "pins.csv", csv_text(PIN_COLUMNS, pin_rows(timing))),
        write_atomic(folder / "endpoints.csv", csv_text(COLUMNS, sure_rows(timing, confidence))),
    ]


def sure_rows(timing: Timing, confidence: Confidence | None) -> Iterator[list[str]]:
    """Rows of endpoints.csv, worst slack first, with bounds and probability where there are any."""
    bounds = (confidence.lower, confidence.upper) if confidence is not None else None
    order = np.argsort(timing.endpoints.slack, kind="stable")
    for row, cells in zip(order.tolist(), endpoint_rows(timing, bounds), strict=True):
        probability = float(confidence.probability[row]) if confidence is not None else math.nan
        yield [*cells, "" if math.isnan(probability) else f"{probability:.3f}"]
