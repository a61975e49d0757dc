"""Order-preserving blocks with carried state: block-wise equals whole-graph, memory is block + frontier.

The node list, sorted by level, is cut into consecutive blocks, so that every edge that orders goes from the same or an
earlier block. A block carries in the finished state of exactly those earlier nodes that it reads (its
frontier) and releases state whose last reader has passed. Source: the idea of consecutive blocks is PreRoutGNN's
(Zhong et al., AAAI 2024); carried state instead of halo levels is ours.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import CircuitError
from circuitgraph.views.view import View

LongArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Blocks:
    """Consecutive blocks of a view's ``order``; B blocks.

    | field | type, shape | meaning |
    |---|---|---|
    | order | int64 [N] | nodes by level, as in the view |
    | start | int64 [B + 1] | block b holds ``order[start[b]:start[b + 1]]`` |
    | frontier_start, frontier | int64 [B + 1], int64 | nodes of earlier blocks that block b reads, ascending |
    | release_start, release | int64 [B + 1], int64 | nodes whose last reader stands in block b (or that nobody reads) |
    """

    order: LongArray
    start: LongArray
    frontier_start: LongArray
    frontier: LongArray
    release_start: LongArray
    release: LongArray

    def __len__(self) -> int:
        return len(self.start) - 1

    def nodes(self, block: int) -> LongArray:
        """Nodes of a block, by level."""
        return self.order[self.start[block] : self.start[block + 1]]

    def carried(self, block: int) -> LongArray:
        """Frontier of a block: nodes of earlier blocks that it reads."""
        return self.frontier[self.frontier_start[block] : self.frontier_start[block + 1]]

    def released(self, block: int) -> LongArray:
        """Nodes whose state is not needed after this block."""
        return self.release[self.release_start[block] : self.release_start[block + 1]]

    @cached_property
    def ranges(self) -> list[tuple[int, int]]:
        """(start, stop) of each block in ``order``."""
        edges = self.start.tolist()
        return list(itertools.pairwise(edges))

    @cached_property
    def peak_alive(self) -> int:
        """Most nodes whose state is held at once: those of the block and those carried past its beginning."""
        alive = most = 0
        for block in range(len(self)):
            alive += len(self.nodes(block))
            most = max(most, alive)
            alive -= len(self.released(block))
        return most


def partition(view: View, max_nodes: int) -> Blocks:
    """Cut a view into blocks of at most *max_nodes* nodes.

    Args:
        view: its ordering relations must be acyclic (they are, or the view would not exist).
        max_nodes: most nodes in a block, at least 1.

    Raises:
        CircuitError: *max_nodes* is below 1.
    """
    ordering = np.array(view.ordering, np.bool_)
    keep = ordering[view.edge_relation] if view.num_edges else np.zeros(0, np.bool_)
    return partition_order(view.order, view.edge_index[0][keep], view.edge_index[1][keep], max_nodes)


def partition_order(
    order: npt.NDArray[np.integer],
    source: npt.NDArray[np.integer],
    target: npt.NDArray[np.integer],
    max_nodes: int,
) -> Blocks:
    """Blocks of any order and edges that respect it; see :func:`partition`."""
    if max_nodes < 1:
        raise CircuitError("--block-size", "block", f"takes at least 1 node, not {max_nodes}", "give a larger number")
    order = np.asarray(order, np.int64)
    nodes = len(order)
    start = np.unique(np.append(np.arange(0, nodes, max_nodes), nodes)).astype(np.int64)
    if nodes == 0:
        start = np.zeros(1, np.int64)
    blocks = len(start) - 1
    rank = np.empty(nodes, np.int64)
    rank[order] = np.arange(nodes)
    block_of = rank // max_nodes
    source, target = np.asarray(source, np.int64), np.asarray(target, np.int64)
    if (rank[source] >= rank[target]).any():
        edge = int(np.argmax(rank[source] >= rank[target]))
        raise ValueError(f"edge {source[edge]} -> {target[edge]} runs against the order")
    crossing = block_of[source] < block_of[target]
    pairs = np.unique(block_of[target[crossing]] * max(nodes, 1) + source[crossing])
    frontier_start = np.zeros(blocks + 1, np.int64)
    np.cumsum(np.bincount(pairs // max(nodes, 1), minlength=blocks), out=frontier_start[1:])
    last = block_of.copy()
    np.maximum.at(last, source, block_of[target])
    by_last = np.argsort(last, kind="stable")
    release_start = np.zeros(blocks + 1, np.int64)
    np.cumsum(np.bincount(last, minlength=blocks), out=release_start[1:])
    frontier = (pairs % max(nodes, 1)).astype(np.int64)
    start = start.astype(np.int64)
    return Blocks(np.asarray(order, np.int64), start, frontier_start, frontier, release_start, by_last.astype(np.int64))
