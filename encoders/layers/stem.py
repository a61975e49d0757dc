"""What encoders share before any mixing: the stem of a node, the map of its edges' features, bounded maps."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from circuitgraph.pyg import CircuitData
from circuitgraph.views.view import node_kinds
from encoders.layers.parts import by_parts


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
        like = self.features.weight

        def part(start: int, stop: int) -> Tensor:
            hidden = self.kind(data.node_kind[start:stop]) + self.features(data.x[start:stop].to(like.dtype))
            normed: Tensor = self.norm(hidden)
            return normed

        return by_parts(part, len(data.x), like.new_empty(0, len(like)))


class EdgeStem(nn.Module):
    """Relation and features of edges, averaged at the node that they enter (or leave) -> [N, d].

    Edges are seen only here, so hiding the features of a masked cell's arcs is a matter of their rows alone. The map
    is linear, so it reads averages that all layers share (:func:`encoders.layers.edges.edge_averages`).
    """

    def __init__(self, relations: int, edge_features: int, width: int) -> None:
        super().__init__()
        self.relation = nn.Embedding(relations, width)
        self.features = nn.Linear(edge_features, width, bias=False)

    def forward(self, averages: Tensor) -> Tensor:
        """[n, d] from [n, relations + D]; zero for a node without edges."""
        weight = torch.cat([self.relation.weight.t(), self.features.weight], dim=1)
        return nn.functional.linear(averages.to(weight.dtype), weight)


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
