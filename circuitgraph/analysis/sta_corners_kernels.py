"""Compiled sweep over several library corners at once, and the search for the planes that each node can hold.

Columns are late rise, late fall, early rise, early fall. States are float32, what is added up in a node is float64.
Slews are kept as [V, C, 4]. Arrivals have a row for each plane that can reach a node and for no other: a node's rows
begin at ``row_of[node]`` and follow ``planes_of[class_of[node]]``, [R, C, 4]. Arrays come in groups, by these names:

    graph: in_start, in_source, in_arc, in_mask, in_launches, node_net, node_corner
    tables: pair_of, place, has_slew, pool
    wires: load, wire, spread, derate, crossing
    starts: special_of, seed_slew, seed_arrival, seed_mask, seed_blocks, tag, ideal_slew, launch, ideal
    planes: class_of, row_of, planes_of, plane_count, step_row, step

as in :func:`circuitgraph.analysis.sta_kernels._kernel_sweep` where the names are the same. *tables* are those of
:class:`circuitgraph.analysis.sta_corner_tables.PairTables`. *load* is float32 [N, C, 4]. *wire* is the Elmore delay into
a node, float32 [V, 1 or C, 2], or [0, 1, 2] where wires have no delay; *spread* what its square is multiplied with in the
squared slew, by corner, thresholds and edge. Of *starts* seed_slew, seed_arrival and ideal_slew have an axis of 1 or C
behind the first. *seed_mask* has a bit for each plane with a boundary value, of rising and of falling edges, [S, 2].
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from circuitgraph.kernels import compiled

GRAPH = "Tuple((int64[::1], int32[::1], int32[::1], uint8[::1], bool[::1], int32[::1], int8[::1]))"
TABLES = "Tuple((int32[:, ::1], int32[:, :, ::1], bool[::1], float32[::1]))"
WIRES = "Tuple((float32[:, :, ::1], float32[:, :, ::1], float64[:, :, ::1], float64[::1], float64[:, :, :, ::1]))"
STARTS = (
    "Tuple((int32[::1], float32[:, :, ::1], float32[:, :, :, ::1], int64[:, ::1], uint8[::1], int32[::1], "
    "float32[:, :, ::1], int32[:, ::1], float64[:, ::1]))"
)
PLANES = "Tuple((int16[::1], int32[::1], int16[:, ::1], int16[::1], int32[::1], int32[:, :, ::1]))"
NET_ARC = -1


@compiled("int64(int64, int32[:, ::1], int64)", inline="always")
def _kernel_launched(planes: Any, launch: Any, tag: Any) -> Any:
    """Data planes that a set of clock planes launches."""
    found = np.int64(0)
    for plane in range(launch.shape[0]):
        if planes >> plane & 1 and launch[plane, tag] >= 0:
            found |= np.int64(1) << launch[plane, tag]
    return found


@compiled(f"int64(int32[::1], {GRAPH}, {STARTS}, int32[::1], int32[:, :, ::1], int64[:, ::1], int16[::1], int32[::1])")
def _kernel_reach(
    order: Any, graph: Any, starts: Any, step_row: Any, step: Any, known: Any, class_of: Any, row_of: Any
) -> Any:
    """Sets of planes that can reach each node, rising and falling, without any delay.

    Takes:
        step_row, step: where arrivals change their plane.
        known: filled with the pairs of sets, [M, 2], a bit for each plane.
        class_of: filled with the row in *known* of each node.
        row_of: filled with the first row of each node's arrivals.

    Returns:
        Rows of arrivals in all; -1 when *known* is too short.
    """
    in_start, in_source, in_arc, in_mask, in_launches, _, _ = graph
    special_of, _, _, seed_mask, seed_blocks, tag, _, launch, _ = starts
    count = last = 0
    reach, before = np.zeros(2, np.int64), np.zeros(2, np.int64)
    for at in range(len(order)):
        node = order[at]
        seed = special_of[node]
        for end in range(2):
            reach[end] = seed_mask[seed, end] if seed >= 0 else 0
        if seed < 0 or seed_blocks[seed] == 0:
            for edge in range(in_start[node], in_start[node + 1]):
                source, mask = in_source[edge], in_mask[edge]
                kind = class_of[source]
                special = special_of[source] if in_launches[edge] else -1
                for bit in range(4):
                    if not mask & 15 or not (in_arc[edge] == NET_ARC or mask >> bit & 1):
                        continue
                    begin, end = bit >> 1, bit & 1
                    planes = known[kind, begin]
                    if in_arc[edge] == NET_ARC:
                        planes = planes if begin == end else 0
                    elif in_launches[edge]:
                        planes = _kernel_launched(planes, launch, tag[special] if special >= 0 else 0)
                    reach[end] |= planes
        if step_row.shape[0] > 0 and step_row[node] >= 0:
            for end in range(2):
                before[end], reach[end] = reach[end], 0
            for column in range(4):
                for plane in range(launch.shape[0]):
                    goal = step[step_row[node], column, plane]
                    if before[column & 1] >> plane & 1 and goal >= 0:
                        reach[column & 1] |= np.int64(1) << goal
        if count == 0 or known[last, 0] != reach[0] or known[last, 1] != reach[1]:
            last = 0
            while last < count and (known[last, 0] != reach[0] or known[last, 1] != reach[1]):
                last += 1
            if last == count:
                if count == len(known):
                    return -1
                known[count] = reach
                count += 1
        class_of[node] = last
    total = 0
    for node in range(len(order)):
        row_of[node] = total
        either = known[class_of[node], 0] | known[class_of[node], 1]
        while either:
            either &= either - 1
            total += 1
    return total


@compiled(
    "void(Array(int64, 1, 'C', True), Array(int32, 1, 'C', True), Array(int32, 1, 'C', True), int64[::1], "
    "float64[:, ::1], float64[:, ::1])"
)
def _kernel_pin_loads(
    pin_start: Any, pin_net: Any, cell_type: Any, type_start: Any, capacitance: Any, load: Any
) -> Any:
    """Add the capacitances of all pins, by type and port float64 [Q, 4], to their nets', float64 [N, 4]."""
    for cell in range(len(cell_type)):
        base = type_start[cell_type[cell]]
        for pin in range(pin_start[cell], pin_start[cell + 1]):
            net = pin_net[pin]
            if net >= 0:
                for column in range(4):
                    load[net, column] += capacitance[base + pin - pin_start[cell], column]


