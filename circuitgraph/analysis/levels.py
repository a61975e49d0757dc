"""Levels: longest paths over the combinational cells of a circuit, or over any directed edges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit, Direction
from circuitgraph.errors import CircuitError

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]

PLAIN_EDGES = 40_000
"""Below this many edges the plain loop runs: importing numba would take longer."""


def sort_levels(
    source: npt.NDArray[np.integer], target: npt.NDArray[np.integer], nodes: int
) -> tuple[IntArray, LongArray]:
    """Longest-path level of every node, and what is left waiting where there are loops.

    Args:
        source, target: edges, integers [E].
        nodes: number of nodes.

    Returns:
        level int32 [N] (0 without fan-in), waiting int64 [N]: fan-ins not yet levelled; all zero
        exactly when there is no loop.
    """
    order = np.argsort(source, kind="stable")
    start = np.zeros(nodes + 1, np.int64)
    np.cumsum(np.bincount(source, minlength=nodes), out=start[1:])
    fan_out = np.asarray(target, np.int64)[order]
    waiting = np.bincount(target, minlength=nodes).astype(np.int64)
    level = np.zeros(nodes, np.int32)
    if len(fan_out) < PLAIN_EDGES:
        _plain_levels(start, fan_out, waiting, level)
    else:
        _compiled()(start, fan_out, waiting, level)
    return level, waiting


def _plain_levels(start: LongArray, fan_out: LongArray, waiting: LongArray, level: IntArray) -> None:
    begin, targets = start.tolist(), fan_out.tolist()
    left, found = waiting.tolist(), level.tolist()
    queue = [node for node, count in enumerate(left) if not count]
    for node in queue:
        above = found[node] + 1
        for other in targets[begin[node] : begin[node + 1]]:
            left[other] -= 1
            if above > found[other]:
                found[other] = above
            if not left[other]:
                queue.append(other)
    waiting[:] = left
    level[:] = found


@lru_cache(maxsize=1)
def _compiled() -> Callable[..., Any]:
    from circuitgraph.kernels import compiled

    return compiled("void(int64[::1], int64[::1], int64[::1], int32[::1])")(_kernel_levels)


def _kernel_levels(start: Any, fan_out: Any, waiting: Any, level: Any) -> None:
    nodes = len(level)
    queue = np.empty(nodes, np.int64)
    filled = 0
    for node in range(nodes):
        if waiting[node] == 0:
            queue[filled] = node
            filled += 1
    at = 0
    while at < filled:
        node = queue[at]
        at += 1
        above = level[node] + 1
        for edge in range(start[node], start[node + 1]):
            other = fan_out[edge]
            waiting[other] -= 1
            if above > level[other]:
                level[other] = above
            if waiting[other] == 0:
                queue[filled] = other
                filled += 1


def find_loop(source: npt.NDArray[np.integer], target: npt.NDArray[np.integer], waiting: LongArray) -> list[int]:
    """Nodes of one loop among those that still wait, in the direction of the edges, smallest first."""
    stuck = waiting > 0
    inside = np.flatnonzero(stuck[source] & stuck[target])
    fan_in: dict[int, int] = {}
    for edge in inside[::-1].tolist():
        fan_in[int(target[edge])] = int(source[edge])
    node = min(fan_in)
    seen: dict[int, int] = {}
    path: list[int] = []
    while node not in seen:
        seen[node] = len(path)
        path.append(node)
        node = fan_in[node]
    loop = path[seen[node] :][::-1]
    at = loop.index(min(loop))
    return loop[at:] + loop[:at]


def loop_text(names: Sequence[str]) -> str:
    """A loop in words: all names, or the first and last five and the count between them.

    >>> loop_text(["b", "c", "d"])
    'b -> c -> d -> b'
    """
    shown = list(names)
    if len(shown) > 10:
        shown = [*shown[:5], f"({len(names) - 10:,} more)", *shown[-5:]]
    return " -> ".join([*shown, names[0]])


def loop_error(place: str, names: Sequence[str], what: str = "cells") -> CircuitError:
    """The error of a combinational loop; its names are printed."""
    return CircuitError(
        place,
        f"loop of {len(names)} {what}",
        f"combinational logic must be acyclic, found {loop_text(names)}",
        "cut it by a latch, or use --break-loops",
    )


def cell_edges(circuit: Circuit) -> tuple[IntArray, IntArray]:
    """Edges between combinational cells, driver to reader, int32 [E] each; sequential and opaque cells cut."""
    cuts = np.array([t.is_sequential or t.is_opaque for t in circuit.types], np.bool_)
    combinational = ~cuts[circuit.cell_type] if circuit.num_cells else np.zeros(0, np.bool_)
    pin_cell, direction, net = circuit.pin_cell, circuit.pin_direction, circuit.pin_net
    usable = combinational[pin_cell] & (net >= 0)
    if len(circuit.types) and circuit.num_nets:
        usable &= circuit.net_constant[np.maximum(net, 0)] < 0
    drivers = np.flatnonzero(usable & (direction == Direction.OUTPUT))
    readers = np.flatnonzero(usable & (direction == Direction.INPUT))
    by_net = drivers[np.argsort(net[drivers], kind="stable")]
    start = np.zeros(circuit.num_nets + 1, np.int64)
    np.cumsum(np.bincount(net[drivers], minlength=circuit.num_nets), out=start[1:])
    count = np.diff(start)[net[readers]]
    target = np.repeat(pin_cell[readers], count)
    first = np.repeat(start[net[readers]] - (np.cumsum(count) - count), count)
    source = pin_cell[by_net[first + np.arange(len(target))]]
    return source.astype(np.int32), target.astype(np.int32)


def cell_levels(circuit: Circuit, *, break_loops: bool = False) -> IntArray:
    """Level of every cell: most combinational cells on a path to it, itself included, int32 [C].

    Sequential and opaque cells are 0 and start paths anew.

    Args:
        break_loops: leave cells on loops (and behind them) at the level reached so far.

    Raises:
        CircuitError: there is a combinational loop; it is printed, smallest cell first.
    """
    source, target = cell_edges(circuit)
    level, waiting = sort_levels(source, target, circuit.num_cells)
    if waiting.any() and not break_loops:
        names = [circuit.cell_names.text(cell) for cell in find_loop(source, target, waiting)]
        raise loop_error(circuit.place or circuit.name, names)
    cuts = np.array([t.is_sequential or t.is_opaque for t in circuit.types], np.bool_)
    if circuit.num_cells:
        level = np.where(cuts[circuit.cell_type], 0, level + 1).astype(np.int32)
    return level


def num_levels(circuit: Circuit) -> int | None:
    """Most cells on a combinational path; None where directions are unknown or there is a loop."""
    used = np.unique(circuit.cell_type)
    if any(circuit.types[row].is_opaque for row in used):
        return None
    try:
        level = cell_levels(circuit)
    except CircuitError:
        return None
    return int(level.max()) if len(level) else 0
