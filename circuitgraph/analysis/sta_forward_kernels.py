"""Compiled forward sweep of the differentiable analysis: delays with factors, delays through given points, smooth merges.

Without any of them it gives the bits of :mod:`circuitgraph.analysis.sta_kernels`. Arrays come in groups, by these names:

    graph: in_start, in_source, in_arc, in_mask, in_launches, node_net, node_corner
    tables: arc_table, shape, axis, first, axes, values
    wires: net_load, wire, derate, crossing
    starts: special_of, seed_slew, seed_arrival, seed_blocks, tag, ideal_slew, launch, ideal
    change: scale, fixed, step_row, step

as in :func:`circuitgraph.analysis.sta_kernels._kernel_sweep`; *scale* is a factor of each cell arc's delay, float64 [E],
and *fixed* holds the points that a linearised model goes through, float64 [E, 8, 6]; either is of length 0 where there
is none. Of a cell arc, by 4 x edge of the target + 2 x early + edge of the source: share of the load that the delay
table is read at, delay, the table's delay there, slew, the table's slew there, share of the load for the slew. Of a net
arc, by column: slope of the delay over the Elmore delay, derated delay, Elmore delay there, slew, modelled slew there;
and by 4 + column the squared spread over the squared Elmore delay.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from circuitgraph.analysis.nldm_kernels import _kernel_interval, _kernel_value
from circuitgraph.kernels import compiled

GRAPH = "Tuple((int64[::1], int32[::1], int32[::1], uint8[::1], bool[::1], int32[::1], int8[::1]))"
TABLES = "Tuple((int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1]))"
WIRES = "Tuple((float64[:, ::1], float64[:, ::1], float64[::1], float64[:, :, ::1]))"
STARTS = (
    "Tuple((int32[::1], float64[:, ::1], float64[:, :, ::1], uint8[::1], int32[::1], float64[:, ::1], int32[:, ::1], "
    "float64[:, ::1]))"
)
CHANGE = "Tuple((float64[::1], float64[:, :, ::1], int32[::1], int32[:, :, ::1]))"
GROUPS = f"{GRAPH}, {TABLES}, {WIRES}, {STARTS}, {CHANGE}"
STATE = "float64[:, ::1], float64[:, :, ::1]"
NET_ARC = -1


@compiled(f"UniTuple(float64, 2)({TABLES}, int64, int64, float64, float64, float64[:, :, ::1], int64, int64)")
def _kernel_cell(tables: Any, arc: Any, end: Any, x: Any, y: Any, fixed: Any, edge: Any, at: Any) -> Any:
    """Delay, without factors, and slew of a cell arc: *arc* of the library, *edge* of the graph."""
    arc_table, shape, axis, first, axes, values = tables
    table, slew_table = arc_table[arc, end], arc_table[arc, 2 + end]
    has_fixed, whole = fixed.shape[0] > 0, y
    if has_fixed:
        y = whole * fixed[edge, at, 0]
    i, f = _kernel_interval(axes, axis[table, 0], shape[table, 0], x)
    j, g = _kernel_interval(axes, axis[table, 1], shape[table, 1], y)
    delay = _kernel_value(shape, axis, first, values, table, i, f, j, g)
    slew = 0.0
    if slew_table >= 0:
        if has_fixed or axis[slew_table, 0] != axis[table, 0] or axis[slew_table, 1] != axis[table, 1]:
            if has_fixed:
                y = whole * fixed[edge, at, 5]
            i, f = _kernel_interval(axes, axis[slew_table, 0], shape[slew_table, 0], x)
            j, g = _kernel_interval(axes, axis[slew_table, 1], shape[slew_table, 1], y)
        slew = _kernel_value(shape, axis, first, values, slew_table, i, f, j, g)
    if has_fixed:
        delay = fixed[edge, at, 1] + (delay - fixed[edge, at, 2])
        slew = fixed[edge, at, 3] + (slew - fixed[edge, at, 4])
    return delay, max(0.0, slew)


@compiled(f"UniTuple(float64, 2)({WIRES}, float64, float64, int64, int64, float64, float64[:, :, ::1], int64)")
def _kernel_net(wires: Any, factor: Any, later: Any, node: Any, column: Any, x: Any, fixed: Any, edge: Any) -> Any:
    """Derated delay and slew behind a net arc into *node*; *factor* and *later* cross between two thresholds."""
    _, wire, derate, _ = wires
    delay = spread = 0.0
    if wire.shape[0] > 0:
        delay = wire[node, column & 1] * derate[1 if column < 2 else 3]
        spread = wire[node, 2 + (column & 1)]
    if fixed.shape[0] > 0:
        t = wire[node, column & 1]
        delay = fixed[edge, column, 1]
        delay += fixed[edge, column, 0] * (t - fixed[edge, column, 2]) * derate[1 if column < 2 else 3]
        x = math.sqrt(x * x + fixed[edge, 4 + column, 0] * t * t)
        x = max(0.0, fixed[edge, column, 3] + (x - fixed[edge, column, 4]))
        spread = 0.0
    delay += later * x
    x *= factor
    if spread > 0.0:
        x = math.sqrt(x * x + spread)
    return delay, x


@compiled(f"Tuple((int64, float64))({STARTS}, float64, int64, int64, int64, bool)")
def _kernel_launch(starts: Any, time: Any, plane: Any, time_type: Any, special: Any, launches: Any) -> Any:
    """Plane and time with which an arrival goes on over a cell arc; plane -1 where it does not."""
    if math.isinf(time):
        return -1, time
    if not launches:
        return plane, time
    _, _, _, _, tag, _, launch, ideal = starts
    goal = launch[plane, tag[special] if special >= 0 else 0]
    if not math.isnan(ideal[plane, time_type]):
        time = ideal[plane, time_type]
    return goal, time


@compiled("UniTuple(float64, 3)(float64, float64, float64, float64, float64, float64)")
def _kernel_blend(sign: Any, gamma: Any, best: Any, weight: Any, excess: Any, x: Any) -> Any:
    """One more candidate *x*: the best one, the sum of weights exp(sign (x - best) / gamma), that of weight x excess.

    Without *gamma* the best one alone.
    """
    ahead = sign * (x - best)
    if gamma <= 0.0 or math.isinf(best):
        return (x if ahead > 0.0 else best), 1.0, 0.0
    if ahead > 0.0:
        ratio = math.exp(-ahead / gamma)
        return x, weight * ratio + 1.0, ratio * (excess - weight * ahead)
    ratio = math.exp(ahead / gamma)
    return best, weight + ratio, excess + ratio * ahead


@compiled(f"void(int64, int32[::1], {GROUPS}, float64, {STATE}, float64[:, :, ::1])")
def _kernel_gather(
    node: Any,
    row: Any,
    graph: Any,
    tables: Any,
    wires: Any,
    starts: Any,
    change: Any,
    gamma: Any,
    slew: Any,
    arrival: Any,
    found: Any,
) -> Any:
    """What the arcs into a node bring, into *found* [K + 1, 4, 3]: best, weight and excess of each plane, then slews."""
    in_start, in_source, in_arc, in_mask, in_launches, node_net, corner = graph
    special_of, _, seed_arrival, seed_blocks, _, ideal_slew, _, _ = starts
    net_load, _, derate, crossing = wires
    scale, fixed, _, _ = change
    planes = arrival.shape[1]
    seed, net = special_of[node], node_net[node]
    blocks = seed >= 0 and seed_blocks[seed] != 0
    for plane in range(planes + 1):
        for column in range(4):
            found[plane, column, 0] = -math.inf if column < 2 else math.inf
            found[plane, column, 1] = 1.0
            found[plane, column, 2] = 0.0
            if plane < planes and seed >= 0 and not math.isnan(seed_arrival[seed, plane, column]):
                found[plane, column, 0] = seed_arrival[seed, plane, column]
    for edge in range(in_start[node], in_start[node + 1]):
        source, mask, arc, launches = in_source[edge], in_mask[edge], in_arc[edge], in_launches[edge]
        place, special = row[source], special_of[source]
        if arc == NET_ARC:
            one, two = corner[source], corner[node]
            factor, later = (crossing[one, two, 0], crossing[one, two, 1]) if one != two else (1.0, 0.0)
            for column in range(4):
                sign = 1.0 if column < 2 else -1.0
                delay, value = _kernel_net(wires, factor, later, node, column, slew[place, column], fixed, edge)
                at = found[planes, column]
                at[0], at[1], at[2] = _kernel_blend(sign, gamma, at[0], at[1], at[2], value)
                if blocks or not mask & 15:
                    continue
                for plane in range(planes):
                    time = arrival[place, plane, column]
                    if not math.isinf(time):
                        at = found[plane, column]
                        at[0], at[1], at[2] = _kernel_blend(sign, gamma, at[0], at[1], at[2], time + delay)
            continue
        for begin in range(2):
            for end in range(2):
                bit = 2 * begin + end
                if not (mask >> bit | mask >> (4 + bit)) & 1:
                    continue
                delay = value = 0.0
                old_x = old_y = math.nan
                for time_type in range(2):
                    sign = 1.0 - 2.0 * time_type
                    column, start = 2 * time_type + end, 2 * time_type + begin
                    x, y = slew[place, start], net_load[net, column]
                    if special >= 0 and launches and not math.isnan(ideal_slew[special, start]):
                        x = ideal_slew[special, start]
                    if x != old_x or y != old_y or fixed.shape[0] > 0:
                        delay, value = _kernel_cell(tables, arc, end, x, y, fixed, edge, 4 * end + start)
                        old_x, old_y = x, y
                    if tables[0][arc, 2 + end] >= 0 and mask >> (4 + bit) & 1:
                        at = found[planes, column]
                        at[0], at[1], at[2] = _kernel_blend(sign, gamma, at[0], at[1], at[2], value)
                    if blocks or not mask >> bit & 1:
                        continue
                    whole = delay * (scale[edge] if scale.shape[0] > 0 else 1.0) * derate[2 * time_type]
                    for plane in range(planes):
                        time = arrival[place, plane, start]
                        goal, time = _kernel_launch(starts, time, plane, time_type, special, launches)
                        if goal >= 0:
                            at = found[goal, column]
                            at[0], at[1], at[2] = _kernel_blend(sign, gamma, at[0], at[1], at[2], time + whole)


@compiled("float64(float64, int64, float64[::1])")
def _kernel_whole(gamma: Any, column: Any, found: Any) -> Any:
    """A merged value from its best candidate, weight and excess."""
    if gamma <= 0.0 or found[2] == 0.0:
        return found[0]
    share = found[2] / found[1]
    return found[0] + (share if column < 2 else -share)


@compiled("void(int32[:, ::1], float64[:, ::1])")
def _kernel_step_planes(step: Any, arrival: Any) -> Any:
    """Arrivals of a node, float64 [K, 4], on the planes that they go on with: see ``Steps``."""
    moved = arrival.copy()
    planes = arrival.shape[0]
    for plane in range(planes):
        for column in range(4):
            arrival[plane, column] = -math.inf if column < 2 else math.inf
    for plane in range(planes):
        for column in range(4):
            goal = step[column % step.shape[0], plane]
            if goal < 0:
                continue
            if column < 2:
                arrival[goal, column] = max(arrival[goal, column], moved[plane, column])
            else:
                arrival[goal, column] = min(arrival[goal, column], moved[plane, column])


@compiled(f"void(int32[::1], int64, int64, int32[::1], {GROUPS}, float64, {STATE})")
def _kernel_forward(
    order: Any,
    start: Any,
    stop: Any,
    row: Any,
    graph: Any,
    tables: Any,
    wires: Any,
    starts: Any,
    change: Any,
    gamma: Any,
    slew: Any,
    arrival: Any,
) -> Any:
    """Slews and arrivals of the nodes ``order[start:stop]``, into the rows of the state.

    Takes:
        order, row: nodes by level; where the state of a node is kept.
        gamma: s over which merges are smooth, 0 = the worst alone.
        slew, arrival: the state, float64 [R, 4] and [R, K, 4].
    """
    special_of, seed_slew = starts[0], starts[1]
    step_row, step = change[2], change[3]
    planes = arrival.shape[1]
    found = np.empty((planes + 1, 4, 3))
    for at in range(start, stop):
        node = order[at]
        to, seed = row[node], special_of[node]
        _kernel_gather(node, row, graph, tables, wires, starts, change, gamma, slew, arrival, found)
        for column in range(4):
            for plane in range(planes):
                arrival[to, plane, column] = _kernel_whole(gamma, column, found[plane, column])
            value = found[planes, column, 0]
            if seed >= 0 and not math.isnan(seed_slew[seed, column]):
                value = seed_slew[seed, column]
            elif math.isinf(value):
                value = 0.0
            else:
                value = _kernel_whole(gamma, column, found[planes, column])
            slew[to, column] = value
        if step_row.shape[0] > 0 and step_row[node] >= 0:
            _kernel_step_planes(step[step_row[node]], arrival[to])


@compiled(f"void(int32[::1], {GROUPS}, float64[:, ::1], float64[:, ::1])")
def _kernel_delays(
    target: Any, graph: Any, tables: Any, wires: Any, starts: Any, change: Any, slew: Any, arc_delay: Any
) -> Any:
    """Derated delay of every arc at the slews found, into *arc_delay* [E, 8].

    It is by 4 x edge of the target + 2 x early + edge of the source. *target*: node of each arc.
    """
    _, in_source, in_arc, in_mask, in_launches, node_net, corner = graph
    special_of, ideal_slew = starts[0], starts[5]
    net_load, _, derate, crossing = wires
    scale, fixed, _, _ = change
    for edge in range(len(target)):
        node, source, special = target[edge], in_source[edge], special_of[in_source[edge]]
        for end in range(2):
            for start in range(4):
                column = start // 2 * 2 + end
                if in_arc[edge] == NET_ARC:
                    if start != column:
                        continue
                    one, two = corner[source], corner[node]
                    factor, later = (crossing[one, two, 0], crossing[one, two, 1]) if one != two else (1.0, 0.0)
                    delay, _ = _kernel_net(wires, factor, later, node, column, slew[source, column], fixed, edge)
                    arc_delay[edge, 4 * end + start] = delay
                elif in_mask[edge] >> (2 * (start & 1) + end) & 1:
                    x = slew[source, start]
                    if special >= 0 and in_launches[edge] and not math.isnan(ideal_slew[special, start]):
                        x = ideal_slew[special, start]
                    y, at = net_load[node_net[node], column], 4 * end + start
                    delay, _ = _kernel_cell(tables, in_arc[edge], end, x, y, fixed, edge, at)
                    delay *= scale[edge] if scale.shape[0] > 0 else 1.0
                    arc_delay[edge, at] = delay * derate[start // 2 * 2]