@compiled("void(float32[:, :, ::1], int64)", inline="always")
def _kernel_open(held: Any, plane: Any) -> Any:
    """No arrival yet in a plane."""
    for corner in range(held.shape[1]):
        held[plane, corner, 0] = -math.inf
        held[plane, corner, 1] = -math.inf
        held[plane, corner, 2] = math.inf
        held[plane, corner, 3] = math.inf


@compiled(
    f"void(int64, int64, {WIRES}, int8[::1], float32[:, :, ::1], float32[:, ::1], float64[:, ::1])", inline="always"
)
def _kernel_net_arc(node: Any, source: Any, wires: Any, node_corner: Any, slew: Any, own: Any, delay: Any) -> Any:
    """Delays of a net arc by corner and column into *delay* [C, 4]; slews behind it are merged into *own* [C, 4]."""
    _, wire, spread, derate, crossing = wires
    two = node_corner[node]
    one = node_corner[source] if crossing.shape[1] > 1 else two
    for corner in range(own.shape[0]):
        at = min(corner, wire.shape[1] - 1)
        for column in range(4):
            value = np.float64(slew[source, corner, column])
            found = added = 0.0 * value
            if wire.shape[0] > 0:
                elmore = np.float64(wire[node, at, column & 1])
                found = elmore * derate[1 if column < 2 else 3]
                added = spread[corner, two, column & 1] * elmore * elmore
            if one != two:
                found += crossing[corner, one, two, 1] * value
                value *= crossing[corner, one, two, 0]
            if added > 0.0:
                value = np.sqrt(value * value + added)
            delay[corner, column] = found
            if column < 2:
                own[corner, column] = max(own[corner, column], np.float32(value))
            else:
                own[corner, column] = min(own[corner, column], np.float32(value))


