"""The honest table of timing: every measure per design, then mean, median and worst over designs; never pooled.

The truth is the golden of another program where a design comes with one, else our engine over the true parasitics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tasks.metrics import bias, kendall_tau, mae, percentile_error, r2, recall_of_worst, violating_f1
from tasks.task import Example, Prediction
from tasks.timing.inputs import TimingInputs, TimingLabels

FloatArray = npt.NDArray[np.float64]

LONG_WIRES = ("christmas_tree", "gf_user_proj", "yifive_wb_interconnect")
"""Designs whose slack is mostly wires; the others are easy for arithmetic."""


@dataclass(frozen=True)
class Scores:
    """Measures of one row on one design with one seed.

    | field | meaning |
    |---|---|
    | row, seed | model and its seed (0 where nothing is drawn) |
    | design, family | |
    | values | measure -> value; times in ps, shares as numbers |
    """

    row: str
    seed: int
    design: str
    family: str
    values: Mapping[str, float]


def measure(example: Example, prediction: Prediction) -> dict[str, float]:
    """Every measure of a prediction of a design, setup and hold apart; times in ps.

    Keys: ``setup endpoints``, ``R2``, ``MAE ps``, ``MAE % of period``, ``P95 ps``, ``bias ps``, ``squared ps2``, ``tau``,
    ``recall 1 %``, ``recall 5 %``, ``F1``, ``violating``, ``WNS error ps``, ``TNS error %``, each behind ``setup`` and
    behind ``hold``; ``arrival R2``, ``slew R2``; where the prediction has wires also ``log C MAE``, ``log R MAE`` and
    ``net delay MAE ps``.
    """
    inputs: TimingInputs = example.inputs
    labels: TimingLabels = example.labels
    truth = labels.truth(inputs)
    found: dict[str, float] = {}
    for kind in ("setup", "hold"):
        found |= _slack_measures(kind, getattr(truth, f"{kind}_slack"), prediction[f"{kind}_slack"], inputs.period)
    found["arrival R2"] = r2(truth.arrival[:, :2], prediction["arrival"][:, :2])
    found["slew R2"] = r2(truth.slew[:, :2], prediction["slew"][:, :2])
    found |= _wire_measures(inputs, labels, prediction)
    return found


def _slack_measures(kind: str, truth: FloatArray, guess: npt.ArrayLike, period: float) -> dict[str, float]:
    p = np.asarray(guess, np.float64)
    both = np.isfinite(truth) & np.isfinite(p)
    y, p = truth[both], p[both]
    wns, tns = min(float(y.min(initial=0.0)), 0.0), float(np.minimum(y, 0).sum())
    floor = 1e-3 * period * len(y)
    below = max(abs(tns), floor) if floor > 0 else abs(tns)
    return {
        f"{kind} endpoints": float(len(y)),
        f"{kind} R2": r2(y, p),
        f"{kind} MAE ps": 1e12 * mae(y, p),
        f"{kind} MAE % of period": 100 * mae(y, p) / period,
        f"{kind} P95 ps": 1e12 * percentile_error(y, p, 95),
        f"{kind} bias ps": 1e12 * bias(y, p),
        f"{kind} squared ps2": 1e24 * float(np.mean((y - p) ** 2)) if len(y) else float("nan"),
        f"{kind} tau": kendall_tau(y, p),
        f"{kind} recall 1 %": recall_of_worst(y, p, 0.01),
        f"{kind} recall 5 %": recall_of_worst(y, p, 0.05),
        f"{kind} F1": violating_f1(y, p),
        f"{kind} violating": float((y < 0).sum()),
        f"{kind} WNS error ps": 1e12 * (min(float(p.min(initial=0.0)), 0.0) - wns),
        f"{kind} TNS error %": 100 * abs(float(np.minimum(p, 0).sum()) - tns) / below if below > 0 else float("nan"),
    }


def _wire_measures(inputs: TimingInputs, labels: TimingLabels, prediction: Prediction) -> dict[str, float]:
    wires = prediction.about.get("wires")
    if wires is None:
        return {}
    nets, found = inputs.nets, {}
    for name, true, guess in (
        ("log C MAE", labels.capacitance[nets], wires.capacitance[nets]),
        ("log R MAE", labels.resistance[nets], wires.resistance[nets]),
    ):
        known = np.isfinite(true) & (guess > 0)
        found[name] = mae(np.log(true[known]), np.log(guess[known])) if known.any() else float("nan")
    if wires.elmore is not None and labels.resolved is not None:
        true = labels.reduced(inputs).sink[:, 0]
        sinks = np.flatnonzero(true > 0)
        found["net delay MAE ps"] = 1e12 * mae(true[sinks], np.asarray(wires.elmore)[sinks, 0])
    return found


def score(model: Any, row: str, seed: int, examples: Sequence[Example]) -> list[Scores]:
    """One entry a design."""
    return [Scores(row, seed, e.name, e.family, measure(e, model.predict(e.inputs))) for e in examples]


def by_design(scores: Sequence[Scores], column: str) -> dict[str, dict[str, float]]:
    """Row -> design -> mean of a measure over seeds."""
    found: dict[str, dict[str, list[float]]] = {}
    for entry in scores:
        found.setdefault(entry.row, {}).setdefault(entry.design, []).append(entry.values.get(column, float("nan")))
    return {
        row: {design: float(np.mean(values)) for design, values in designs.items()} for row, designs in found.items()
    }


def skills(scores: Sequence[Scores], against: str, column: str = "setup MAE ps") -> dict[str, dict[str, float]]:
    """Row -> design -> 1 - error over the error of a row."""
    means = by_design(scores, column)
    base = means.get(against, {})
    return {
        row: {design: 1 - value / base[design] for design, value in designs.items() if base.get(design)}
        for row, designs in means.items()
    }


def bootstrap(values: Sequence[float], draws: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """Mean over designs and its 95 % interval by resampling designs; NaN without any.

    >>> bootstrap([1.0, 1.0, 1.0])
    (1.0, 1.0, 1.0)
    """
    own = np.asarray([value for value in values if np.isfinite(value)], np.float64)
    if not len(own):
        return (float("nan"),) * 3
    picks = np.random.default_rng(seed).integers(0, len(own), (draws, len(own)))
    low, high = np.percentile(own[picks].mean(axis=1), [2.5, 97.5])
    return float(own.mean()), float(low), float(high)


def summary(
    scores: Sequence[Scores], against: str, designs: Sequence[str] | None = None, kind: str = "setup"
) -> list[dict[str, Any]]:
    """One row a model over the given designs: MAE, skill over a row with interval, R2, tau, recall, F1, TNS.

    Args:
        scores: every row, design and seed.
        against: the row that skill is counted over.
        designs: those that count; None = all that the row *against* has.
        kind: "setup" or "hold".
    """
    over = list(designs if designs is not None else dict.fromkeys(s.design for s in scores if s.row == against))
    kept = [entry for entry in scores if entry.design in over]
    skill = skills(kept, against, f"{kind} MAE ps")
    rows = []
    for name in dict.fromkeys(entry.row for entry in kept):
        own = [entry for entry in kept if entry.row == name]

        def column(
            measure: str, how: Callable[..., Any] = np.nanmean, own: list[Scores] = own, name: str = name
        ) -> float:
            values = list(by_design(own, measure)[name].values())
            return float(how(values)) if np.isfinite(values).any() else float("nan")

        mean, low, high = bootstrap(list(skill.get(name, {}).values()))
        rows.append(
            {
                "row": name,
                "MAE ps": column(f"{kind} MAE ps"),
                "median R2": column(f"{kind} R2", np.nanmedian),
                "worst R2": column(f"{kind} R2", np.nanmin),
                "skill": mean,
                "low": low,
                "high": high,
                "worst skill": min(
                    (value for value in skill.get(name, {}).values() if np.isfinite(value)), default=float("nan")
                ),
                "tau": column(f"{kind} tau"),
                "recall 5 %": column(f"{kind} recall 5 %"),
                "F1": column(f"{kind} F1"),
                "TNS error %": column(f"{kind} TNS error %"),
                "P95 ps": column(f"{kind} P95 ps"),
                "bias ps": column(f"{kind} bias ps"),
                "designs": len(by_design(own, f"{kind} R2")[name]),
                "seeds": len({entry.seed for entry in own}),
            }
        )
    return rows


def design_rows(scores: Sequence[Scores], column: str, rows: Sequence[str]) -> list[dict[str, Any]]:
    """One row a design, one column a model: mean over seeds of a measure."""
    means = by_design(scores, column)
    designs = dict.fromkeys(entry.design for entry in scores)
    return [
        {"design": design, **{row: means.get(row, {}).get(design, float("nan")) for row in rows}} for design in designs
    ]
