"""The compiled sweep of static timing analysis: slews and arrivals of a range of the levelled order.

Columns are late rise, late fall, early rise, early fall. Where a plane has no arrival its late columns hold -inf and
its early columns +inf. Arcs into a node are reduced in the order of the arrays, so the result does not depend on
how the order is cut into ranges.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from circuitgraph.analysis.dmp_kernels import WAVE, _kernel_gate, _kernel_sink
from circuitgraph.analysis.nldm_kernels import _kernel_interval, _kernel_lookup, _kernel_value
from circuitgraph.kernels import compiled

__all__ = ["SWEEP", "_kernel_lookup", "_kernel_margins", "_kernel_sweep"]
NET_ARC = -1


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


@compiled(
    "void(int64, int64, int64, float64, float64[::1], float64[::1], int64[::1], int32[::1], int32[::1], "
    "float64[:, ::1], float64[::1], float64[:, ::1], float64[:, ::1], float64[::1])"
)
def _kernel_push(
    node: Any,
    edge: Any,
    time_type: Any,
    slew: Any,
    levels: Any,
    wave: Any,
    out_start: Any,
    out_arc: Any,
    in_target: Any,
    elmore: Any,
    derate: Any,
    arc_delay: Any,
    arc_slew: Any,
    sunk: Any,
) -> Any:
    """What one waveform at a driver does at its sinks, merged into the net arcs: the worst delay, the worst slew.

    Takes:
        node, edge: the driver and the edge there.
        time_type: 0 late, 1 early.
        slew, levels, wave: table slew, thresholds and waveform at the driver.
        out_start, out_arc: net arcs of each driver. in_target: node behind each arc.
        elmore, derate, arc_delay, arc_slew: as in :func:`_kernel_sweep`.
        sunk: scratch, float64 [WAVE].
    """
    column = 2 * time_type + edge
    for place in range(out_start[node], out_start[node + 1]):
        arc = out_arc[place]
        delay, found = _kernel_sink(wave, elmore[in_target[arc], column], slew, levels, sunk)
        delay *= derate[2 * time_type + 1]
        at = 4 * edge + column
        if time_type == 0:
            arc_delay[arc, at] = max(arc_delay[arc, at], delay)
            arc_slew[arc, column] = max(arc_slew[arc, column], found)
        else:
            arc_delay[arc, at] = min(arc_delay[arc, at], delay)
            arc_slew[arc, column] = min(arc_slew[arc, column], found)


@compiled(
    "void(int64, float64[::1], bool, float64[:, ::1], int64[::1], int32[::1], int32[::1], float64[:, ::1], "
    "float64[::1], float64[:, ::1], float64[:, ::1])"
)
def _kernel_rest(
    node: Any,
    slew: Any,
    is_port: Any,
    levels: Any,
    out_start: Any,
    out_arc: Any,
    in_target: Any,
    elmore: Any,
    derate: Any,
    arc_delay: Any,
    arc_slew: Any,
) -> Any:
    """Delay and slew of net arcs that no gate's waveform reached: Elmore delay and the driver's slew.

    Behind a port (*is_port*, its net extracted) the response of one pole: the delay to the threshold, and a slew that
    grows by what the pole needs between its thresholds. *levels* are those of both edges, float64 [2, 4].
    """
    for place in range(out_start[node], out_start[node + 1]):
        arc = out_arc[place]
        for column in range(4):
            if not math.isinf(arc_slew[arc, column]):
                continue
            edge = column & 1
            delay, found = elmore[in_target[arc], column], slew[column]
            if is_port:
                found += delay * math.log((1.0 - levels[edge, 1]) / (1.0 - levels[edge, 2])) / levels[edge, 3]
                delay *= -math.log(1.0 - levels[edge, 0])
            arc_delay[arc, 4 * edge + column] = delay * derate[1 if column < 2 else 3]
            arc_slew[arc, column] = found


SWEEP = (
    "void(int32[::1], int64, int64, int32[::1], int64[::1], int32[::1], int32[::1], uint8[::1], bool[::1], "
    "int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[::1], int8[::1], float64[:, :, ::1], "
    "int32[::1], float64[:, ::1], float64[:, :, ::1], uint8[::1], int32[::1], float64[:, ::1], int32[:, ::1], "
    "float64[:, ::1], float64[:, :, ::1], float64[:, ::1], uint8[::1], float64[:, :, ::1], int64[::1], int32[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], int32[::1], int32[:, :, ::1], float64[:, ::1], "
    "float64[:, :, ::1])"
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
    pi: Any,
    elmore: Any,
    extracted: Any,
    levels: Any,
    out_start: Any,
    out_arc: Any,
    in_target: Any,
    arc_delay: Any,
    arc_slew: Any,
    step_row: Any,
    step: Any,
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
        pi, elmore, extracted, levels: of the dmp model, else pi is of length 0: C2, R, C1 of each net by column, F,
            ohm, F, [N, 4, 3]; Elmore delay into each node by column, s, [V, 4]; nets with parasitics [N]; thresholds
            by corner and edge [c, 2, 4].
        out_start, out_arc, in_target: net arcs from each node; node behind each arc.
        arc_delay, arc_slew: filled under the dmp model: derated delay of each arc, by 4 x edge of the target + 2 x
            early + edge of the source, [E, 8]; slew behind a net arc by column, [E, 4].
        step_row, step: where arrivals change their plane, see ``Steps``; of length 0 where none does.
        slew, arrival: the state, float64 [R, 4] and [R, K, 4]; rows of the range are written.
    """
    planes = arrival.shape[1]
    moved = np.zeros((planes, 4))
    has_wires = wire.shape[0] > 0
    has_pi = pi.shape[0] > 0
    wave, sunk, flat = np.zeros(WAVE), np.zeros(WAVE), np.zeros(4)
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
        if has_pi:
            for place in range(out_start[node], out_start[node + 1]):
                for column in range(4):
                    worst = -math.inf if column < 2 else math.inf
                    arc_slew[out_arc[place], column] = worst
                    arc_delay[out_arc[place], 4 * (column & 1) + column] = worst
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
                    if has_pi:
                        delay, value = arc_delay[edge, 4 * (column & 1) + column], arc_slew[edge, column]
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
                        if has_pi:
                            if time_type == 1 and x == old_x and (pi[net, column] == pi[net, end]).all():
                                delay, value = old_delay, old_slew
                            else:
                                delay, value, _ = _kernel_gate(
                                    shape,
                                    axis,
                                    first,
                                    axes,
                                    values,
                                    table,
                                    slew_table,
                                    x,
                                    pi[net, column, 0],
                                    pi[net, column, 1],
                                    pi[net, column, 2],
                                    levels[node_corner[node], end],
                                    wave,
                                )
                            old_x, old_delay, old_slew = x, delay, value
                            if slew_table >= 0 and mask >> (4 + bit) & 1:
                                _kernel_push(
                                    node,
                                    end,
                                    time_type,
                                    value,
                                    levels[node_corner[node], end],
                                    wave,
                                    out_start,
                                    out_arc,
                                    in_target,
                                    elmore,
                                    derate,
                                    arc_delay,
                                    arc_slew,
                                    sunk,
                                )
                            arc_delay[edge, 4 * end + 2 * time_type + begin] = delay * derate[2 * time_type]
                        elif x == old_x and y == old_y:
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
        if step_row.shape[0] > 0 and step_row[node] >= 0:
            for plane in range(planes):
                for column in range(4):
                    moved[plane, column] = arrival[to, plane, column]
                    arrival[to, plane, column] = -math.inf if column < 2 else math.inf
            for plane in range(planes):
                for column in range(4):
                    goal = step[step_row[node], column, plane]
                    if goal < 0:
                        continue
                    if column < 2:
                        arrival[to, goal, column] = max(arrival[to, goal, column], moved[plane, column])
                    else:
                        arrival[to, goal, column] = min(arrival[to, goal, column], moved[plane, column])
        for column in range(4):
            if seed >= 0 and not math.isnan(seed_slew[seed, column]):
                slew[to, column] = seed_slew[seed, column]
            elif math.isinf(slew[to, column]):
                slew[to, column] = 0.0
                if has_pi and net >= 0 and extracted[net] != 0 and in_start[node] == in_start[node + 1]:
                    # behind a black box: a step through the wire, as OpenSTA has it
                    limits = levels[node_corner[node], column & 1]
                    found = math.log((1.0 - limits[1]) / (1.0 - limits[2])) / limits[3]
                    slew[to, column] = elmore[node, column] * found
        if has_pi and out_start[node + 1] > out_start[node]:
            for column in range(4):
                flat[column] = slew[to, column]
            is_port = net >= 0 and extracted[net] != 0 and seed >= 0 and not math.isnan(seed_slew[seed, 0])
            _kernel_rest(
                node,
                flat,
                is_port,
                levels[node_corner[node]],
                out_start,
                out_arc,
                in_target,
                elmore,
                derate,
                arc_delay,
                arc_slew,
            )
