"""The residual encoder: a deep stack of message-passing layers over all relations, both ways along each edge."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from circuitgraph.partition import Blocks
from circuitgraph.pyg import CircuitData, relation_csr
from encoders.encoder import Embedding, Schema, pool
from encoders.layers.csr_mean import MeanGraph, csr_mean
from encoders.layers.stem import EdgeStem, Stem, flips_of


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

    def forward(self, normed: Tensor, rows: Tensor | None, edges: Tensor, graphs: list[MeanGraph]) -> Tensor:
        """Increment of the rows at hand.

        Args:
            normed: normalised states of all nodes, [N, d].
            rows: nodes at hand, or None for all.
            edges: mean of the edges' features at the rows at hand.
            graphs: per relation and direction, the CSR of the rows at hand.
        """
        total = self.own(normed if rows is None else normed.index_select(0, rows)) + edges
        for layer, graph in zip(self.means, graphs, strict=True):
            total = total + layer(csr_mean(normed, graph))
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
        """All layers; with *blocks* layer by layer over the blocks, with the states of the layer before stored."""
        graphs = self._graphs(data)
        parts: list[np.ndarray | None] = [None]
        if blocks is not None:
            parts = [blocks.nodes(block) for block in range(len(blocks))]
        cut = [[_rows_of(graph, rows) for graph in graphs] for rows in parts]
        for layer in self.layers:
            normed = layer.norm(hidden)
            edges = layer.edges_in(data, 1) + layer.edges_out(data, 0)
            if blocks is None:
                hidden = hidden + layer(normed, None, edges, cut[0])
                continue
            rows_of = [torch.from_numpy(rows) for rows in parts]
            increments = [
                layer(normed, at, edges.index_select(0, at), pieces) for at, pieces in zip(rows_of, cut, strict=True)
            ]
            if rows_of:
                hidden = hidden.index_add(0, torch.cat(rows_of), torch.cat(increments))
        nodes = self.norm(hidden)
        return Embedding(nodes, pool(nodes, data))

    def _graphs(self, data: CircuitData) -> list[MeanGraph]:
        found = []
        for relation in range(len(self.schema.ordering)):
            in_ptr, in_node, in_edge, out_ptr, out_node, out_edge = relation_csr(data, relation)
            flips = (flips_of(data, self.schema.view, in_edge), flips_of(data, self.schema.view, out_edge))
            found.append(MeanGraph.of(in_ptr, in_node, flips[0], data.num_nodes))
            found.append(MeanGraph.of(out_ptr, out_node, flips[1], data.num_nodes))
        return found


def _rows_of(graph: MeanGraph, rows: np.ndarray | None) -> MeanGraph:
    """The CSR of some rows only."""
    if rows is None:
        return graph
    counts = graph.ptr[rows + 1] - graph.ptr[rows]
    entries = np.repeat(graph.ptr[rows] - (np.cumsum(counts) - counts), counts) + np.arange(counts.sum())
    ptr = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(counts, out=ptr[1:])
    sources = len(graph.back_ptr) - 1
    return MeanGraph.of(
        ptr, np.ascontiguousarray(graph.node[entries]), np.ascontiguousarray(graph.flip[entries]), sources
    )
