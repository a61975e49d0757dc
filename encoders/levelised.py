"""The levelised encoder: a sweep along the levels, one against them, and the edges that do not order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData
from encoders.encoder import Embedding, Schema, pool
from encoders.layers.edges import edge_averages, relation_graphs, sweep_graphs
from encoders.layers.parts import add_means, by_parts, longest_part, part_of
from encoders.layers.stem import BoundedLinear, EdgeStem, Stem
from encoders.layers.sweep import SweepGraph, driven_sweep

GATE_BIASES = (1.0, 6.0)
"""Initial biases of the gates, spread over the channels: they hand a state on through 3 to 400 levels."""


class _Round(nn.Module):
    """One direction: gates and drives from the stem (and from what was swept before), then the sweep."""

    def __init__(self, width: int, has_previous: bool) -> None:
        super().__init__()
        self.gate = BoundedLinear(width, width, 2.0)
        with torch.no_grad():
            self.gate.bias.copy_(torch.linspace(*GATE_BIASES, width))  # type: ignore[union-attr]
        self.drive = BoundedLinear(width, width, 2.0)
        self.previous = BoundedLinear(width, width, 1.0, bias=False) if has_previous else None
        self.weight = BoundedLinear(width, width, 0.5, bias=False)

    def forward(
        self,
        hidden: Tensor,
        edges: Callable[[Tensor], Tensor],
        averages: Tensor,
        previous: Tensor | None,
        graph: SweepGraph,
        part: int,
    ) -> Tensor:
        """States of all nodes, [N, d]; the gate never sees a swept state.

        Args:
            hidden: stem, [N, d].
            edges: the map of *averages* [N, relations + D], added to the stem.
            previous: states of the round before, [N, d].
            part: most nodes whose gates are held at once where no gradient is recorded.
        """

        def gates(rows: Tensor | None) -> tuple[Tensor, Tensor]:
            own = _rows(hidden, rows) + edges(_rows(averages, rows))
            drive = self.drive(own)
            if self.previous is not None and previous is not None:
                drive = drive + self.previous(_rows(previous, rows))
            return torch.sigmoid(self.gate(own)), drive

        return driven_sweep(gates, self.weight.bounded(), graph, part=part)


def _rows(value: Tensor, rows: Tensor | None) -> Tensor:
    return value if rows is None else value.index_select(0, rows)


class Levelised(nn.Module):
    """Forward and fan-out sweeps over the levels, with an update that cannot explode (encoders/layers/sweep.py).

    Args:
        schema: of the view.
        width: d, even.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {}
    is_levelised: ClassVar[bool] = True

    def __init__(self, schema: Schema, width: int = 64) -> None:
        super().__init__()
        self.schema, self.width = schema, width
        relations = len(schema.ordering)
        self.stem_layer = Stem(schema.features, width)
        self.edges_in = EdgeStem(relations, schema.edge_features, width)
        self.edges_out = EdgeStem(relations, schema.edge_features, width)
        self.forward_round = _Round(width, has_previous=False)
        self.backward_round = _Round(width, has_previous=True)
        parts = 3 + 2 * sum(not flag for flag in schema.ordering)
        self.read = nn.ModuleList(BoundedLinear(width, width, 1.0, bias=False) for _ in range(parts))

    def config(self) -> dict[str, Any]:
        """Arguments beside the schema."""
        return {"width": self.width}

    def stem(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        found: Tensor = self.stem_layer(data)
        return found

    def forward(self, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Stem, then propagate."""
        return self.propagate(self.stem(data), data, blocks)

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Both sweeps and the read-out."""
        nodes = self.states(hidden, data, blocks)
        return Embedding(nodes, pool(nodes, data))

    def states(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Tensor:
        """Of all nodes, [N, d]; with *blocks* no more rows than a block's have gates at once."""
        along_graph, against_graph = sweep_graphs(data, self.schema.view)
        part = longest_part(blocks)
        averages = edge_averages(data, 1)
        along = self.forward_round(hidden, self.edges_in, averages, None, along_graph, part)
        averages = edge_averages(data, 0)
        against = self.backward_round(hidden, self.edges_out, averages, along, against_graph, part)
        graphs = relation_graphs(data, self.schema.view)
        sides = [2 * relation for relation, orders in enumerate(self.schema.ordering) if not orders]

        def read(start: int, stop: int) -> Tensor:
            layers = iter(self.read)
            total: Tensor = next(layers)(part_of(hidden, start, stop))
            total += next(layers)(part_of(along, start, stop))
            total += next(layers)(part_of(against, start, stop))
            for side in sides:
                total = add_means(total, next(layers), along, graphs[side], start, stop)
                total = add_means(total, next(layers), against, graphs[side + 1], start, stop)
            return total

        return by_parts(read, len(hidden), hidden, blocks)
