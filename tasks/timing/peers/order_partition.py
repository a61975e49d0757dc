"""Pieces of a heterograph: PreRoutGNN's order-preserving partition with halo levels, and ours with carried state.

Theirs takes runs of pairs of levels and four levels on each side of a run, and nothing else: an edge into a counted
node that comes from further away is cut, and features that average over the graph see the piece alone. Ours cuts the
list of nodes by level anywhere, and a piece holds every edge into its counted nodes with the whole nets around them, so
that what a net convolution computes for them is what it computes on the whole graph; states of nodes outside come from
earlier pieces. So block by block equals the whole.

Source: Zhong et al., PreRoutGNN, AAAI 2024, section on order-preserving partition, and its data_hetero.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import CircuitError
from tasks.timing.peers.pin_graph import PinGraph

LongArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

THEIR_NODES = 50_000
"""Nodes above which they cut a graph, and which a run of levels reaches."""
HALO = 4
"""Levels on each side of a run."""


@dataclass(frozen=True, eq=False)
class Piece:
    """A part of a heterograph; n nodes.

    | field | type, shape | meaning |
    |---|---|---|
    | nodes | int64 [n] | ascending |
    | counted | bool [n] | nodes that the piece is there for |
    | nets, cells | int64 | net edges and cell edges |
    | halo_counts | bool | as theirs: cell edges of the halo count, and sums over counted nodes are divided by all |
    """

    nodes: LongArray
    counted: BoolArray
    nets: LongArray
    cells: LongArray
    halo_counts: bool = False


def whole(graph: PinGraph) -> Piece:
    """All of a graph."""
    count = len(graph)
    edges = np.arange(len(graph.net_arc)), np.arange(len(graph.cell_arc))
    return Piece(np.arange(count), np.ones(count, np.bool_), *edges)


def halo_pieces(graph: PinGraph, max_nodes: int = THEIR_NODES, halo: int = HALO) -> list[Piece]:
    """Their partition: runs of pairs of levels that reach *max_nodes* nodes, with *halo* levels on each side.

    A graph of at most *max_nodes* nodes stays whole, as theirs.
    """
    _check(max_nodes)
    if len(graph) <= max_nodes:
        return [whole(graph)]
    size = np.bincount(graph.level)
    levels = len(size) + len(size) % 2
    upto = np.concatenate([[0], np.cumsum(size), np.full(levels - len(size) + 1, size.sum())])
    found, start = [], 0
    while start < levels:
        length = 2
        while upto[start + length] - upto[start] < max_nodes and start + length + 2 <= levels:
            length += 2
        inside = (graph.level >= max(start - halo, 0)) & (graph.level < start + length + halo)
        counted = (graph.level >= start) & (graph.level < start + length)
        nets = np.flatnonzero(inside[graph.net_source] & inside[graph.net_target])
        cells = np.flatnonzero(inside[graph.cell_source] & inside[graph.cell_target])
        nodes = np.flatnonzero(inside)
        found.append(Piece(nodes, counted[nodes], nets, cells, halo_counts=True))
        start += length
    return found


def carried_pieces(graph: PinGraph, max_nodes: int) -> list[Piece]:
    """Ours: consecutive pieces of at most *max_nodes* counted nodes, by level, each with all that its nodes read.

    A node reads the sources of its edges, and of every net it or they stand on the driver and all sinks.
    """
    _check(max_nodes)
    order = np.argsort(graph.level, kind="stable")
    net = np.full(len(graph), -1, np.int64)
    net[graph.net_source] = graph.net_source
    net[graph.net_target] = graph.net_source
    found = []
    for start in range(0, len(order), max_nodes):
        own = np.zeros(len(graph), np.bool_)
        own[order[start : start + max_nodes]] = True
        cells = np.flatnonzero(own[graph.cell_target])
        read = own.copy()
        read[graph.cell_source[cells]] = True
        touched = np.zeros(len(graph), np.bool_)
        touched[net[read & (net >= 0)]] = True
        nets = np.flatnonzero(touched[graph.net_source])
        read[graph.net_source[nets]] = True
        read[graph.net_target[nets]] = True
        nodes = np.flatnonzero(read)
        found.append(Piece(nodes, own[nodes], nets, cells))
    return found


def pieces_of(graph: PinGraph, blocks: str | None, max_nodes: int) -> list[Piece]:
    """Pieces of the kind that a recipe names: "theirs", "carried" or None, the whole.

    Raises:
        CircuitError: there is no such kind.
    """
    if blocks is None:
        return [whole(graph)]
    if blocks == "theirs":
        return halo_pieces(graph, max_nodes)
    if blocks == "carried":
        return carried_pieces(graph, max_nodes)
    raise CircuitError(
        "recipe", f"blocks {blocks!r}", "is no kind of partition", "write theirs or carried, or leave it out"
    )


def cut_edges(graph: PinGraph, pieces: Sequence[Piece]) -> int:
    """Edges into counted nodes that the node's piece does not hold."""
    held = 0
    for piece in pieces:
        counted = np.zeros(len(graph), np.bool_)
        counted[piece.nodes[piece.counted]] = True
        held += int(counted[graph.net_target[piece.nets]].sum() + counted[graph.cell_target[piece.cells]].sum())
    return len(graph.net_arc) + len(graph.cell_arc) - held


def _check(max_nodes: int) -> None:
    if max_nodes < 1:
        raise CircuitError("recipe", "block_nodes", f"must be at least 1, not {max_nodes}", "give a larger number")
