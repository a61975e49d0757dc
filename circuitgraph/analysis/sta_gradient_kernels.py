"""Compiled backward sweep of the differentiable analysis.

It walks the levelled order in reverse, finds again which arc set a value, and hands the gradient of a node to the
sources of its arcs. Nothing of an arc is stored between the sweeps. Sums are taken in the order of the arrays, whatever
the ranges. Arrays come in the groups of :mod:`circuitgraph.analysis.sta_forward_kernels`.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from circuitgraph.analysis.nldm_kernels import _kernel_interval
from circuitgraph.analysis.sta_forward_kernels import (
    GROUPS,
    NET_ARC,
    STARTS,
    STATE,
    TABLES,
    WIRES,
    _kernel_cell,
    _kernel_gather,
    _kernel_launch,
    _kernel_net,
    _kernel_whole,
)
from circuitgraph.kernels import compiled


@compiled(f"UniTuple(float64, 2)({TABLES}, int64, float64, float64)")
def _kernel_slopes(tables: Any, table: Any, x: Any, y: Any) -> Any:
    """Derivatives of a table at (x, y) by both: those of the patch that the look-up is in."""
    _, shape, axis, first, axes, values = tables
    i, f = _kernel_interval(axes, axis[table, 0], shape[table, 0], x)
    j, g = _kernel_interval(axes, axis[table, 1], shape[table, 1], y)
    width = shape[table, 1]
    at = first[table] + (i - axis[table, 0]) * width + (j - axis[table, 1])
    by_x = by_y = 0.0
    if shape[table, 0] > 1:
        rise = values[at + width] - values[at]
        if width > 1:
            rise = rise * (1.0 - g) + (values[at + width + 1] - values[at + 1]) * g
        by_x = rise / (axes[i + 1] - axes[i])
    if width > 1:
        rise = values[at + 1] - values[at]
        if shape[table, 0] > 1:
            rise = rise * (1.0 - f) + (values[at + width + 1] - values[at + width]) * f
        by_y = rise / (axes[j + 1] - axes[j])
    return by_x, by_y


@compiled(f"void({TABLES}, int32[::1], int8[::1], float64[::1], float64[::1], float64[:, ::1])")
def _kernel_margin_slopes(tables: Any, arc: Any, edge: Any, x: Any, y: Any, slopes: Any) -> Any:
    """Derivatives of setup and hold times by the slews of clock and data, into *slopes* [M, 2]; 0 where arc is -1."""
    for row in range(len(arc)):
        slopes[row, 0] = slopes[row, 1] = 0.0
        if arc[row] >= 0:
            slopes[row, 0], slopes[row, 1] = _kernel_slopes(tables, tables[0][arc[row], edge[row]], x[row], y[row])


@compiled(f"UniTuple(float64, 4)({WIRES}, float64, float64, int64, int64, float64, float64[:, :, ::1], int64)")
def _kernel_net_slopes(
    wires: Any, factor: Any, later: Any, node: Any, column: Any, x: Any, fixed: Any, edge: Any
) -> Any:
    """Of :func:`_kernel_net`: delay by Elmore delay, slew by Elmore delay, slew by squared spread, slew by slew.

    With *fixed* the spread is part of what the slew has by the Elmore delay.
    """
    _, wire, derate, _ = wires
    if fixed.shape[0] > 0:
        t, rate = wire[node, column & 1], fixed[edge, 4 + column, 0]
        length = math.sqrt(x * x + rate * t * t)
        delay_by = fixed[edge, column, 0] * derate[1 if column < 2 else 3]
        if fixed[edge, column, 3] + (length - fixed[edge, column, 4]) <= 0.0:
            return delay_by, 0.0, 0.0, 0.0
        if length <= 0.0:
            return delay_by, 0.0, 0.0, factor
        return delay_by, factor * rate * t / length, 0.0, factor * x / length
    if wire.shape[0] == 0:
        return 0.0, 0.0, 0.0, factor
    delay_by, spread = derate[1 if column < 2 else 3], wire[node, 2 + (column & 1)]
    if not spread > 0.0:
        return delay_by, 0.0, 0.0, factor
    crossed = factor * x
    length = math.sqrt(crossed * crossed + spread)
    return delay_by, 0.0, 0.5 / length, factor * crossed / length


@compiled("float64(float64, float64, float64, float64[::1], float64)")
def _kernel_share(sign: Any, gamma: Any, x: Any, found: Any, merged: Any) -> Any:
    """Derivative of a merged value by one candidate; of exact merges 1 for the one that is the value, else 0."""
    if gamma <= 0.0:
        return 1.0 if x == merged else 0.0
    weight = math.exp(sign * (x - found[0]) / gamma) / found[1]
    return weight * (1.0 + sign * (x - merged) / gamma)


@compiled("void(int32[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])")
def _kernel_back_step(step: Any, arrival: Any, reached: Any, by_arrival: Any, left: Any) -> Any:
    """Gradients by the arrivals behind a step to those before it, into *left* [K + 1, 4].

    Takes:
        step: of the node, see ``Steps``.
        arrival, reached: behind it and before it, float64 [K, 4].
        by_arrival: gradients by those behind it.
    """
    planes = len(arrival)
    for column in range(4):
        for plane in range(planes):
            left[plane, column] = 0.0
        for goal in range(planes):
            for plane in range(planes):
                known = reached[plane, column] == arrival[goal, column]
                if step[column % step.shape[0], plane] == goal and known:
                    left[plane, column] = by_arrival[goal, column]
                    break


@compiled(f"int64(int64, int64, {STARTS}, float64, {STATE}, float64[:, ::1], float64[:, ::1])")
def _kernel_pending(
    node: Any, to: Any, starts: Any, gamma: Any, by_slew: Any, by_arrival: Any, reached: Any, left: Any
) -> Any:
    """How many gradients a node's arcs are to take: of *left* [K + 1, 4] and the slews', which are put behind them.

    What boundary values set stays here: they are constants.
    """
    special_of, seed_slew, seed_arrival, seed_blocks, _, _, _, _ = starts
    planes = by_arrival.shape[1]
    seed = special_of[node]
    count = 0
    for column in range(4):
        for plane in range(planes):
            if seed >= 0 and seed_blocks[seed] != 0:
                left[plane, column] = 0.0
            if seed >= 0 and gamma <= 0.0 and seed_arrival[seed, plane, column] == reached[plane, column]:
                left[plane, column] = 0.0
            count += left[plane, column] != 0.0
        left[planes, column] = by_slew[to, column]
        if seed >= 0 and not math.isnan(seed_slew[seed, column]):
            left[planes, column] = 0.0
        count += left[planes, column] != 0.0
    return count


@compiled(
    f"int64(int64, int64, int64, int64, {GROUPS}, float64, {STATE}, float64[:, :, ::1], float64[:, ::1], "
    f"float64[:, ::1], {STATE}, "
    "float64[:, ::1])",
    inline="always",
)
def _kernel_back_net(
    edge: Any,
    node: Any,
    to: Any,
    place: Any,
    graph: Any,
    tables: Any,
    wires: Any,
    starts: Any,
    change: Any,
    gamma: Any,
    slew: Any,
    arrival: Any,
    found: Any,
    reached: Any,
    left: Any,
    by_slew: Any,
    by_arrival: Any,
    by_wire: Any,
) -> Any:
    """Hand what a net arc takes of *left* to its source and its wire; how many gradients are done with.

    *to* and *place* are the rows of the state of its two ends.
    """
    _, in_source, _, in_mask, _, _, corner = graph
    crossing, fixed = wires[3], change[1]
    planes = arrival.shape[1]
    one, two = corner[in_source[edge]], corner[node]
    factor, later = (crossing[one, two, 0], crossing[one, two, 1]) if one != two else (1.0, 0.0)
    done = 0
    for column in range(4):
        sign = 1.0 if column < 2 else -1.0
        x = slew[place, column]
        delay, value = _kernel_net(wires, factor, later, node, column, x, fixed, edge)
        by_delay = by_value = 0.0
        if left[planes, column] != 0.0:
            by_value = _kernel_share(sign, gamma, value, found[planes, column], slew[to, column])
            by_value *= left[planes, column]
            if by_value != 0.0 and gamma <= 0.0:
                left[planes, column] = 0.0
                done += 1
        for plane in range(planes):
            if left[plane, column] == 0.0 or not in_mask[edge] & 15 or math.isinf(arrival[place, plane, column]):
                continue
            time = arrival[place, plane, column] + delay
            passed = _kernel_share(sign, gamma, time, found[plane, column], reached[plane, column])
            passed *= left[plane, column]
            if passed != 0.0:
                by_arrival[place, plane, column] += passed
                by_delay += passed
                if gamma <= 0.0:
                    left[plane, column] = 0.0
                    done += 1
        if by_delay == 0.0 and by_value == 0.0:
            continue
        delay_t, slew_t, slew_spread, slew_x = _kernel_net_slopes(wires, factor, later, node, column, x, fixed, edge)
        by_slew[place, column] += by_value * slew_x + by_delay * later
        if by_wire.shape[0] > 0:
            by_wire[node, column & 1] += by_delay * delay_t + by_value * slew_t
            by_wire[node, 2 + (column & 1)] += by_value * slew_spread
    return done


@compiled(
    f"int64(int64, int64, int64, int64, {GROUPS}, float64, {STATE}, float64[:, :, ::1], float64[:, ::1], "
    f"float64[:, ::1], {STATE}, "
    "float64[:, ::1], float64[::1])",
    inline="always",
)
def _kernel_back_cell(
    edge: Any,
    node: Any,
    to: Any,
    place: Any,
    graph: Any,
    tables: Any,
    wires: Any,
    starts: Any,
    change: Any,
    gamma: Any,
    slew: Any,
    arrival: Any,
    found: Any,
    reached: Any,
    left: Any,
    by_slew: Any,
    by_arrival: Any,
    by_load: Any,
    by_scale: Any,
) -> Any:
    """Hand what a cell arc takes of *left* to its source, its load and its factor; how many are done with."""
    _, in_source, in_arc, in_mask, in_launches, node_net, _ = graph
    special_of, ideal_slew = starts[0], starts[5]
    net_load, derate = wires[0], wires[2]
    scale, fixed, _, _ = change
    planes = arrival.shape[1]
    arc, mask, launches, net = in_arc[edge], in_mask[edge], in_launches[edge], node_net[node]
    special = special_of[in_source[edge]]
    done = 0
    for begin in range(2):
        for end in range(2):
            bit = 2 * begin + end
            carries = (mask >> bit) & 1
            gives = (mask >> (4 + bit)) & 1 and tables[0][arc, 2 + end] >= 0
            if not carries and not gives:
                continue
            delay = value = 0.0
            old_x = old_y = math.nan
            for time_type in range(2):
                sign = 1.0 - 2.0 * time_type
                column, start = 2 * time_type + end, 2 * time_type + begin
                wanted = left[planes, column] != 0.0
                for plane in range(planes):
                    wanted = wanted or left[plane, column] != 0.0
                if not wanted:
                    continue
                x, y = slew[place, start], net_load[net, column]
                held = special >= 0 and launches and not math.isnan(ideal_slew[special, start])
                if held:
                    x = ideal_slew[special, start]
                if x != old_x or y != old_y or fixed.shape[0] > 0:
                    delay, value = _kernel_cell(tables, arc, end, x, y, fixed, edge, 4 * end + start)
                    old_x, old_y = x, y
                by_delay = by_value = 0.0
                if gives and left[planes, column] != 0.0:
                    by_value = _kernel_share(sign, gamma, value, found[planes, column], slew[to, column])
                    by_value *= left[planes, column]
                    if by_value != 0.0 and gamma <= 0.0:
                        left[planes, column] = 0.0
                        done += 1
                factor = (scale[edge] if scale.shape[0] > 0 else 1.0) * derate[2 * time_type]
                whole = delay * (scale[edge] if scale.shape[0] > 0 else 1.0) * derate[2 * time_type]
                for plane in range(planes):
                    if not carries:
                        break
                    known = arrival[place, plane, start]
                    goal, time = _kernel_launch(starts, known, plane, time_type, special, launches)
                    if goal < 0 or left[goal, column] == 0.0:
                        continue
                    passed = _kernel_share(sign, gamma, time + whole, found[goal, column], reached[goal, column])
                    passed *= left[goal, column]
                    if passed != 0.0:
                        by_delay += passed
                        if not launches or math.isnan(starts[7][plane, time_type]):
                            by_arrival[place, plane, start] += passed
                        if gamma <= 0.0:
                            left[goal, column] = 0.0
                            done += 1
                if by_delay == 0.0 and by_value == 0.0:
                    continue
                share = share_slew = 1.0
                if fixed.shape[0] > 0:
                    share, share_slew = fixed[edge, 4 * end + start, 0], fixed[edge, 4 * end + start, 5]
                if by_scale.shape[0] > 0:
                    by_scale[edge] += by_delay * delay * derate[2 * time_type]
                by_x, by_y = _kernel_slopes(tables, tables[0][arc, end], x, y * share)
                by_x, by_y = by_delay * factor * by_x, by_delay * factor * by_y * share
                if by_value != 0.0 and value > 0.0:
                    slew_x, slew_y = _kernel_slopes(tables, tables[0][arc, 2 + end], x, y * share_slew)
                    by_x += by_value * slew_x
                    by_y += by_value * slew_y * share_slew
                by_load[net, column] += by_y
                if not held:
                    by_slew[place, start] += by_x
    return done


@compiled(
    f"void(int32[::1], int64, int64, int32[::1], {GROUPS}, float64, {STATE}, {STATE}, float64[:, ::1], "
    "float64[:, ::1], float64[::1])"
)
def _kernel_backward(
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
    by_slew: Any,
    by_arrival: Any,
    by_load: Any,
    by_wire: Any,
    by_scale: Any,
) -> Any:
    """Gradients through the nodes ``order[start:stop]``, the last one first.

    Takes:
        order, row, gamma, slew, arrival: as in :func:`_kernel_forward`.
        by_slew, by_arrival: gradients by the state; complete for the nodes of the range, added to for their sources.
        by_load: added to: gradient by the F on every net, float64 [N, 4].
        by_wire: added to: gradient by ``wire``, float64 [V, 4], or [0, 4] where wires have no delay.
        by_scale: added to: gradient by the factor of each arc's delay, float64 [E].
    """
    in_start, in_source, in_arc = graph[0], graph[1], graph[2]
    planes = arrival.shape[1]
    left, found, reached = np.zeros((planes + 1, 4)), np.zeros((planes + 1, 4, 3)), np.zeros((planes, 4))
    step_row, step = change[2], change[3]
    for at in range(stop - 1, start - 1, -1):
        node = order[at]
        to = row[node]
        steps = step_row.shape[0] > 0 and step_row[node] >= 0
        if gamma > 0.0 or steps:
            if not (by_slew[to].any() or by_arrival[to].any()):
                continue
            _kernel_gather(node, row, graph, tables, wires, starts, change, gamma, slew, arrival, found)
        for plane in range(planes):
            for column in range(4):
                reached[plane, column] = arrival[to, plane, column]
                left[plane, column] = by_arrival[to, plane, column]
                if steps:
                    reached[plane, column] = _kernel_whole(gamma, column, found[plane, column])
        if steps:
            _kernel_back_step(step[step_row[node]], arrival[to], reached, by_arrival[to], left)
        count = _kernel_pending(node, to, starts, gamma, by_slew, by_arrival, reached, left)
        if count == 0:
            continue
        for edge in range(in_start[node], in_start[node + 1]):
            place = row[in_source[edge]]
            if in_arc[edge] == NET_ARC:
                count -= _kernel_back_net(
                    edge,
                    node,
                    to,
                    place,
                    graph,
                    tables,
                    wires,
                    starts,
                    change,
                    gamma,
                    slew,
                    arrival,
                    found,
                    reached,
                    left,
                    by_slew,
                    by_arrival,
                    by_wire,
                )
            else:
                count -= _kernel_back_cell(
                    edge,
                    node,
                    to,
                    place,
                    graph,
                    tables,
                    wires,
                    starts,
                    change,
                    gamma,
                    slew,
                    arrival,
                    found,
                    reached,
                    left,
                    by_slew,
                    by_arrival,
                    by_load,
                    by_scale,
                )
            if count == 0:
                break
