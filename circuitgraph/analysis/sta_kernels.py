"""The compiled sweep of static timing analysis: slews and arrivals of a range of the levelled order.

Columns are late rise, late fall, early rise, early fall. Where a plane has no arrival its late columns hold -inf and
its early columns +inf. Arcs into a node are reduced in the order of the arrays, so the result does not depend on
how the order is cut into ranges.
"""

from __future__ import annotations

import math
from typing import Any

from circuitgraph.kernels import compiled

NET_ARC = -1


@compiled("Tuple((int64, float64))(float64[::1], int64, int64, float64)", inline="always")
def _kernel_interval(axes: Any, start: Any, length: Any, x: Any) -> Any:
    """Row below *x* on an axis and the share of the interval, not clamped: outside the axis it extrapolates."""
    if length == 1:
        return start, 0.0
    row = start
    last = start + length - 2
    while row < last and x >= axes[row + 1]:
        row += 1
    return row, (x - axes[row]) / (axes[row + 1] - axes[row])


@compiled(
    "float64(int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], int64, int64, float64, int64, float64)",
    inline="always",
)
def _kernel_value(shape: Any, axis: Any, first: Any, values: Any, table: Any, i: Any, f: Any, j: Any, g: Any) -> Any:
    """Bilinear value of a table at two intervals."""
    width = shape[table, 1]
    at = first[table] + (i - axis[table, 0]) * width + (j - axis[table, 1])
    if shape[table, 0] == 1:
        if width == 1:
            return values[at]
        return values[at] * (1.0 - g) + values[at + 1] * g
    if width == 1:
        return values[at] * (1.0 - f) + values[at + 1] * f
    low = values[at] * (1.0 - g) + values[at + 1] * g
    high = values[at + width] * (1.0 - g) + values[at + width + 1] * g
    return low * (1.0 - f) + high * f


@compiled("float64(int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1], int64, float64, float64)")
def _kernel_lookup(shape: Any, axis: Any, first: Any, axes: Any, values: Any, table: Any, x: Any, y: Any) -> Any:
    """Value of a table at (x, y)."""
    i, f = _kernel_interval(axes, axis[table, 0], shape[table, 0], x)
    j, g = _kernel_interval(axes, axis[table, 1], shape[table, 1], y)
    return _kernel_value(shape, axis, first, values, table, i, f, j, g)


