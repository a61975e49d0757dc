"""The honest table of timing: per design, then families, then seeds; baselines, controls and ours in one run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tasks.metrics import mae, mean_and_interval, r2
from tasks.task import Example, Prediction
from tasks.timing.baselines import FanOut, LibraryWireLoad, MatchedTotals, ZeroWires, net_labels, packed
from tasks.timing.inputs import TimingInputs, TimingLabels
from tasks.timing.placed_rows import PlacedTrees, SteinerTrees

COLUMNS = {
    "log C MAE": ("-", False),
    "log R MAE": ("-", False),
    "setup slack MAE ps": ("ps", False),
    "hold slack MAE ps": ("ps", False),
    "setup slack R2": ("-", True),
}
"""Columns of the table: unit, whether higher is better."""


@dataclass(frozen=True)
class Scores:
    """Measures of one model on one design."""

    model: str
    seed: int
    design: str
    family: str
    values: Mapping[str, float]


def reference(example: Example) -> Prediction:
    """What the engine gives over the true wires: the labels of slack. Kept beside the labels, never on the inputs."""
    inputs: TimingInputs = example.inputs
    labels: TimingLabels = example.labels
    if "reference" not in labels.cache:
        labels.cache["reference"] = packed(inputs, labels.wires, labels.reference(inputs), "analytic")
    found: Prediction = labels.cache["reference"]
    return found


def measure(example: Example, prediction: Prediction) -> dict[str, float]:
    """All columns for one design; log errors over nets with labels and a positive prediction."""
    truth = reference(example)
    _, capacitance, resistance = net_labels(example)
    found = {}
    for name, labels, key in (
        ("log C MAE", capacitance, "net_capacitance"),
        ("log R MAE", resistance, "net_resistance"),
    ):
        if key not in prediction.arrays:
            found[name] = float("nan")
            continue
        guess = np.asarray(prediction[key], np.float64)
        keep = np.isfinite(labels) & (guess > 0)
        found[name] = (
            mae(np.log(labels[keep]), np.log(guess[keep])) if keep.sum() == np.isfinite(labels).sum() else float("nan")
        )
    for name, key in (("setup slack MAE ps", "setup_slack"), ("hold slack MAE ps", "hold_slack")):
        found[name] = 1e12 * mae(truth[key], prediction[key])
    found["setup slack R2"] = r2(truth["setup_slack"], prediction["setup_slack"])
    return found


def score(model: Any, name: str, seed: int, examples: Sequence[Example]) -> list[Scores]:
    """One row a design."""
    return [Scores(name, seed, e.name, e.family, measure(e, model.predict(e.inputs))) for e in examples]


def shuffled(examples: Sequence[Example], seed: int) -> list[Example]:
    """The same designs with the labels of their nets exchanged within each design: nothing is left to learn."""
    found = []
    for number, example in enumerate(examples):
        inputs: TimingInputs = example.inputs
        labels: TimingLabels = example.labels
        rng = np.random.default_rng([seed, number])
        nets = inputs.nets
        order = rng.permutation(len(nets))
        capacitance, resistance = labels.capacitance.copy(), labels.resistance.copy()
        capacitance[nets], resistance[nets] = labels.capacitance[nets[order]], labels.resistance[nets[order]]
        found.append(replace(example, labels=TimingLabels(capacitance, resistance, labels.wires)))
    return found


def baseline_scores(
    train: Sequence[Example], test: Sequence[Example], validation: Sequence[Example] = ()
) -> list[Scores]:
    """Rows that learn nothing, or four numbers, or six; those over placement where every design has one."""
    found = []
    models: list[Any] = [ZeroWires(), LibraryWireLoad(), FanOut()]
    if any(example.inputs.library.default_wire_load is None for example in test):
        models.pop(1)
    if validation:
        models.append(MatchedTotals(FanOut()))
    if all(example.inputs.layout is not None for example in (*train, *test)):
        models += [PlacedTrees(), SteinerTrees()]
    for model in models:
        model.fit(train, validation, {}, None)
        found += score(model, model.name, 0, test)
    return found


def learned_scores(
    make: Callable[[int], Any],
    name: str,
    seeds: Sequence[int],
    train: Sequence[Example],
    validation: Sequence[Example],
    test: Sequence[Example],
    recipe: Mapping[str, Any],
    match: Sequence[Example] = (),
) -> list[Scores]:
    """Rows of a model that is trained anew for each seed; with *match* also of the same, its totals matched."""
    found = []
    for seed in seeds:
        model = make(seed)
        model.fit(train, validation, recipe, None)
        found += score(model, name, seed, test)
        if match:
            scaled = MatchedTotals(model)
            scaled.match(match)
            found += score(scaled, f"{name}, totals matched", seed, test)
    return found


def summary(scores: Sequence[Scores], against: str = "fan-out") -> list[dict[str, Any]]:
    """One row a model: mean over designs within families, over families, over seeds; skill over a row with interval.

    The interval of the skill is over families (each the mean of its seeds): 95 %, normal.
    """
    by_model: dict[str, list[Scores]] = defaultdict(list)
    for entry in scores:
        by_model[entry.model].append(entry)
    base = {entry.design: entry.values["log C MAE"] for entry in by_model.get(against, [])}
    rows = []
    for name, entries in by_model.items():
        row: dict[str, Any] = {"row": name}
        for column in COLUMNS:
            row[column] = _by_family([(e.family, e.values[column]) for e in entries])
        skills: dict[str, list[float]] = defaultdict(list)
        for e in entries:
            if base.get(e.design):
                skills[e.family].append(1 - e.values["log C MAE"] / base[e.design])
        mean, half = mean_and_interval([float(np.mean(values)) for values in skills.values()])
        row["log C skill %"], row["+-"] = 100 * mean, 100 * half if name != against else None
        row["seeds"] = len({e.seed for e in entries})
        rows.append(row)
    return rows


def _by_family(values: Sequence[tuple[str, float]]) -> float:
    by_family: dict[str, list[float]] = defaultdict(list)
    for family, value in values:
        by_family[family].append(value)
    return float(np.mean([np.mean(found) for found in by_family.values()]))


def by_family(scores: Sequence[Scores], column: str, models: Sequence[str]) -> list[dict[str, Any]]:
    """One row a family, one column a model: mean over designs and seeds."""
    families = sorted({entry.family for entry in scores})
    rows = []
    for family in families:
        row: dict[str, Any] = {"family": family}
        for model in models:
            own = [e.values[column] for e in scores if e.family == family and e.model == model]
            row[model] = float(np.mean(own)) if own else None
        rows.append(row)
    return rows