@compiled("UniTuple(float64, 2)(float32[::1], int64, int64, int64, float64, float64)", inline="always")
def _kernel_pair(pool: Any, base: Any, first: Any, second: Any, x: Any, y: Any) -> Any:
    """Delay and slew of one pair of tables of *first* x *second* points: bilinear, continued linearly outside."""
    i = base
    last = base + first - 2
    while i < last and x >= pool[i + 1]:
        i += 1
    f = (x - pool[i]) / (pool[i + 1] - pool[i])
    j = base + first
    last = j + second - 2
    while j < last and y >= pool[j + 1]:
        j += 1
    g = (y - pool[j]) / (pool[j + 1] - pool[j])
    at = base + first + second + 2 * ((i - base) * second + j - base - first)
    up = at + 2 * second
    low = pool[at] * (1.0 - g) + pool[at + 2] * g
    high = pool[up] * (1.0 - g) + pool[up + 2] * g
    low_slew = pool[at + 1] * (1.0 - g) + pool[at + 3] * g
    high_slew = pool[up + 1] * (1.0 - g) + pool[up + 3] * g
    return low * (1.0 - f) + high * f, low_slew * (1.0 - f) + high_slew * f


@compiled(
    f"void(int64, int64, int64, int64, bool, int64, {TABLES}, float32[:, :, ::1], int64, float32[:, :, ::1], int64, "
    "float64[::1], float32[:, :, ::1], float32[:, ::1], float64[:, ::1])",
    inline="always",
)
def _kernel_cell_arc(
    source: Any,
    begin: Any,
    end: Any,
    pair: Any,
    gives_slew: Any,
    special: Any,
    tables: Any,
    load: Any,
    net: Any,
    ideal_slew: Any,
    launches: Any,
    derate: Any,
    slew: Any,
    own: Any,
    delay: Any,
) -> Any:
    """Delays of a cell arc from edge *begin* to edge *end* into *delay* [C, 4]; slews are merged into *own* [C, 4]."""
    _, place, has_slew, pool = tables
    merges = gives_slew and has_slew[pair]
    for corner in range(own.shape[0]):
        base, first, second = place[pair, corner, 0], place[pair, corner, 1], place[pair, corner, 2]
        old_x = old_y = math.nan
        found = value = 0.0
        for early in range(2):
            column = 2 * early + end
            x = np.float64(slew[source, corner, 2 * early + begin])
            if special >= 0 and launches:
                given = ideal_slew[special, min(corner, ideal_slew.shape[1] - 1), 2 * early + begin]
                if not math.isnan(given):
                    x = np.float64(given)
            y = np.float64(load[net, corner, column])
            if x != old_x or y != old_y:
                found, value = _kernel_pair(pool, base, first, second, x, y)
                value = max(0.0, value)
                old_x, old_y = x, y
            delay[corner, column] = found * derate[2 * early]
            if merges:
                if early == 0:
                    own[corner, column] = max(own[corner, column], np.float32(value))
                else:
                    own[corner, column] = min(own[corner, column], np.float32(value))


@compiled("int64(int32[:, ::1], int64, float32[:, :, ::1], float32[:, :, ::1])")
def _kernel_step(goals: Any, have: Any, held: Any, moved: Any) -> Any:
    """Move the arrivals of a node to the planes *goals* [4, K]; gives the bits of the planes that are held then."""
    planes, corners = held.shape[0], held.shape[1]
    reach = np.int64(0)
    for plane in range(planes):
        _kernel_open(moved, plane)
    for plane in range(planes):
        if not have >> plane & 1:
            continue
        for column in range(4):
            goal = np.int64(goals[column, plane])
            if goal < 0:
                continue
            reach |= np.int64(1) << goal
            for corner in range(corners):
                time = held[plane, corner, column]
                if column < 2:
                    moved[goal, corner, column] = max(moved[goal, corner, column], time)
                else:
                    moved[goal, corner, column] = min(moved[goal, corner, column], time)
    held[:] = moved
    return reach


CORNER_SWEEP = (
    f"void(int32[::1], int64, int64, {GRAPH}, {TABLES}, {WIRES}, {STARTS}, {PLANES}, float32[:, :, ::1], "
    "float32[:, :, ::1])"
)


