"""Gradient boosting per net: log C and log R over the calibrated Steiner row, from the features of the learned residual."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.pi_model import ReducedWires
from circuitgraph.analysis.placement_wires import placement_wires
from circuitgraph.errors import CircuitError
from tasks.task import Example, Prediction
from tasks.timing.baselines import predict_from
from tasks.timing.inputs import TimingInputs
from tasks.timing.placed_rows import SteinerTrees
from tasks.timing.wire_features import NET_FEATURES, wire_features

FloatArray = npt.NDArray[np.float64]

COLUMNS = [row for row, name in enumerate(NET_FEATURES) if not name.startswith("design:")]
"""The columns that the learned residual reads too."""


class BoostedWires:
    """Two boosted forests; the error counts absolutely, every design weighs the root of its nets.

    Args:
        seed: of the forests.
    """

    name = "gradient boosting per net"

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self.prior = SteinerTrees()
        self.forests: list[Any] = []

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Fit the constants, then the forests on what they leave."""
        from sklearn.ensemble import HistGradientBoostingRegressor

        self.prior.fit(train, validation, recipe, run)
        rows, wanted, weights = [], [], []
        for example in train:
            features = wire_features(
                example.inputs, example.inputs.trees("steiner"), self.prior.constants(example.inputs)
            )
            labels = example.labels
            with np.errstate(invalid="ignore"):
                left = np.log(
                    np.stack(
                        [
                            labels.capacitance[features.nets] / features.capacitance,
                            labels.resistance[features.nets] / features.resistance,
                        ],
                        axis=1,
                    )
                )
            known = np.isfinite(left).all(axis=1)
            rows.append(features.net[known][:, COLUMNS])
            wanted.append(left[known])
            weights.append(np.full(int(known.sum()), 1.0 / np.sqrt(max(int(known.sum()), 1))))
        x, y, weight = np.concatenate(rows), np.clip(np.concatenate(wanted), -2.0, 2.0), np.concatenate(weights)
        self.forests = [
            HistGradientBoostingRegressor(
                loss="absolute_error",
                max_iter=150,
                learning_rate=0.08,
                max_leaf_nodes=15,
                min_samples_leaf=60,
                random_state=self.seed,
            ).fit(x, y[:, column], sample_weight=weight)
            for column in (0, 1)
        ]

    def wires(self, inputs: TimingInputs) -> ReducedWires:
        """Wires of a design; its labels are not read."""
        trees, constants = inputs.trees("steiner"), self.prior.constants(inputs)
        features = wire_features(inputs, trees, constants)
        factors = []
        for forest in self.forests:
            factor: FloatArray = np.ones(inputs.circuit.num_nets)
            factor[features.nets] = np.exp(forest.predict(features.net[:, COLUMNS]))
            factors.append(factor)
        return placement_wires(
            trees,
            inputs.circuit,
            constants,
            inputs.pin_capacitances,
            capacitance_factor=factors[0],
            resistance_factor=factors[1],
            source="learned",
        )

    def predict(self, inputs: TimingInputs) -> Prediction:
        """STA over them, delay model "dmp"."""
        return predict_from(inputs, self.wires(inputs), "dmp", "learned")

    def state(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Refused: a forest is kept by no checkpoint of ours."""
        raise CircuitError(
            self.name, "checkpoint", "cannot be kept without pickling", "train it again: it takes seconds"
        )

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, Any], about: Mapping[str, Any], place: str = "checkpoint"
    ) -> BoostedWires:
        """Refused, as :meth:`state`."""
        raise CircuitError(place, "checkpoint", f"cannot hold {cls.name}", "train it again: it takes seconds")
