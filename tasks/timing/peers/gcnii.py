"""The deep graph convolution that TimingGCN was compared with: no levels, no tables but their means, K hops.

Pins and both kinds of edges, there and back, without their kinds; gated messages as sum and maximum, width 16, every
layer gets the ten features again and adds to what was before. 4 to 60 layers were published; 8 here. Trained on states
alone, over whole designs. What is different on purpose: as in :mod:`tasks.timing.peers.timing_gcn`.

Source: Guo et al., DAC 2022, model.py and train_deepgnn.py; Chen et al., Simple and deep graph convolutional networks
(GCNII), ICML 2020, for the two tricks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from circuitgraph.errors import CircuitError
from tasks.task import Example, Prediction
from tasks.timing.inputs import TimingInputs
from tasks.timing.peers.batch import Batch
from tasks.timing.peers.fitting import Designs, fit_levelled, propagated, refuse_shared_families, seeded
from tasks.timing.peers.layers import Outcome, extreme, perceptron, total
from tasks.timing.peers.order_partition import Piece
from tasks.timing.peers.pin_graph import FEATURES, STATE, PinGraph, pin_graph
from tasks.timing.peers.prediction import about_model, filled, predicted
from tasks.timing.peers.preroutgnn_layers import EDGE_FEATURES, both_ways
from tasks.timing.peers.training import Recipe

WIDTH, HIDDEN, AGGREGATED, LAYERS = 16, 32, 10, 8
DEFAULTS = Recipe()


class SumMaxConvolution(nn.Module):
    """Gated messages of all neighbours as sum and largest beside a node's own state."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        sizes = (HIDDEN, HIDDEN, HIDDEN)
        self.message = perceptron(2 * before + EDGE_FEATURES, *sizes, 1 + 2 * AGGREGATED)
        self.reduce = perceptron(before + 2 * AGGREGATED, *sizes, after)

    def forward(self, hidden: Tensor, edges: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """States of all nodes, [N, after]."""
        source, target, feature = edges
        ends = (hidden.index_select(0, source), hidden.index_select(0, target), feature)
        gate, first, second = self.message(torch.cat(ends, dim=1)).split([1, AGGREGATED, AGGREGATED], dim=1)
        gate = torch.sigmoid(gate)
        summed = total(gate * first, target, len(hidden))
        largest = extreme(gate * second, target, len(hidden), "amax")
        after: Tensor = self.reduce(torch.cat([hidden, summed, largest], dim=1))
        return after


class GCNIIModule(nn.Module):
    """The network: a batch in, states out.

    Args:
        layers: convolutions, at least 2.
    """

    def __init__(self, layers: int = LAYERS) -> None:
        super().__init__()
        self.first = SumMaxConvolution(FEATURES, WIDTH)
        self.middle = nn.ModuleList(SumMaxConvolution(FEATURES + WIDTH, WIDTH) for _ in range(layers - 2))
        self.last = SumMaxConvolution(WIDTH, STATE)

    def features(self, parts: Sequence[tuple[PinGraph, Piece]], batch: Batch) -> Tensor:
        """What a pin is given with, [N, 10]."""
        return batch.features

    def forward(
        self, features: Tensor, batch: Batch, known: Tensor | None = None, given: Tensor | None = None
    ) -> Outcome:
        """States; true or given ones are not read."""
        edges = both_ways(batch)
        hidden = self.first(features, edges)
        for layer in self.middle:
            hidden = layer(torch.cat([hidden, features], dim=1), edges) + hidden
        return Outcome(torch.where(batch.is_start[:, None], batch.start, self.last(hidden, edges)))


class GCNII:
    """The deep graph convolution as a Model.

    Args:
        seed: of the first weights; a recipe that names another takes its place.
        layers: convolutions, 2 to 60.

    Raises:
        CircuitError: there are fewer or more layers.
    """

    name = "GCNII"

    def __init__(self, seed: int = 0, layers: int = LAYERS) -> None:
        if not 2 <= layers <= 60:
            raise CircuitError("recipe", "layers", f"must be 2 to 60, not {layers}", "choose another number")
        self.seed, self.layers = seed, layers
        self.module = seeded(lambda: GCNIIModule(layers), seed)
        self.rows: list[dict[str, Any]] = []

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Learn by :class:`tasks.timing.peers.training.Recipe`, over whole designs.

        Raises:
            CircuitError: a design has no placement or no parasitics, or the recipe is wrong.
        """
        refuse_shared_families(train, validation)
        settings = Recipe.of({"seed": self.seed, **recipe}, DEFAULTS)
        if settings.blocks is not None:
            rule = "makes no sense of a model that hears its neighbours on both sides"
            raise CircuitError("recipe", f"blocks {settings.blocks!r}", rule, "leave it out")
        if settings.seed != self.seed:
            self.seed, self.module = settings.seed, seeded(lambda: GCNIIModule(self.layers), settings.seed)
        self.rows = fit_levelled(self.module, Designs.of(train), Designs.of(validation), settings, run)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """Arrival, slew and slack of every pin; labels are not read.

        Raises:
            CircuitError: there is no placement.
        """
        graph = pin_graph(inputs)
        return predicted(inputs, graph, propagated(self.module, graph))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, and what they are of."""
        return dict(self.module.state_dict()), about_model(self.name, self.seed, {"layers": self.layers})

    @classmethod
    def from_state(cls, tensors: Mapping[str, Tensor], about: Mapping[str, Any], place: str = "checkpoint") -> GCNII:
        """The inverse of :meth:`state`.

        Raises:
            CircuitError: the weights are of another model.
        """
        return filled(cls, tensors, about, place)
