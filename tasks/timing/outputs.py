"""The files of a timing prediction: pins.csv, endpoints.csv, required.csv, with the names of the design's section 10."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_output import (
    ENDPOINT_COLUMNS,
    PIN_COLUMNS,
    connected_places,
    csv_text,
    endpoint_rows,
    nanoseconds,
    pin_rows,
    place_names,
)
from circuitgraph.analysis.sta_required import Required, requireds
from circuitgraph.files import write_atomic
from tasks.timing.confidence import Confidence

FloatArray = npt.NDArray[np.float64]

REQUIRED_COLUMNS = (
    *("pin", "late_rise_required", "late_fall_required", "early_rise_required", "early_fall_required"),
    *("setup_slack", "hold_slack"),
)
"""Of required.csv: every connected pin and port, not endpoints alone; ns, blank where nothing behind it is checked."""

COLUMNS = (*ENDPOINT_COLUMNS, "probability")
"""Of endpoints.csv; ``probability`` is that the slack is negative, blank without a calibrated model."""


def write_tables(
    timing: Timing, folder: Path, confidence: Confidence | None = None, required: Required | None = None
) -> list[Path]:
    """Write all tables; returns their paths.

    Args:
        required: required times where they are known already.
    """
    return [
        write_atomic(folder / "pins.csv", csv_text(PIN_COLUMNS, pin_rows(timing))),
        write_atomic(folder / "endpoints.csv", csv_text(COLUMNS, sure_rows(timing, confidence))),
        write_atomic(
            folder / "required.csv", csv_text(REQUIRED_COLUMNS, required_rows(timing, required or requireds(timing)))
        ),
    ]


def required_rows(timing: Timing, found: Required) -> Iterator[list[str]]:
    """Rows of required.csv, in the order of pins.csv."""
    circuit = timing.prepared.circuit
    names = place_names(circuit)
    times = [found.times(), found.times(early=True)]
    slacks = [_least(found.slacks()), _least(found.slacks(early=True))]
    numbers = np.concatenate([*times, *(column[:, None] for column in slacks)], axis=1)
    for place in connected_places(circuit).tolist():
        yield [names[place], *(nanoseconds(value) for value in numbers[place].tolist())]


def pin_slack(found: Required) -> FloatArray:
    """Setup slack of every place, the worse of both edges, s, float64 [P + T]; NaN where nothing behind it is checked."""
    return _least(found.slacks())


def _least(slacks: FloatArray) -> FloatArray:
    """The smaller of two columns; the one that there is where the other is NaN."""
    return np.fmin(slacks[:, 0], slacks[:, 1])


def sure_rows(timing: Timing, confidence: Confidence | None) -> Iterator[list[str]]:
    """Rows of endpoints.csv, worst slack first, with bounds and probability where there are any."""
    bounds = (confidence.lower, confidence.upper) if confidence is not None else None
    order = np.argsort(timing.endpoints.slack, kind="stable")
    for row, cells in zip(order.tolist(), endpoint_rows(timing, bounds), strict=True):
        probability = float(confidence.probability[row]) if confidence is not None else math.nan
        yield [*cells, "" if math.isnan(probability) else f"{probability:.3f}"]
