"""Transforms of graphs, as PyG takes them: callables on data, for ``transform=`` and ``pre_transform=`` of data sets.

They never touch what they are given: a changed copy comes back.
"""

from __future__ import annotations

import copy

import numpy as np
import torch
from torch import Tensor

from circuitgraph.analysis.levels import sort_levels
from circuitgraph.errors import CircuitError
from circuitgraph.pyg import CircuitData, ordering_of
from circuitgraph.views.view import kind_number


class ReverseEdges:
    """Every edge also backwards, under a relation of its own that does not order the levels.

    PyG's ``ToUndirected`` would add the features of edges that are parallel or already there; here each edge keeps
    its features and its reverse has the same, and which is which stays in ``edge_relation``.

    >>> from circuitgraph.pyg import to_data
    >>> from circuitgraph.views import logic_view
    >>> from circuitgraph.circuit import CircuitBuilder
    >>> builder = CircuitBuilder("wire")
    >>> builder.output("y", builder.input("a"))
    0
    >>> ReverseEdges()(to_data(logic_view(builder.build()))).edge_index.tolist()
    [[1, 0], [0, 1]]
    """

    def __call__(self, data: CircuitData) -> CircuitData:
        """A graph with 2 E edges, sorted by target; relation r + R is the reverse of relation r."""
        ordering = ordering_of(data)
        found = copy.copy(data)
        index = torch.cat([data.edge_index, data.edge_index.flip(0)], dim=1)
        relation = torch.cat([data.edge_relation, data.edge_relation + len(ordering)])
        order = torch.argsort(index[1], stable=True)
        found.edge_index = index.index_select(1, order)
        found.edge_relation = relation.index_select(0, order)
        found.edge_attr = torch.cat([data.edge_attr, data.edge_attr]).index_select(0, order)
        found.num_relations = 2 * len(ordering)
        found.ordering = (*ordering, *(False for _ in ordering))
        return found

    def __repr__(self) -> str:
        """Its name."""
        return "ReverseEdges()"


class InverterNodes:
    """Complemented edges of a logic view become inverters: for encoders that read node kinds but no edge features.

    Each complemented edge gets an inverter of its own, behind all other nodes, as MGVGA's and DeepGate2's graphs have
    them; levels, degrees and depths of the features are those of the new graph.

    Source: H. Wu et al. (ICLR 2025), from their published loader.
    """

    def __call__(self, data: CircuitData) -> CircuitData:
        """A graph of N + (complemented edges) nodes; the first N are the circuit's own, in their order."""
        if data.view_name != "logic":
            raise CircuitError("InverterNodes", f"view {data.view_name!r}", "has no complemented edges", "use 'logic'")
        inverted = data.edge_attr[:, 0] > 0.5
        added, nodes = int(inverted.sum()), int(data.num_nodes)
        own = nodes + torch.arange(added)
        source, target = data.edge_index
        index = torch.stack([torch.cat([source, own]), torch.cat([torch.where(inverted, 0, target), target[inverted]])])
        index[1, : len(target)][inverted] = own
        relation = torch.cat([data.edge_relation, data.edge_relation[inverted]])
        relation[: len(target)][inverted] = 0  # into the inverter the edge orders, whatever it ended at
        features = torch.cat([data.edge_attr, data.edge_attr[inverted]])
        features[:, 0] = 0
        features[: len(target)][inverted] = 0
        order = torch.argsort(index[1], stable=True)
        found = copy.copy(data)
        found.edge_index = index.index_select(1, order)
        found.edge_relation = relation.index_select(0, order)
        found.edge_attr = features.index_select(0, order)
        found.num_nodes = nodes + added
        found.node_kind = torch.cat([data.node_kind, torch.full((added,), kind_number("inv"))])
        found.unit = torch.cat([data.unit, torch.zeros(added, dtype=torch.int64)])
        found.maskable = torch.cat([data.maskable, torch.zeros(added, dtype=torch.bool)])
        found.level, left = _levels(found)
        found.x = _features(data, found, left)
        return found

    def __repr__(self) -> str:
        """Its name."""
        return "InverterNodes()"


def _levels(data: CircuitData) -> tuple[Tensor, Tensor]:
    """Longest path to and from each node over the edges that order, int64 [N]."""
    ordering = np.array(ordering_of(data), np.bool_)
    keep = ordering[data.edge_relation.numpy()]
    source, target = (end[keep] for end in data.edge_index.numpy())
    nodes = int(data.num_nodes)
    level, _ = sort_levels(source, target, nodes)
    left, _ = sort_levels(target, source, nodes)
    return torch.from_numpy(level.astype(np.int64)), torch.from_numpy(left.astype(np.int64))


def _features(before: CircuitData, after: CircuitData, left: Tensor) -> Tensor:
    """Features of the logic view for the new graph: degrees and levels anew, flags kept."""
    nodes = int(after.num_nodes)
    found = torch.zeros(nodes, before.x.size(1))
    found[: len(before.x)] = before.x
    for column, end in ((0, 1), (1, 0)):
        counts = torch.bincount(after.edge_index[end], minlength=nodes)
        found[:, column] = torch.log1p(counts.float()) / np.log(5)
    found[:, 2] = torch.log1p(after.level.float()) / np.log(33)
    found[:, 3] = torch.log1p(left.float()) / np.log(33)
    return found
