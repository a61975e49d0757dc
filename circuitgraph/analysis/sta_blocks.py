"""The sweep over consecutive blocks of the levelled order: state is held for a block and its frontier only.

Rows of state are given to the nodes of a block when it begins and taken back when the last reader of a node has
passed. Arcs into a node are reduced in one fixed order, so the result is bit for bit that of the whole graph.
Finished values are copied out; they are results, not state.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.errors import CircuitError

FloatArray = npt.NDArray[np.float64]


def ranges_of(prepared: Prepared, block_size: int) -> list[tuple[int, int]]:
    """Consecutive ranges of at most *block_size* nodes of ``prepared.order``.

    Raises:
        CircuitError: the size is below 1.
    """
    if block_size < 1:
        raise CircuitError("--block-size", "block", f"takes at least 1 node, not {block_size}", "give a larger number")
    count = len(prepared.order)
    return [(start, min(start + block_size, count)) for start in range(0, count, block_size)]


def sweep_blocks(
    prepared: Prepared, arguments: tuple[Any, ...], blocks: Sequence[tuple[int, int]]
) -> tuple[FloatArray, FloatArray, int]:
    """Slews [V, 4], arrivals [V, K, 4] and the most rows of state held at once.

    Args:
        prepared: the circuit.
        arguments: graph, tables, wires and boundary as the kernel takes them.
        blocks: consecutive ranges that cover the order.

    Raises:
        ValueError: the ranges do not cover the order one behind the other.
    """
    from circuitgraph.analysis.sta_kernels import _kernel_sweep

    order, count, planes = prepared.order, prepared.nodes.count, len(prepared.planes)
    edges = [start for start, _ in blocks] + [blocks[-1][1] if blocks else 0]
    if edges[0] != 0 or edges[-1] != count or any(stop != edges[row + 1] for row, (_, stop) in enumerate(blocks)):
        raise ValueError("blocks must cover the order one behind the other")
    last = _last_reader(prepared, blocks)
    by_last = np.argsort(last, kind="stable")
    release = np.searchsorted(last[by_last], np.arange(len(blocks) + 1))
    sizes = np.diff(edges)
    alive = np.cumsum(sizes) - np.concatenate([[0], release[1:-1]])
    peak = int(alive.max(initial=0))
    slew, arrival = np.empty((count, 4)), np.empty((count, planes, 4))
    state_slew, state_arrival = np.empty((peak, 4)), np.empty((peak, planes, 4))
    row = np.full(count, -1, np.int32)
    free = np.arange(peak - 1, -1, -1, dtype=np.int32)
    left = peak
    for block, (start, stop) in enumerate(blocks):
        nodes = order[start:stop]
        row[nodes] = free[left - len(nodes) : left][::-1]
        left -= len(nodes)
        _kernel_sweep(order, start, stop, row, *arguments, state_slew, state_arrival)
        slew[nodes] = state_slew[row[nodes]]
        arrival[nodes] = state_arrival[row[nodes]]
        done = by_last[release[block] : release[block + 1]]
        free[left : left + len(done)] = row[done]
        left += len(done)
        row[done] = -1
    return slew, arrival, peak


def _last_reader(prepared: Prepared, blocks: Sequence[tuple[int, int]]) -> npt.NDArray[np.int64]:
    """Last block that reads each node, its own where nobody does, int64 [V]."""
    own = np.empty(len(prepared.order), np.int64)
    own[prepared.order] = np.repeat(np.arange(len(blocks)), [stop - start for start, stop in blocks])
    last = own.copy()
    np.maximum.at(last, prepared.arcs.source, own[prepared.arcs.target])
    return last
