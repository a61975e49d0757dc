"""TimingGCN: net embedding, then states of pins level by level, with a learned look-up of the tables.

Three net convolutions (10 -> 32 -> 32 -> 16) give each pin 16 numbers, of which the first four are the net delay into
it; arrivals and slews then walk along the levels. In training every edge reads the true states of what goes into it.
224,838 parameters, as published.

Faithful to widths, transforms and the three squared errors. Different, on purpose: the weights are chosen on validation
families, not on test designs, and no family stands on two sides; pins without a timing are masked, not targets of 0;
starts have the states that the constraints give them; tables of other sizes than 7 x 7 are resampled; slack is found
from predicted arrivals at data and clock pins. Distances are in units of 100 um (the published files do not say theirs).

Source: Guo et al., A timing engine inspired graph neural network model for pre-routing slack prediction, DAC 2022; the
published model.py and train_gnn.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.task import Example, Prediction
from tasks.timing.inputs import TimingInputs
from tasks.timing.peers.batch import Batch
from tasks.timing.peers.fitting import Designs, fit_levelled, propagated, refuse_shared_families, seeded
from tasks.timing.peers.layers import NetConv, Outcome, Propagation, perceptron
from tasks.timing.peers.order_partition import Piece
from tasks.timing.peers.pin_graph import FEATURES, STATE, PinGraph, pin_graph
from tasks.timing.peers.prediction import about_model, filled, predicted
from tasks.timing.peers.tables import SIZE, TABLES
from tasks.timing.peers.training import Recipe

EMBEDDING = 16
HIDDEN = 64
COPIES = 4
"""Queries of a table."""
DEFAULTS = Recipe()


class TableAttention(nn.Module):
    """Four learned queries a table; each weighs the rows and the columns of the table by a perceptron of its axes.

    Args:
        features: width f of a node.
    """

    width = TABLES * COPIES

    def __init__(self, features: int) -> None:
        super().__init__()
        self.query = perceptron(STATE + 2 * features, HIDDEN, HIDDEN, HIDDEN, TABLES * COPIES * 2)
        self.attention = perceptron(2 + 1 + 2 * SIZE, HIDDEN, HIDDEN, HIDDEN, 2 * SIZE)

    def forward(self, arc: Tensor, batch: Batch, cells: tuple[int, int]) -> Tensor:
        """What is read from the tables of a range of cell edges, [E, 32].

        The first layer is linear in [query | axes], and many edges share their axes: its part of the axes is found
        once for each library arc.
        """
        row = batch.cell_table[cells[0] : cells[1]]
        query = self.query(arc).view(-1, TABLES, COPIES, 2)
        first = self.attention[0]
        assert isinstance(first, nn.Linear)
        of_axes = F.linear(batch.axes, first.weight[:, 2:], first.bias).index_select(0, row)
        inner = F.linear(query, first.weight[:, :2]) + of_axes[:, :, None, :]
        found = self.attention[1:](inner)
        tables = batch.tables.index_select(0, row).view(-1, TABLES, SIZE, SIZE)
        read: Tensor = ((found[..., :SIZE] @ tables) * found[..., SIZE:]).sum(-1).flatten(1)
        return read


class TimingGCNModule(nn.Module):
    """The network: a batch in, net delays, cell delays and states out."""

    def __init__(self) -> None:
        super().__init__()
        widths = (FEATURES, 32, 32, EMBEDDING)
        self.convolutions = nn.ModuleList(NetConv(a, b, HIDDEN) for a, b in itertools.pairwise(widths))
        features = FEATURES + EMBEDDING
        self.propagation = Propagation(features, HIDDEN, TableAttention(features), residual=False)

    def features(self, parts: Sequence[tuple[PinGraph, Piece]], batch: Batch) -> Tensor:
        """What a pin is given with, [N, 10]."""
        return batch.features

    def forward(
        self, features: Tensor, batch: Batch, known: Tensor | None = None, given: Tensor | None = None
    ) -> Outcome:
        """See :meth:`Propagation.forward`."""
        hidden = features
        for convolution in self.convolutions:
            hidden = convolution(hidden, batch)
        found = self.propagation(torch.cat([features, hidden], dim=1), batch, known, given)
        return Outcome(found.state, hidden[:, :4], found.cell_delay)


class TimingGCN:
    """TimingGCN as a Model.

    Args:
        seed: of the first weights; a recipe that names another takes its place.
        block_nodes: predict in blocks of so many nodes with carried state; None: the whole design at once.
    """

    name = "TimingGCN"

    def __init__(self, seed: int = 0, block_nodes: int | None = None) -> None:
        self.seed, self.block_nodes = seed, block_nodes
        self.module = seeded(TimingGCNModule, seed)
        self.rows: list[dict[str, Any]] = []

    def fit(self, train: Sequence[Example], validation: Sequence[Example], recipe: Mapping[str, Any], run: Any) -> None:
        """Learn by :class:`tasks.timing.peers.training.Recipe`.

        Raises:
            CircuitError: a design has no placement or no parasitics, or the recipe is wrong.
        """
        refuse_shared_families(train, validation)
        settings = Recipe.of({"seed": self.seed, **recipe}, DEFAULTS)
        if settings.seed != self.seed:
            self.seed, self.module = settings.seed, seeded(TimingGCNModule, settings.seed)
        self.rows = fit_levelled(self.module, Designs.of(train), Designs.of(validation), settings, run)

    def predict(self, inputs: TimingInputs) -> Prediction:
        """Arrival, slew and slack of every pin; labels are not read.

        Raises:
            CircuitError: there is no placement.
        """
        graph = pin_graph(inputs)
        return predicted(inputs, graph, propagated(self.module, graph, self.block_nodes))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Weights, and what they are of."""
        return dict(self.module.state_dict()), about_model(self.name, self.seed)

    @classmethod
    def from_state(
        cls, tensors: Mapping[str, Tensor], about: Mapping[str, Any], place: str = "checkpoint"
    ) -> TimingGCN:
        """The inverse of :meth:`state`.

        Raises:
            CircuitError: the weights are of another model.
        """
        return filled(cls, tensors, about, place)
