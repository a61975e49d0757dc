"""What timing analysis writes for people and scripts: ``pins.csv``, ``endpoints.csv``; nanoseconds, blank = none.

The header of ``pins.csv`` and the names of its rows are those of OpenSTA's dumps: no backslash stands before brackets
and dividers. The row of a bidirectional pin is its load half, as in the goldens; its slacks are the worst of its checks.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_checks import Check
from circuitgraph.analysis.sta_unconstrained import unconstrained
from circuitgraph.circuit import Circuit

FloatArray = npt.NDArray[np.float64]

PIN_COLUMNS = (
    "pin",
    "endpoint",
    "late_rise_arrival",
    "late_fall_arrival",
    "early_rise_arrival",
    "early_fall_arrival",
    "late_rise_slew",
    "late_fall_slew",
    "early_rise_slew",
    "early_fall_slew",
    "setup_slack",
    "hold_slack",
)
ENDPOINT_COLUMNS = ("endpoint", "check", "slack", "lower", "upper", "arrival", "required", "clock")


def place_names(circuit: Circuit) -> list[str]:
    """Names of all pins (``cell/pin``) and terminals, as OpenSTA prints them, [P + T]."""
    cells = [name.replace("\\", "") for name in circuit.cell_names.texts()]
    ports = [[port.name for port in cell_type.ports] for cell_type in circuit.types]
    kind = circuit.cell_type.tolist()
    found: list[str] = []
    for cell, name in enumerate(cells):
        found += [f"{name}/{port}" for port in ports[kind[cell]]]
    return found + [name.replace("\\", "") for name in circuit.port_names.texts()]


def connected_places(circuit: Circuit) -> npt.NDArray[np.int64]:
    """Pins and terminals that have a net, in the circuit's order."""
    return np.flatnonzero(np.concatenate([circuit.pin_net, circuit.port_net]) >= 0)


def nanoseconds(value: float) -> str:
    """A time in ns with six digits; blank where there is none.

    >>> nanoseconds(1.23456789e-9), nanoseconds(float("nan"))
    ('1.23457', '')
    """
    return "" if math.isnan(value) or math.isinf(value) else f"{value * 1e9:.6g}"


def pin_rows(timing: Timing) -> Iterator[list[str]]:
    """Rows of ``pins.csv``: one a connected pin and terminal, in the circuit's order."""
    prepared = timing.prepared
    names = place_names(prepared.circuit)
    setup, hold = timing.worst_slack(), timing.worst_slack(early=True)
    endpoint = prepared.is_endpoint[prepared.nodes.load_half]
    numbers = np.concatenate([timing.arrival, timing.slew, setup[:, None], hold[:, None]], axis=1)
    for place in connected_places(prepared.circuit).tolist():
        yield [names[place], str(int(endpoint[place])), *(nanoseconds(value) for value in numbers[place].tolist())]


def endpoint_rows(timing: Timing, bounds: tuple[FloatArray, FloatArray] | None = None) -> Iterator[list[str]]:
    """Rows of ``endpoints.csv``: the worst of each endpoint and check, worst slack first.

    Args:
        timing: a finished analysis.
        bounds: lower and upper bound of the slack, s, by row of ``timing.endpoints``; blank without.
    """
    prepared, rows = timing.prepared, timing.endpoints
    names = place_names(prepared.circuit)
    place = prepared.nodes.place[rows.node]
    planes = prepared.planes
    for row in np.argsort(rows.slack, kind="stable").tolist():
        plane = int(rows.clock_plane[row])
        clock = planes.clocks[planes.rows[plane].clock].name if plane >= 0 else ""
        lower, upper = (float(bound[row]) for bound in bounds) if bounds is not None else (math.nan, math.nan)
        times = (float(rows.slack[row]), lower, upper, float(rows.arrival[row]), float(rows.required[row]))
        yield [names[place[row]], Check(int(rows.kind[row])).label, *(nanoseconds(t) for t in times), clock]


def csv_text(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Rows as CSV text with Unix line ends; a field with a comma, a quote or a line end is quoted."""
    import csv

    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return file.getvalue()


def summary(timing: Timing) -> dict[str, Any]:
    """Numbers of ``summary.json`` that the analysis itself gives: ns, counts.

    The negative slacks are None where no endpoint is constrained, a worst slack where none is by its kind of check.
    """
    setup, hold = timing.worst_slack(), timing.worst_slack(early=True)
    ends = ~np.isnan(setup) | ~np.isnan(hold)
    is_constrained = bool(ends.any())
    violating = (np.nan_to_num(setup, nan=0.0) < 0) | (np.nan_to_num(hold, nan=0.0) < 0)
    return {
        "design": timing.prepared.circuit.name,
        "wns_ns": _rounded(timing.wns) if is_constrained else None,
        "tns_ns": _rounded(timing.tns) if is_constrained else None,
        "hold_wns_ns": _rounded(timing.hold_wns) if is_constrained else None,
        "worst_slack_ns": _rounded(_least(setup)),
        "hold_worst_slack_ns": _rounded(_least(hold)),
        "endpoints": int(ends.sum()),
        "violating": int(violating.sum()),
        "unconstrained": unconstrained(timing).counts(),
    }


def _least(slack: FloatArray) -> float:
    """The smallest slack that there is, NaN without any."""
    known = slack[~np.isnan(slack)]
    return float(known.min()) if len(known) else math.nan


def _rounded(value: float) -> float | None:
    """Seconds as ns with six decimals, None for NaN."""
    return None if math.isnan(value) else round(value * 1e9, 6)
