"""Local layers: message passing over all relations, both ways along each edge, that can count."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from circuitgraph.partition import Blocks
from encoders.layers.aggregate import MeanGraph
from encoders.layers.parts import add_means, by_parts
from encoders.layers.stem import EdgeStem


def log_degrees(graphs: Sequence[MeanGraph]) -> Tensor:
    """ln(1 + entries) / ln 5 of each node in each CSR, float32 [N, G]."""
    counts = np.stack([np.diff(graph.ptr) for graph in graphs], axis=1)
    return torch.from_numpy((np.log1p(counts) / np.log(5)).astype(np.float32))


class _Layer(nn.Module):
    """h + MLP of the normalised state, of each mean, of each mean times its log degree, of the edges' features."""

    def __init__(self, relations: int, edge_features: int, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.own = nn.Linear(width, width)
        self.means = nn.ModuleList(nn.Linear(2 * width, width, bias=False) for _ in range(2 * relations))
        self.edges_in = EdgeStem(relations, edge_features, width)
        self.edges_out = EdgeStem(relations, edge_features, width)
        self.out = nn.Linear(width, width)
        nn.init.zeros_(self.out.bias)
        with torch.no_grad():
            self.out.weight.mul_(0.5)

    def forward(
        self,
        normed: Tensor,
        averages: tuple[Tensor, Tensor],
        graphs: Sequence[MeanGraph],
        degrees: Tensor,
        start: int,
        stop: int,
    ) -> Tensor:
        """Increment of the rows start to stop, [stop - start, d]."""
        total = self.own(normed[start:stop])
        total = total + self.edges_in(averages[1][start:stop]) + self.edges_out(averages[0][start:stop])
        for row, (layer, graph) in enumerate(zip(self.means, graphs, strict=True)):
            total = add_means(total, layer, normed, graph, start, stop, degrees[:, row])
        found: Tensor = self.out(nn.functional.relu(total))
        return found


class LocalLayers(nn.Module):
    """K layers and a final norm; a node sees K hops, whatever the direction of the edges.

    Args:
        relations, edge_features: of the view.
        width: d, even.
        layers: K.
    """

    def __init__(self, relations: int, edge_features: int, width: int, layers: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(_Layer(relations, edge_features, width) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(
        self,
        hidden: Tensor,
        averages: tuple[Tensor, Tensor],
        graphs: Sequence[MeanGraph],
        degrees: Tensor,
        blocks: Blocks | None = None,
    ) -> Tensor:
        """States of all nodes, [N, d]; with *blocks* no more rows than a block's are worked on at once.

        Args:
            averages: of the edges' features at their sources and at their targets, [N, relations + D] each.
            graphs: per relation and direction, the CSR of all nodes.
            degrees: :func:`log_degrees` of them, [N, G].
        """
        own: Tensor | None = None  # where the states may be written without the caller's notice
        for layer in self.layers:
            step = partial(_step, layer, hidden, layer.norm(hidden), averages, graphs, degrees)  # type: ignore[operator]
            own = hidden = by_parts(step, len(hidden), hidden, blocks, own)
            del step  # or the next layer's normalised states stand beside this one's
        return by_parts(lambda start, stop: self.norm(hidden[start:stop]), len(hidden), hidden, blocks, own)


def _step(
    layer: nn.Module,
    hidden: Tensor,
    normed: Tensor,
    averages: tuple[Tensor, Tensor],
    graphs: Sequence[MeanGraph],
    degrees: Tensor,
    start: int,
    stop: int,
) -> Tensor:
    """Rows start to stop after a layer."""
    found: Tensor = hidden[start:stop] + layer(normed, averages, graphs, degrees, start, stop)
    return found
