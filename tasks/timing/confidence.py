"""How sure a predicted slack is: calibrated intervals and the probability that an endpoint violates.

An endpoint's error grows with what wires do to it, so errors are standardised by

    scale = period / 1000 + |slack without wires - predicted slack|

and calibrated on designs that the model did not see (:mod:`tasks.intervals`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.wires import zero_wires
from tasks.intervals import Conformal, LocalConformal
from tasks.timing.inputs import PinTimes, TimingInputs

FloatArray = npt.NDArray[np.float64]

LEVEL = 0.9
"""Coverage of the intervals that are written."""

KINDS = ("setup", "hold")


@dataclass(frozen=True, eq=False)
class Confidence:
    """Bounds of the rows of ``timing.endpoints``; R rows.

    | field | type, shape | meaning |
    |---|---|---|
    | level | float | nominal coverage |
    | lower, upper | float64 [R] | s |
    | probability | float64 [R] | that the row's slack is negative |
    """

    level: float
    lower: FloatArray
    upper: FloatArray
    probability: FloatArray


def slack_scales(inputs: TimingInputs, slacks: Mapping[str, FloatArray]) -> dict[str, FloatArray]:
    """The scale of the errors of each place, s, float64 [P + T] by kind; NaN where there is no slack.

    Args:
        slacks: predicted slack by kind, "setup" and "hold", float64 [P + T].
    """
    if "zero wire slacks" not in inputs.view_cache:
        bare = inputs.analyse(zero_wires(inputs.circuit), "lumped_cap", default_wire_load=False)
        inputs.view_cache["zero wire slacks"] = {"setup": bare.worst_slack(), "hold": bare.worst_slack(early=True)}
    without: Mapping[str, FloatArray] = inputs.view_cache["zero wire slacks"]
    least = 1e-3 * np.nan_to_num(inputs.period, nan=0.0)
    return {kind: least + np.abs(without[kind] - slacks[kind]) for kind in KINDS}


def standardised(inputs: TimingInputs, truth: PinTimes, timing: Timing) -> dict[str, FloatArray]:
    """Signed errors over their scales of one design, by kind; rows without a slack are left out."""
    slacks = {"setup": timing.worst_slack(), "hold": timing.worst_slack(early=True)}
    scales = slack_scales(inputs, slacks)
    found = {}
    for kind, true in (("setup", truth.setup_slack), ("hold", truth.hold_slack)):
        error = (true - slacks[kind]) / scales[kind]
        found[kind] = error[np.isfinite(error)]
    return found


def confidence_of(
    intervals: Mapping[str, Conformal], inputs: TimingInputs, timing: Timing, level: float = LEVEL
) -> Confidence:
    """Bounds of every row of an analysis.

    Args:
        intervals: the calibrated distributions by kind.
    """
    slacks = {"setup": timing.worst_slack(), "hold": timing.worst_slack(early=True)}
    scales = slack_scales(inputs, slacks)
    rows = timing.endpoints
    place = inputs.prepared.nodes.place[rows.node]
    is_hold = (rows.kind & 1).astype(np.bool_)
    lower, upper, probability = (np.full(len(place), np.nan) for _ in range(3))
    for kind, own in (("setup", ~is_hold), ("hold", is_hold)):
        scale = scales[kind][place[own]]
        lower[own], upper[own] = intervals[kind].interval(rows.slack[own], scale, level)
        probability[own] = intervals[kind].probability_below(rows.slack[own], scale)
    return Confidence(level, lower, upper, probability)


def intervals_from(state: Any, place: str) -> dict[str, LocalConformal]:
    """The distributions of a checkpoint's JSON, {} where it holds none.

    Raises:
        CircuitError: they are damaged.
    """
    if not isinstance(state, dict) or not state:
        return {}
    return {kind: LocalConformal.from_state(state.get(kind), place) for kind in KINDS}
