"""The residual encoder: a deep stack of message-passing layers over all relations, both ways along each edge."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData
from encoders.encoder import Embedding, Schema, pool
from encoders.layers.aggregate import MeanGraph
from encoders.layers.edges import edge_averages, relation_graphs
from encoders.layers.parts import add_means, by_parts, part_of
from encoders.layers.stem import EdgeStem, Stem


class _Layer(nn.Module):
    """h + MLP of the normalised state, of the mean along each relation both ways, and of the edges' features."""

    def __init__(self, schema: Schema, width: int) -> None:
        super().__init__()
        relations = len(schema.ordering)
        self.norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, width)
        self.means = nn.ModuleList(nn.Linear(width, width, bias=False) for _ in range(2 * relations))
        self.edges_in = EdgeStem(relations, schema.edge_features, width)
        self.edges_out = EdgeStem(relations, schema.edge_features, width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.weight.mul_(0.5)

    def forward(
        self, normed: Tensor, averages: tuple[Tensor, Tensor], graphs: list[MeanGraph], start: int, stop: int
    ) -> Tensor:
        """Increment of the rows start to stop, [stop - start, d].

        Args:
            normed: normalised states of all nodes, [N, d].
            averages: of the edges' features at their sources and at their targets, [N, relations + D] each.
            graphs: per relation and direction, the CSR of all nodes.
        """
        total: Tensor = self.own(part_of(normed, start, stop))
        total += self.edges_in(averages[1][start:stop])
        total += self.edges_out(averages[0][start:stop])
        for layer, graph in zip(self.means, graphs, strict=True):
            total = add_means(total, layer, normed, graph, start, stop)
        found: Tensor = self.out(nn.functional.relu(total))
        return found


class Residual(nn.Module):
    """K residual layers; a node sees K hops, whatever the direction of the edges.

    Args:
        schema: of the view.
        width: d, even.
        layers: K.
    """

    expected_failures: ClassVar[Mapping[str, str]] = {}
    is_levelised: ClassVar[bool] = False

    def __init__(self, schema: Schema, width: int = 64, layers: int = 6) -> None:
        super().__init__()
        self.schema, self.width = schema, width
        self.stem_layer = Stem(schema.features, width)
        self.layers = nn.ModuleList(_Layer(schema, width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def config(self) -> dict[str, Any]:
        """Arguments beside the schema."""
        return {"width": self.width, "layers": len(self.layers)}

    def stem(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        found: Tensor = self.stem_layer(data)
        return found

    def forward(self, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """Stem, then propagate."""
        return self.propagate(self.stem(data), data, blocks)

    def propagate(self, hidden: Tensor, data: CircuitData, blocks: Blocks | None = None) -> Embedding:
        """All layers; with *blocks* layer by layer, a block's number of rows at a time, over stored states."""
        nodes = self.states(hidden, data, (edge_averages(data, 0), edge_averages(data, 1)), blocks)
        return Embedding(nodes, pool(nodes, data))

    def states(
        self, hidden: Tensor, data: CircuitData, averages: tuple[Tensor, Tensor], blocks: Blocks | None = None
    ) -> Tensor:
        """Of all nodes, [N, d]; *averages* of edge features at sources and targets, [N, relations + D] each."""
        graphs = relation_graphs(data, self.schema.view)
        own: Tensor | None = None  # where the states may be written without the caller's notice
        for layer in self.layers:
            normed = layer.norm(hidden)
            step = partial(_step, layer, hidden, normed, averages, graphs)
            own = hidden = by_parts(step, len(hidden), hidden, blocks, own)
            del normed, step  # or the next layer's stand beside them
        return by_parts(lambda start, stop: self.norm(part_of(hidden, start, stop)), len(hidden), hidden, blocks, own)


def _step(
    layer: nn.Module,
    hidden: Tensor,
    normed: Tensor,
    averages: tuple[Tensor, Tensor],
    graphs: list[MeanGraph],
    start: int,
    stop: int,
) -> Tensor:
    """Rows start to stop after a layer."""
    found: Tensor = part_of(hidden, start, stop) + layer(normed, averages, graphs, start, stop)
    return found