@compiled(
    "void(int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1], int32[:, ::1], "
    "int32[::1], int32[::1], int32[::1], int8[::1], int8[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)
def _kernel_margins(
    shape: Any,
    axis: Any,
    first: Any,
    axes: Any,
    values: Any,
    arc_table: Any,
    arc: Any,
    clock_node: Any,
    node: Any,
    early: Any,
    clock_edge: Any,
    clock_slew: Any,
    slew: Any,
    margin: Any,
) -> Any:
    """Setup and hold times of checks by edge of the data, into *margin* [G, 2]; NaN where an edge is not checked."""
    for row in range(len(arc)):
        for edge in range(2):
            table = arc_table[arc[row], edge]
            if table < 0:
                margin[row, edge] = math.nan
                continue
            x = clock_slew[clock_node[row], 2 * (1 - early[row]) + clock_edge[row]]
            y = slew[node[row], 2 * early[row] + edge]
            margin[row, edge] = _kernel_lookup(shape, axis, first, axes, values, table, x, y)


SWEEP = (
    "void(int32[::1], int64, int64, int32[::1], int64[::1], int32[::1], int32[::1], uint8[::1], bool[::1], "
    "int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[::1], int8[::1], float64[:, :, ::1], "
    "int32[::1], float64[:, ::1], float64[:, :, ::1], uint8[::1], int32[::1], float64[:, ::1], int32[:, ::1], "
    "float64[:, ::1], float64[:, ::1], float64[:, :, ::1])"
)


@compiled(SWEEP)
def _kernel_sweep(
    order: Any,
    start: Any,
    stop: Any,
    row: Any,
    in_start: Any,
    in_source: Any,
    in_arc: Any,
    in_mask: Any,
    in_launches: Any,
    arc_table: Any,
    shape: Any,
    axis: Any,
    first: Any,
    axes: Any,
    values: Any,
    node_net: Any,
    net_load: Any,
    wire: Any,
    derate: Any,
    node_corner: Any,
    crossing: Any,
    special_of: Any,
    seed_slew: Any,
    seed_arrival: Any,
    seed_blocks: Any,
    tag: Any,
    ideal_slew: Any,
    launch: Any,
    ideal: Any,
    slew: Any,
    arrival: Any,
) -> Any:
    """Slews and arrivals of the nodes ``order[start:stop]``.

    Takes, in this order and by these names:
        order, row: nodes by level; where the state of a node is kept.
        in_start, in_source, in_arc, in_mask, in_launches: arcs into each node: source, row in the library
            (-1 = net arc), edges (low half: arrivals, high half: slews), whether it launches data from a clock edge.
        arc_table, shape, axis, first, axes, values: tables of the library.
        node_net, net_load: net of a node; F on a net by column, float64 [N, 4].
        wire: net delay into a node (rise, fall) and what it adds to the squared slew (rise, fall), float64 [V, 4], or
            [0, 4] where wires have no delay.
        derate: factors of late cell, late net, early cell, early net.
        node_corner, crossing: thresholds of a node; between two of them slew factor and delay by slew, [c, c, 2].
        special_of: row of a node in the tables of special nodes, -1 for most.
        seed_slew, seed_arrival, seed_blocks: boundary values, NaN where none; whether arrivals from upstream stop.
        tag, ideal_slew: of a clock pin: its tag; its slew when its clock is ideal, NaN where not.
        launch: data plane that a clock plane launches, by tag, -1 where none, [K, tags].
        ideal: arrival of an ideal clock by plane (late, early), NaN where propagated, [K, 2].
        slew, arrival: the state, float64 [R, 4] and [R, K, 4]; rows of the range are written.
    """
    planes = arrival.shape[1]
    has_wires = wire.shape[0] > 0
    for at in range(start, stop):
        node = order[at]
        to = row[node]
        seed = special_of[node]
        blocks = False
        for plane in range(planes):
            arrival[to, plane, 0] = -math.inf
            arrival[to, plane, 1] = -math.inf
            arrival[to, plane, 2] = math.inf
            arrival[to, plane, 3] = math.inf
        for column in range(4):
            slew[to, column] = -math.inf if column < 2 else math.inf
        if seed >= 0:
            blocks = seed_blocks[seed] != 0
            for plane in range(planes):
                for column in range(4):
                    if not math.isnan(seed_arrival[seed, plane, column]):
                        arrival[to, plane, column] = seed_arrival[seed, plane, column]
        net = node_net[node]
        for edge in range(in_start[node], in_start[node + 1]):
            source = in_source[edge]
            at_source = row[source]
            mask = in_mask[edge]
            launches = in_launches[edge]
            arc = in_arc[edge]
            special = special_of[source]
            if arc == NET_ARC:
                one, two = node_corner[source], node_corner[node]
                for column in range(4):
                    value = slew[at_source, column]
                    delay = spread = 0.0
                    if has_wires:
                        delay = wire[node, column & 1] * derate[1 if column < 2 else 3]
                        spread = wire[node, 2 + (column & 1)]
                    if one != two:
                        delay += crossing[one, two, 1] * value
                        value *= crossing[one, two, 0]
                    if spread > 0.0:
                        value = math.sqrt(value * value + spread)
                    if column < 2:
                        slew[to, column] = max(slew[to, column], value)
                    else:
                        slew[to, column] = min(slew[to, column], value)
                    if blocks or not mask & 15:
                        continue
                    for plane in range(planes):
                        time = arrival[at_source, plane, column] + delay
                        if column < 2:
                            arrival[to, plane, column] = max(arrival[to, plane, column], time)
                        else:
                            arrival[to, plane, column] = min(arrival[to, plane, column], time)
                continue
            for begin in range(2):
                for end in range(2):
                    bit = 2 * begin + end
                    if not (mask >> bit | mask >> (4 + bit)) & 1:
                        continue
                    table, slew_table = arc_table[arc, end], arc_table[arc, 2 + end]
                    old_x = old_y = old_delay = old_slew = math.nan
                    for time_type in range(2):
                        column = 2 * time_type + end
                        x = slew[at_source, 2 * time_type + begin]
                        if special >= 0 and launches and not math.isnan(ideal_slew[special, 2 * time_type + begin]):
                            x = ideal_slew[special, 2 * time_type + begin]
                        y = net_load[net, column]
                        if x == old_x and y == old_y:
                            delay, value = old_delay, old_slew
                        else:
                            delay = value = 0.0
                            i, f = _kernel_interval(axes, axis[table, 0], shape[table, 0], x)
                            j, g = _kernel_interval(axes, axis[table, 1], shape[table, 1], y)
                            delay = _kernel_value(shape, axis, first, values, table, i, f, j, g)
                            if slew_table >= 0:
                                if axis[slew_table, 0] != axis[table, 0] or axis[slew_table, 1] != axis[table, 1]:
                                    i, f = _kernel_interval(axes, axis[slew_table, 0], shape[slew_table, 0], x)
                                    j, g = _kernel_interval(axes, axis[slew_table, 1], shape[slew_table, 1], y)
                                value = max(0.0, _kernel_value(shape, axis, first, values, slew_table, i, f, j, g))
                            old_x, old_y, old_delay, old_slew = x, y, delay, value
                        if slew_table >= 0 and mask >> (4 + bit) & 1:
                            if time_type == 0:
                                slew[to, column] = max(slew[to, column], value)
                            else:
                                slew[to, column] = min(slew[to, column], value)
                        if blocks or not mask >> bit & 1:
                            continue
                        delay *= derate[2 * time_type]
                        for plane in range(planes):
                            goal = plane
                            time = arrival[at_source, plane, 2 * time_type + begin]
                            if math.isinf(time):
                                continue
                            if launches:
                                goal = launch[plane, tag[special] if special >= 0 else 0]
                                if goal < 0:
                                    continue
                                if not math.isnan(ideal[plane, time_type]):
                                    time = ideal[plane, time_type]
                            time += delay
                            if time_type == 0:
                                arrival[to, goal, column] = max(arrival[to, goal, column], time)
                            else:
                                arrival[to, goal, column] = min(arrival[to, goal, column], time)
        for column in range(4):
            if seed >= 0 and not math.isnan(seed_slew[seed, column]):
                slew[to, column] = seed_slew[seed, column]
            elif math.isinf(slew[to, column]):
                slew[to, column] = 0.0
