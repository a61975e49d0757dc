"""Attention pooling: several learned questions to the nodes of a graph, and how large the graph is."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from circuitgraph.pyg import CircuitData, graph_of, num_graphs_of


class AttentionPool(nn.Module):
    """Embedding of each graph from its nodes.

    Each of *queries* scores every node; a softmax over the graph's nodes weighs them; the weighted means are joined
    with the logarithms of the numbers of nodes and edges, which a mean forgets.

    Args:
        width: columns d of the nodes and of the result.
        queries: number of learned questions.
    """

    def __init__(self, width: int, queries: int = 4) -> None:
        super().__init__()
        self.queries = queries
        self.score = nn.Linear(width, queries, bias=False)
        self.out = nn.Linear(queries * width + 2, width)

    def forward(self, nodes: Tensor, data: CircuitData) -> Tensor:
        """[B, d] from [N, d]; a graph without nodes has no weighted means."""
        graph, graphs = graph_of(data), num_graphs_of(data)
        graph = graph.to(nodes.device)
        score = self.score(nodes) / math.sqrt(nodes.size(1))
        place = graph[:, None].expand_as(score)
        top = score.new_zeros(graphs, self.queries).scatter_reduce(0, place, score.detach(), "amax", include_self=False)
        weight = (score - top.index_select(0, graph)).exp()
        total = weight.new_zeros(graphs, self.queries).index_add(0, graph, weight)
        weight = weight / total.index_select(0, graph)
        parts = [
            nodes.new_zeros(graphs, nodes.size(1)).index_add(0, graph, nodes * weight[:, query, None])
            for query in range(self.queries)
        ]
        count = nodes.new_zeros(graphs).index_add(0, graph, nodes.new_ones(len(graph)))
        ends = graph.index_select(0, data.edge_index[1])
        edges = nodes.new_zeros(graphs).index_add(0, ends, nodes.new_ones(len(ends)))
        sizes = torch.stack([count.log1p(), edges.log1p()], dim=1) / 10
        found: Tensor = self.out(torch.cat([*parts, sizes], dim=1))
        return found
