"""What encoders share before any mixing: the stem of a node, the mean of its edges' features, bounded maps."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from circuitgraph.pyg import CircuitData
from circuitgraph.views.view import node_kinds

INVERTED_COLUMN = {"logic": 0}
"""Column of ``edge_attr`` that says an edge is complemented, by view; other views have none."""


class Stem(nn.Module):
    """Kind and features of each node alone -> [N, d], normalised.

    Args:
        features: columns F of ``x``.
        width: d.
    """

    def __init__(self, features: int, width: int) -> None:
        super().__init__()
        self.kind = nn.Embedding(len(node_kinds()), width)
        self.features = nn.Linear(features, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, data: CircuitData) -> Tensor:
        """[N, d]."""
        dtype = self.features.weight.dtype
        out: Tensor = self.norm(self.kind(data.node_kind) + self.features(data.x.to(dtype)))
        return out


class EdgeStem(nn.Module):
    """Relation and features of edges, averaged at the node that they enter (or leave) -> [N, d].

    Edges are seen only here, so hiding the features of a masked cell's arcs is a matter of their rows alone.
    """

    def __init__(self, relations: int, edge_features: int, width: int) -> None:
        super().__init__()
        self.relation = nn.Embedding(relations, width)
        self.features = nn.Linear(edge_features, width, bias=False)

    def forward(self, data: CircuitData, end: int) -> Tensor:
        """Mean at the target (*end* 1) or at the source (*end* 0)."""
        dtype = self.features.weight.dtype
        edges = self.relation(data.edge_relation) + self.features(data.edge_attr.to(dtype))
        node = data.edge_index[end]
        total = edges.new_zeros(data.num_nodes, edges.size(1)).index_add(0, node, edges)
        count = edges.new_zeros(data.num_nodes).index_add(0, node, edges.new_ones(len(node)))
        return total / count.clamp(min=1)[:, None]


class BoundedLinear(nn.Module):
    """A linear map whose rows have a sum of absolute weights of at most *bound*: bound-Lipschitz in the max-norm.

    Args:
        inputs, outputs: columns.
        bound: holds at every value of the stored weights.
    """

    def __init__(self, inputs: int, outputs: int, bound: float, bias: bool = True) -> None:
        super().__init__()
        self.bound = bound
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.normal_(self.weight, std=2.0 * bound / max(1, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None

    def bounded(self) -> Tensor:
        """The weights that count, [outputs, inputs]."""
        return self.weight * (self.bound / self.weight.abs().sum(1, keepdim=True).clamp(min=self.bound))

    def forward(self, value: Tensor) -> Tensor:
        """[..., outputs]."""
        return nn.functional.linear(value, self.bounded(), self.bias)


def flips_of(data: CircuitData, view: str, edges: np.ndarray) -> np.ndarray:
    """uint8 per edge row of *edges*: whether it is complemented."""
    column = INVERTED_COLUMN.get(view)
    if column is None:
        return np.zeros(len(edges), np.uint8)
    return (data.edge_attr[:, column].numpy()[edges] > 0.5).astype(np.uint8)
