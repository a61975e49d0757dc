"""Compiled: the arcs of the worst path to an arrival among those that one pin launches, with their slopes."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Any

import numpy as np

from circuitgraph.analysis.sta_forward_kernels import GROUPS, NET_ARC, STATE, _kernel_cell, _kernel_launch, _kernel_net
from circuitgraph.analysis.sta_gradient_kernels import _kernel_net_slopes, _kernel_slopes
from circuitgraph.kernels import compiled

TINY = 1e-15
"""Sums of a path's delays in another order differ by less, s."""


@compiled(f"float64(int64, int64, int64, int64, int64, {GROUPS}, float64[:, ::1], float64[::1])")
def _kernel_arc_delay(
    edge: Any,
    node: Any,
    begin: Any,
    end: Any,
    early: Any,
    graph: Any,
    tables: Any,
    wires: Any,
    starts: Any,
    change: Any,
    slew: Any,
    slopes: Any,
) -> Any:
    """Derated delay of an arc into a node and its derivatives, into *slopes* [4]: by slew, load, Elmore delay, factor.

    *slopes* of length 0: the delay alone.
    """
    _, in_source, in_arc, _, in_launches, node_net, corner = graph
    net_load, _, derate, crossing = wires
    scale, fixed, _, _ = change
    source, arc, column, start = in_source[edge], in_arc[edge], 2 * early + end, 2 * early + begin
    x = slew[source, start]
    if arc == NET_ARC:
        one, two = corner[source], corner[node]
        factor, later = (crossing[one, two, 0], crossing[one, two, 1]) if one != two else (1.0, 0.0)
        if len(slopes):
            slopes[0], slopes[1], slopes[3] = later, 0.0, 0.0
            slopes[2] = _kernel_net_slopes(wires, factor, later, node, column, x, fixed, edge)[0]
        return _kernel_net(wires, factor, later, node, column, x, fixed, edge)[0]
    special = starts[0][source]
    held = special >= 0 and in_launches[edge] and not math.isnan(starts[5][special, start])
    if held:
        x = starts[5][special, start]
    y = net_load[node_net[node], column]
    delay, _ = _kernel_cell(tables, arc, end, x, y, fixed, edge, 4 * end + start)
    factor = (scale[edge] if scale.shape[0] > 0 else 1.0) * derate[2 * early]
    if len(slopes):
        share = fixed[edge, 4 * end + start, 0] if fixed.shape[0] > 0 else 1.0
        by_x, by_y = _kernel_slopes(tables, tables[0][arc, end], x, y * share)
        slopes[0], slopes[1] = (0.0 if held else factor * by_x), factor * by_y * share
        slopes[2], slopes[3] = 0.0, delay * derate[2 * early]
    return delay * (scale[edge] if scale.shape[0] > 0 else 1.0) * derate[2 * early]


@compiled(
    f"int64(int64[:, ::1], float64[::1], int32[::1], int32[::1], {GROUPS}, {STATE}, float64[:, ::1], int64[:, :, ::1], "
    "int64[:, ::1], int64[:, ::1], float64[:, ::1])"
)
def _kernel_ways(
    ends: Any,
    time: Any,
    level: Any,
    target: Any,
    graph: Any,
    tables: Any,
    wires: Any,
    starts: Any,
    change: Any,
    slew: Any,
    arrival: Any,
    tail: Any,
    following: Any,
    begins: Any,
    steps: Any,
    slopes: Any,
) -> Any:
    """The arcs of each path, from the launch on.

    Takes:
        ends, time: int64 [M, 5]: node, edge, plane, early (0, 1), launching pin (-1: any place with an arrival of its
            own); arrival at the end, s.
        level, target: of every node; node of every arc.
        slew, arrival: of every node, float64 [V, 4], [V, K, 4].
        tail, following: scratch, float64 [V, 2], all NaN, left so; int64 [V, 2, 2].
        begins: filled: plane and column of the launching pin's arrival, -1 where there is none, int64 [M, 2].
        steps, slopes: filled: row of *ends*, arc, edge of its source, edge of its target, int64 [S, 4]; derivatives of
            its delay, float64 [S, 4].

    Returns:
        Number of steps; -1 when *steps* is too short.
    """
    in_start, in_source, _, in_mask, in_launches, _, _ = graph
    special_of, seed_arrival, seed_blocks = starts[0], starts[2], starts[3]
    planes, filled, none = arrival.shape[1], 0, np.zeros(0)
    for row in range(len(ends)):
        last, last_end, plane, early, wanted = ends[row, 0], ends[row, 1], ends[row, 2], ends[row, 3], ends[row, 4]
        sign = 1.0 - 2.0 * early
        limit = sign * time[row] - TINY
        best, best_node, best_end, first_arc, first_begin = -math.inf, np.int64(-1), 0, -1, 0
        begins[row, 0], begins[row, 1] = -1, -1
        tail[last, last_end] = 0.0
        heap = [(-np.int64(level[last]), np.int64(last))]
        while len(heap) > 0:
            node = heappop(heap)[1]
            special_end = special_of[node]
            blocks = special_end >= 0 and seed_blocks[special_end] != 0
            for end in range(2):
                rest = tail[node, end]
                tail[node, end] = math.nan
                if math.isnan(rest):
                    continue
                if special_end >= 0 and wanted < 0:
                    total = sign * (seed_arrival[special_end, plane, 2 * early + end] + rest)
                    if total > best:
                        best, best_node, best_end, first_arc = total, node, end, -1
                if blocks:
                    continue
                for edge in range(in_start[node], in_start[node + 1]):
                    source = in_source[edge]
                    launches, special = in_launches[edge], special_of[source]
                    if launches and source != wanted:
                        continue
                    for begin in range(2):
                        if not in_mask[edge] >> (2 * begin + end) & 1:
                            continue
                        delay = _kernel_arc_delay(
                            edge, node, begin, end, early, graph, tables, wires, starts, change, slew, none
                        )
                        if launches:
                            for clock in range(planes):
                                known = arrival[source, clock, 2 * early + begin]
                                goal, moment = _kernel_launch(starts, known, clock, early, special, True)
                                total = sign * (moment + delay + rest)
                                if goal == plane and total > best:
                                    best, best_node, best_end, first_arc, first_begin = total, node, end, edge, begin
                                    begins[row, 0], begins[row, 1] = clock, 2 * early + begin
                            continue
                        known = arrival[source, plane, 2 * early + begin]
                        if math.isinf(known) or sign * (known + delay + rest) < limit:
                            continue
                        if math.isnan(tail[source, 0]) and math.isnan(tail[source, 1]):
                            heappush(heap, (-np.int64(level[source]), np.int64(source)))
                        old = tail[source, begin]
                        if math.isnan(old) or sign * (delay + rest) > sign * old:
                            tail[source, begin] = delay + rest
                            following[source, begin, 0], following[source, begin, 1] = edge, end
        if best_node < 0:
            continue
        arc, begin, end = first_arc, first_begin, best_end
        node = best_node
        while True:
            if arc >= 0:
                if filled == len(steps):
                    return -1
                steps[filled, 0], steps[filled, 1], steps[filled, 2], steps[filled, 3] = row, arc, begin, end
                _kernel_arc_delay(
                    arc, node, begin, end, early, graph, tables, wires, starts, change, slew, slopes[filled]
                )
                filled += 1
            if node == last and end == last_end:
                break
            arc, begin, end = following[node, end, 0], end, following[node, end, 1]
            node = target[arc]
    return filled
