"""What layers read of a graph's edges, made once a graph: CSRs with flips, and the edges' features by node.

Everything here depends on the edges and their features alone. It is kept beside the data for as long as those are the
same tensors, so all layers and steps share it; hiding the features of masked cells makes new tensors, and new values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from circuitgraph.pyg import CircuitData, ordering_of, relation_csr, sweep_of
from encoders.layers.aggregate import FlipArray, LongArray, MeanGraph
from encoders.layers.sweep import SweepGraph

INVERTED_COLUMN = {"logic": 0}
"""Column of ``edge_attr`` that says an edge is complemented, by view; other views have none."""


def relation_graphs(data: CircuitData, view: str) -> list[MeanGraph]:
    """Per relation of the view two CSRs: what enters each node, what leaves it.

    Args:
        view: kind of the view, which says where the edges' inversion stands.
    """

    def make() -> list[MeanGraph]:
        found = []
        for relation in range(len(ordering_of(data))):
            in_ptr, in_node, in_edge, out_ptr, out_node, out_edge = relation_csr(data, relation)
            flips = (flips_of(data, view, in_edge), flips_of(data, view, out_edge))
            into = MeanGraph(in_ptr, in_node, flips[0], out_ptr, out_node, flips[1])
            found += [into, into.reversed()]
        return found

    found: list[MeanGraph] = _kept(data, f"relations of {view}", make)
    return found


def sweep_graphs(data: CircuitData, view: str) -> tuple[SweepGraph, SweepGraph]:
    """What a sweep along the levels reads, and what one against them reads."""

    def make() -> tuple[SweepGraph, SweepGraph]:
        found = sweep_of(data)
        along = SweepGraph(found.order, found.in_ptr, found.in_node, flips_of(data, view, found.in_edge))
        order = np.ascontiguousarray(found.order[::-1])
        return along, SweepGraph(order, found.out_ptr, found.out_node, flips_of(data, view, found.out_edge))

    found: tuple[SweepGraph, SweepGraph] = _kept(data, f"sweeps of {view}", make)
    return found


def edge_averages(data: CircuitData, end: int) -> Tensor:
    """Relation (one-hot) and features of edges, averaged at their target (*end* 1) or source (*end* 0).

    Returns:
        float32 [N, relations + D]; zeros for a node without such edges.
    """

    def make() -> Tensor:
        relations, nodes = len(ordering_of(data)), int(data.num_nodes)
        node, device = data.edge_index[end], data.edge_attr.device
        place = node * relations + data.edge_relation
        kinds = torch.bincount(place, minlength=nodes * relations).view(nodes, relations).to(torch.float32)
        features = torch.zeros(nodes, data.edge_attr.size(1), device=device)
        features.index_add_(0, node, data.edge_attr.detach().to(torch.float32))
        return torch.cat([kinds, features], dim=1).div_(kinds.sum(1, keepdim=True).clamp_(min=1))

    found: Tensor = _kept(data, f"averages at {end}", make)
    return found


def flips_of(data: CircuitData, view: str, edges: LongArray) -> FlipArray:
    """uint8 per edge row of *edges*: whether it is complemented."""
    column = INVERTED_COLUMN.get(view)
    if column is None:
        return np.zeros(len(edges), np.uint8)
    inverted: FlipArray = _kept(
        data, "inverted", lambda: (data.edge_attr[:, column] > 0.5).cpu().numpy().astype(np.uint8)
    )
    return inverted[edges]


def _kept(data: CircuitData, name: str, make: Callable[[], Any]) -> Any:
    """A value made from the edges, kept beside the data while its edge tensors are the same ones, unchanged."""
    edges = (data.edge_index, data.edge_relation, data.edge_attr)
    state = (*(tensor._version for tensor in edges), int(data.num_nodes))
    held = data.__dict__.get("_by_edges")
    if held is None or held[1] != state or any(one is not other for one, other in zip(held[0], edges, strict=True)):
        held = (edges, state, {})
        data.__dict__["_by_edges"] = held
    values: dict[str, Any] = held[2]
    if name not in values:
        values[name] = make()
    return values[name]