@compiled(CORNER_SWEEP)
def _kernel_corners(
    order: Any,
    start: Any,
    stop: Any,
    graph: Any,
    tables: Any,
    wires: Any,
    starts: Any,
    planes: Any,
    slew: Any,
    arrival: Any,
) -> Any:
    """Slews [V, C, 4] and arrivals [R, C, 4] of the nodes ``order[start:stop]``, in all corners."""
    in_start, in_source, in_arc, in_mask, in_launches, node_net, node_corner = graph
    load, derate = wires[0], wires[3]
    special_of, seed_slew, seed_arrival, seed_mask, seed_blocks, tag, ideal_slew, launch, ideal = starts
    class_of, row_of, planes_of, plane_count, step_row, step = planes
    corners, every = slew.shape[1], launch.shape[0]
    own, delay = np.zeros((corners, 4), np.float32), np.zeros((corners, 4))
    held, moved = np.zeros((every, corners, 4), np.float32), np.zeros((every, corners, 4), np.float32)
    for at in range(start, stop):
        node = order[at]
        seed = special_of[node]
        blocks = seed >= 0 and seed_blocks[seed] != 0
        have = np.int64(0)
        for corner in range(corners):
            for column in range(4):
                own[corner, column] = -math.inf if column < 2 else math.inf
        if seed >= 0:
            have = seed_mask[seed, 0] | seed_mask[seed, 1]
            for plane in range(every):
                if have >> plane & 1:
                    _kernel_open(held, plane)
                    for corner in range(corners):
                        for column in range(4):
                            given = seed_arrival[seed, min(corner, seed_arrival.shape[1] - 1), plane, column]
                            if not math.isnan(given):
                                held[plane, corner, column] = given
        for edge in range(in_start[node], in_start[node + 1]):
            source, arc, mask, launches = in_source[edge], in_arc[edge], in_mask[edge], in_launches[edge]
            first, kind = row_of[source], class_of[source]
            if arc == NET_ARC:
                _kernel_net_arc(node, source, wires, node_corner, slew, own, delay)
                if blocks or not mask & 15:
                    continue
                for slot in range(plane_count[kind]):
                    plane = planes_of[kind, slot]
                    if not have >> plane & 1:
                        have |= np.int64(1) << plane
                        _kernel_open(held, plane)
                    for corner in range(corners):
                        for column in range(4):
                            time = np.float32(arrival[first + slot, corner, column] + delay[corner, column])
                            if column < 2:
                                held[plane, corner, column] = max(held[plane, corner, column], time)
                            else:
                                held[plane, corner, column] = min(held[plane, corner, column], time)
                continue
            special, net = special_of[source] if launches else -1, node_net[node]
            for bit in range(4):
                if not (mask >> bit | mask >> (4 + bit)) & 1:
                    continue
                begin, end = bit >> 1, bit & 1
                _kernel_cell_arc(
                    source,
                    begin,
                    end,
                    tables[0][arc, end],
                    mask >> (4 + bit) & 1 != 0,
                    special,
                    tables,
                    load,
                    net,
                    ideal_slew,
                    launches,
                    derate,
                    slew,
                    own,
                    delay,
                )
                if blocks or not mask >> bit & 1:
                    continue
                for slot in range(plane_count[kind]):
                    goal = plane = planes_of[kind, slot]
                    if launches:
                        goal = launch[plane, tag[special] if special >= 0 else 0]
                        if goal < 0:
                            continue
                    if not have >> goal & 1:
                        have |= np.int64(1) << goal
                        _kernel_open(held, goal)
                    for corner in range(corners):
                        for early in range(2):
                            column = 2 * early + end
                            time = arrival[first + slot, corner, 2 * early + begin]
                            if launches and not math.isinf(time) and not math.isnan(ideal[plane, early]):
                                time = ideal[plane, early]
                            later = np.float32(time + delay[corner, column])
                            if early == 0:
                                held[goal, corner, column] = max(held[goal, corner, column], later)
                            else:
                                held[goal, corner, column] = min(held[goal, corner, column], later)
        if step_row.shape[0] > 0 and step_row[node] >= 0:
            have = _kernel_step(step[step_row[node]], have, held, moved)
        for corner in range(corners):
            for column in range(4):
                value = own[corner, column]
                if seed >= 0:
                    given = seed_slew[seed, min(corner, seed_slew.shape[1] - 1), column]
                    if not math.isnan(given):
                        value = given
                slew[node, corner, column] = np.float32(0.0) if math.isinf(value) else value
        kind, first = class_of[node], row_of[node]
        for slot in range(plane_count[kind]):
            plane = planes_of[kind, slot]
            if not have >> plane & 1:
                _kernel_open(held, plane)
            for corner in range(corners):
                for column in range(4):
                    arrival[first + slot, corner, column] = held[plane, corner, column]
