"""Rows of state for consecutive blocks of the levelled order, walked forward or backward.

A node's state is held from its own block to the last one that reads it. Backward its gradient is held just as long:
it is born, 0, with the last reader and complete when its own block comes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_prepare import Prepared

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Live:
    """Blocks, and how long each node is held; V nodes, B blocks.

    | field | type, shape | meaning |
    |---|---|---|
    | ranges | tuple of (start, stop) | of the levelled order |
    | own, last | int64 [V] | block of each node, last block that reads it |
    | frontier | int64 [B] | rows that are held from earlier blocks while each is swept |
    | peak | int | most rows held at once, the block's own among them |
    """

    ranges: tuple[tuple[int, int], ...]
    own: LongArray
    last: LongArray
    frontier: LongArray
    peak: int

    def forward(self, order: IntArray) -> Iterator[tuple[int, int, IntArray]]:
        """Start and stop of each block, and the row of every node that is held (-1 = none), int32 [V]."""
        row, free, left = self._rows()
        by_last, gone = self._by_last()
        for block, (start, stop) in enumerate(self.ranges):
            left = _give(row, free, left, order[start:stop])
            yield start, stop, row
            left = _take(row, free, left, by_last[gone[block] : gone[block + 1]])

    def backward(self, order: IntArray) -> Iterator[tuple[int, int, int, IntArray, IntArray]]:
        """Block, start, stop, the nodes that are held from here on, and the row of every node that is held.

        Of one block alone every node has its own number as its row.
        """
        if len(self.ranges) == 1:
            every = np.arange(len(order), dtype=np.int32)
            yield 0, 0, len(order), every, every
            return
        row, free, left = self._rows()
        by_last, gone = self._by_last()
        for block in range(len(self.ranges) - 1, -1, -1):
            start, stop = self.ranges[block]
            born = by_last[gone[block] : gone[block + 1]]
            left = _give(row, free, left, born)
            yield block, start, stop, born, row
            left = _take(row, free, left, order[start:stop])

    def _rows(self) -> tuple[IntArray, IntArray, int]:
        return np.full(len(self.own), -1, np.int32), np.arange(self.peak - 1, -1, -1, dtype=np.int32), self.peak

    def _by_last(self) -> tuple[IntArray, LongArray]:
        """Nodes by the last block that reads them, and where each block's begin."""
        by_last = np.argsort(self.last, kind="stable").astype(np.int32)
        return by_last, np.searchsorted(self.last[by_last], np.arange(len(self.ranges) + 1)).astype(np.int64)


def _give(row: IntArray, free: IntArray, left: int, nodes: IntArray) -> int:
    row[nodes] = free[left - len(nodes) : left][::-1]
    return left - len(nodes)


def _take(row: IntArray, free: IntArray, left: int, nodes: IntArray) -> int:
    free[left : left + len(nodes)] = row[nodes]
    row[nodes] = -1
    return left + len(nodes)


def live_of(prepared: Prepared, blocks: Sequence[tuple[int, int]] | None) -> Live:
    """How long each node is held over given blocks; None = one block.

    Raises:
        ValueError: the blocks do not cover the order one behind the other.
    """
    order, count = prepared.order, prepared.nodes.count
    ranges = tuple(blocks) if blocks else ((0, count),)
    edges = [0, *(stop for _, stop in ranges)]
    if edges[-1] != count or any(start != edge for (start, _), edge in zip(ranges, edges, strict=False)):
        raise ValueError("blocks must cover the order one behind the other")
    own = np.empty(count, np.int64)
    own[order] = np.repeat(np.arange(len(ranges)), np.diff(edges))
    last = own.copy()
    np.maximum.at(last, prepared.arcs.source, own[prepared.arcs.target])
    entered = np.bincount(own, minlength=len(ranges))
    left = np.bincount(last, minlength=len(ranges))
    held = np.cumsum(entered) - np.concatenate([[0], np.cumsum(left)[:-1]])
    return Live(ranges, own, last, held - entered, int(held.max(initial=0)))
