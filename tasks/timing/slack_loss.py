"""Slack in the loss of learned wires: the exact engine, linearised at the wires of the moment.

The values are those of ``dmp``, which the labels are made with; the gradients go to the wire capacitance of every net and
to the Elmore delay of every sink, and on into the heads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from circuitgraph.analysis.placement_wires import (
    edge_resistance,
    node_capacitance,
    placement_wires,
    tree_moments,
)
from circuitgraph.analysis.sta_linearised import corrections_of
from circuitgraph.pyg import CircuitData
from tasks.task import Example
from tasks.timing.differentiable import timing_layer
from tasks.timing.inputs import TimingInputs, TimingLabels

FloatArray = npt.NDArray[np.float64]

SIGMA = 0.05
"""Errors are counted in this share of the clock period."""


@dataclass(frozen=True, eq=False)
class _Design:
    """What one design's loss needs; M nets, S sinks."""

    inputs: TimingInputs
    constants: Any
    nets: Tensor
    place: Tensor
    sink_net: Tensor
    capacitance: Tensor
    wire_delay: Tensor
    pin_delay: Tensor
    setup: Tensor
    hold: Tensor
    sigma: float


class DesignSlack:
    """Huber loss of the setup and hold slacks of a batch of one training design.

    Args:
        prior: the row that the factors multiply (:class:`tasks.timing.placed_rows.PlacedTrees`).
        examples: the training designs.
    """

    def __init__(self, prior: Any, examples: Sequence[Example]) -> None:
        self.prior = prior
        self.designs = {example.inputs.circuit.graph_id: self._design(example) for example in examples}

    def _design(self, example: Example) -> _Design:
        inputs: TimingInputs = example.inputs
        labels: TimingLabels = example.labels
        trees, constants = inputs.trees(self.prior.kind), self.prior.constants(inputs)
        farads, ohms = node_capacitance(trees, constants), edge_resistance(trees, constants)
        of_wire, _ = tree_moments(trees, ohms, farads, None)
        in_all, _ = tree_moments(trees, ohms, farads, inputs.pin_capacitances)
        nets = np.flatnonzero(np.diff(trees.start) > 0)
        row = np.full(inputs.circuit.num_nets, -1, np.int64)
        row[nets] = np.arange(len(nets))
        sinks = np.flatnonzero((trees.place >= 0) & (trees.parent >= 0))
        truth = labels.truth(inputs)
        return _Design(
            inputs=inputs,
            constants=constants,
            nets=torch.from_numpy(nets),
            place=torch.from_numpy(trees.place[sinks].astype(np.int64)),
            sink_net=torch.from_numpy(row[trees.net[sinks]]),
            capacitance=torch.from_numpy(trees.net_sum(farads)[nets]),
            wire_delay=torch.from_numpy(of_wire[sinks]),
            pin_delay=torch.from_numpy(in_all[sinks] - of_wire[sinks]),
            setup=torch.from_numpy(truth.setup_slack),
            hold=torch.from_numpy(truth.hold_slack),
            sigma=SIGMA * float(np.nan_to_num(inputs.period, nan=1e-9)),
        )

    def __call__(
        self, batch: CircuitData, log_c: Tensor, log_r: Tensor, log_t: Tensor
    ) -> tuple[Tensor, dict[str, float]]:
        """The loss, and the mean absolute error of setup slack over sigma.

        Args:
            batch: one training design.
            log_c: [M], logarithms of the factors of its nets' capacitance.
            log_r: [M], of their resistance.
            log_t: [S], of its sinks' delays.
        """
        design = self.designs[int(batch.graph_id[0])]
        factor_c, factor_r, factor_t = (part.double().exp() for part in (log_c, log_r, log_t))
        inputs, circuit = design.inputs, design.inputs.circuit
        farads = torch.zeros(circuit.num_nets, dtype=torch.float64)
        farads = farads.index_add(0, design.nets, factor_c * design.capacitance)
        own_c, own_r = factor_c.index_select(0, design.sink_net), factor_r.index_select(0, design.sink_net)
        seconds = (own_r * factor_t)[:, None] * (own_c[:, None] * design.wire_delay + design.pin_delay)
        delay = torch.zeros(circuit.num_pins + circuit.num_ports, 2, dtype=torch.float64)
        delay = delay.index_add(0, design.place, seconds)
        wires = self._wires(design, factor_c, factor_r, factor_t)
        found = timing_layer(
            inputs,
            farads,
            delay,
            corrections=corrections_of(inputs.prepared, wires, default_wire_load=False),
            annotated=wires.annotated,
        )
        losses = []
        for guess, truth in ((found.setup_slack, design.setup), (found.hold_slack, design.hold)):
            known = torch.isfinite(guess) & torch.isfinite(truth)
            error = (guess[known] - truth[known]) / design.sigma
            losses.append(F.smooth_l1_loss(error, torch.zeros_like(error)) if len(error) else guess.nansum() * 0.0)
            if len(losses) == 1:
                mae = float(error.detach().abs().mean()) if len(error) else 0.0
        return (losses[0] + losses[1]).to(log_c.dtype), {"slack": mae}

    def _wires(self, design: _Design, factor_c: Tensor, factor_r: Tensor, factor_t: Tensor) -> Any:
        """The wires of the moment, as the analysis takes them."""
        inputs, circuit = design.inputs, design.inputs.circuit
        capacitance, resistance = np.ones(circuit.num_nets), np.ones(circuit.num_nets)
        sink = np.ones(circuit.num_pins + circuit.num_ports)
        capacitance[design.nets.numpy()] = factor_c.detach().numpy()
        resistance[design.nets.numpy()] = factor_r.detach().numpy()
        sink[design.place.numpy()] = factor_t.detach().numpy()
        return placement_wires(
            inputs.trees(self.prior.kind),
            circuit,
            design.constants,
            inputs.pin_capacitances,
            capacitance_factor=capacitance,
            resistance_factor=resistance,
            sink_factor=sink,
        )
