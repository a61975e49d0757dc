"""Rows of wires from placement: trees with four constants, nominal, fitted elsewhere, or fitted on a few nets.

Constants belong to a process, whatever the corner of its Liberty is: they go by the layers and the row height of the LEF.
A process that no training design has gets what the caller gives, else what its LEF states.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.pi_model import ReducedWires
from circuitgraph.analysis.placement_wires import (
    NEIGHBOURS,
    WireConstants,
    fit_constants,
    nominal_constants,
    placement_wires,
)
from circuitgraph.errors import CircuitError
from circuitgraph.layout import Technology
from tasks.task import Example, Prediction
from tasks.timing.baselines import predict_from
from tasks.timing.inputs import TimingInputs, TimingLabels

FEW_NETS = 50
"""Nets that few-net calibration takes."""


class PlacedTrees:
    """Trees over the placement, four constants a process fitted on the training designs.

    Args:
        kind: "spanning" or "steiner".
        given: constants by process (:func:`process_of`); they go before fitted ones.
    """

    name = "MST, calibrated"

    def __init__(self, kind: str = "spanning", given: Mapping[str, WireConstants] | None = None) -> None:
        self.kind = kind
        self.name = {"spanning": PlacedTrees.name, "steiner": "Steiner, calibrated"}[kind]
        self.given = dict(given or {})
        self.fitted: dict[str, WireConstants] = {}

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Fit the constants of every process that the training designs have."""
        self.fitted = fitted_constants(train, self.kind)

    def constants(self, inputs: TimingInputs) -> WireConstants:
        """Of a design's process.

        Raises:
            CircuitError: none was fitted or given, and its LEF states none.
        """
        return known_constants(inputs, self.given, self.fitted)

    def wires(self, inputs: TimingInputs) -> ReducedWires:
        """Wires over the design's placement."""
        trees = inputs.trees(self.kind)
        return placement_wires(trees, inputs.circuit, self.constants(inputs), inputs.pin_capacitances)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA over them, delay model "dmp"."""
        return predict_from(inputs, self.wires(inputs), "dmp")

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """The constants."""
        both = {**self.fitted, **self.given}
        return {}, {"kind": self.kind, "constants": {name: one.state() for name, one in both.items()}}

    @classmethod
    def from_state(cls, tensors: Mapping[str, Any], about: Mapping[str, Any], place: str = "checkpoint") -> PlacedTrees:
        """The inverse of :meth:`state`."""
        model = cls(str(about.get("kind", "spanning")))
        model.fitted = constants_of(about, place)
        return model


class SteinerTrees(PlacedTrees):
    """Steiner trees with constants fitted on the training designs."""

    name = "Steiner, calibrated"

    def __init__(self, kind: str = "steiner", given: Mapping[str, WireConstants] | None = None) -> None:
        super().__init__(kind, given)


class NominalTrees(PlacedTrees):
    """Spanning trees with the resistance and capacitance that the LEF states for the second and third layer."""

    name = "MST, nominal R and C of the LEF"

    def __init__(self, kind: str = "spanning") -> None:
        super().__init__(kind)
        self.name = NominalTrees.name

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Nothing."""

    def constants(self, inputs: TimingInputs) -> WireConstants:
        """Those of the technology."""
        assert inputs.technology is not None
        return nominal_constants(inputs.technology)


def shipped_constants() -> dict[str, WireConstants]:
    """Constants of the processes of public routed designs.

    Source: ``wire_constants.json`` beside this file, which ``benchmarks/timing_accuracy.py --constants`` writes.
    """
    path = Path(__file__).with_name("wire_constants.json")
    return constants_of(json.loads(path.read_text()), path.name)


def fitted_constants(train: Sequence[Example], kind: str) -> dict[str, WireConstants]:
    """Constants of each process over its training designs."""
    by_process: dict[str, list[Example]] = {}
    for example in train:
        by_process.setdefault(process_of(example.inputs), []).append(example)
    return {name: fit_constants([labelled_trees(e, kind) for e in own]) for name, own in by_process.items()}


def process_of(inputs: TimingInputs) -> str:
    """What a placed design's process is called: the layers of its LEF and its row height, um.

    Raises:
        CircuitError: there is no placement.
    """
    if inputs.technology is None:
        raise CircuitError(inputs.name, "design", "has no placement", "give --def and --lef")
    return process_name(inputs.technology)


def process_name(technology: Technology) -> str:
    """Layers and row height, um, of a technology."""
    return f"{' '.join(layer.name for layer in technology.layers)}; rows {technology.row_height * 1e6:.3f}"


def labelled_trees(example: Example, kind: str) -> tuple[Any, Any, Any]:
    """Trees, farads and ohms of an example, as :func:`fit_constants` takes them."""
    labels: TimingLabels = example.labels
    return example.inputs.trees(kind), labels.capacitance, labels.resistance


def few_nets(example: Example, count: int, seed: int) -> Example:
    """The example with the labels of *count* random nets alone; NaN elsewhere."""
    labels: TimingLabels = example.labels
    nets = example.inputs.nets
    known = nets[np.isfinite(labels.capacitance[nets]) & np.isfinite(labels.resistance[nets])]
    chosen = np.random.default_rng([seed, example.inputs.circuit.graph_id]).permutation(known)[:count]
    shown: npt.NDArray[np.bool_] = np.zeros(len(labels.capacitance), np.bool_)
    shown[chosen] = True
    hidden = replace(
        labels,
        capacitance=np.where(shown, labels.capacitance, np.nan),
        resistance=np.where(shown, labels.resistance, np.nan),
        cache={},
        resolved=None,
        golden=None,
    )
    return replace(example, labels=hidden)


def known_constants(
    inputs: TimingInputs, given: Mapping[str, WireConstants], fitted: Mapping[str, WireConstants]
) -> WireConstants:
    """Constants of a design's process: given, else fitted, else those of its LEF.

    Raises:
        CircuitError: there are none, and its LEF states none.
    """
    name = process_of(inputs)
    if name in given:
        return given[name]
    if name in fitted:
        return fitted[name]
    assert inputs.technology is not None
    return nominal_constants(inputs.technology, NEIGHBOURS)


def constants_of(about: Mapping[str, Any], place: str) -> dict[str, WireConstants]:
    """Constants by process from a JSON object's ``constants``.

    Raises:
        CircuitError: there is no such object, or a number is missing.
    """
    found = about.get("constants")
    if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
        raise CircuitError(place, "constants", "are missing", "write them with circuitgraph calibrate timing")
    return {str(name): WireConstants.of(state, f"{place}: {name}") for name, state in found.items()}
