"""The compiled backward sweep of static timing analysis: required times, from the endpoints to where paths start.

Columns are late rise, late fall, early rise, early fall. Late required times are the smallest over all ways on, early ones
the largest; where no constrained endpoint follows the late columns hold +inf and the early ones -inf.
"""

from __future__ import annotations

import math
from typing import Any

from circuitgraph.analysis.sta_kernels import _kernel_lookup
from circuitgraph.kernels import compiled

REQUIRED = (
    "void(int32[::1], "
    "int64[::1], int32[::1], int32[::1], uint8[::1], bool[::1], "
    "int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[::1], int8[::1], float64[:, :, ::1], "
    "int32[::1], float64[:, ::1], float64[:, :, ::1], uint8[::1], int32[::1], float64[:, ::1], int32[:, ::1], "
    "float64[:, ::1], int32[::1], int32[:, :, ::1], float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1])"
)


@compiled(REQUIRED)
def _kernel_requireds(
    order: Any,
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
    step_row: Any,
    step: Any,
    slew: Any,
    arrival: Any,
    required: Any,
) -> Any:
    """Required times of all nodes, into *required*, which holds those of the endpoints.

    Takes, in this order and by these names:
        order: nodes by level; the last ones are looked at first.
        in_start to ideal, step_row, step: as ``_kernel_sweep`` takes them.
        slew, arrival: the finished state, float64 [V, 4] and [V, K, 4].
        required: float64 [V, K, 4].
    """
    planes = arrival.shape[1]
    for at in range(len(order) - 1, -1, -1):
        node = order[at]
        special_end = special_of[node]
        if special_end >= 0 and seed_blocks[special_end] != 0:
            continue
        wanted = 0
        for plane in range(planes):
            for column in range(4):
                if not math.isinf(required[node, plane, column]):
                    wanted |= 1 << column
        if wanted == 0:
            continue
        for edge in range(in_start[node], in_start[node + 1]):
            source, arc, launches = in_source[edge], in_arc[edge], in_launches[edge]
            special = special_of[source]
            row = tag[special] if special >= 0 else 0
            for begin in range(2):
                for end in range(2):
                    if not in_mask[edge] >> (2 * begin + end) & 1:
                        continue
                    old_x = old_y = old_delay = math.nan
                    for early in range(2):
                        column, from_column = 2 * early + end, 2 * early + begin
                        if not wanted >> column & 1:
                            continue
                        x = slew[source, from_column]
                        if arc < 0:
                            delay = 0.0
                            if wire.shape[0] > 0:
                                delay = wire[node, end] * derate[1 + 2 * early]
                            one, two = node_corner[source], node_corner[node]
                            if one != two:
                                delay += crossing[one, two, 1] * x
                        else:
                            if special >= 0 and launches and not math.isnan(ideal_slew[special, from_column]):
                                x = ideal_slew[special, from_column]
                            y = net_load[node_net[node], column]
                            if x != old_x or y != old_y:
                                old_x, old_y = x, y
                                table = arc_table[arc, end]
                                old_delay = _kernel_lookup(shape, axis, first, axes, values, table, x, y)
                            delay = old_delay * derate[2 * early]
                        for plane in range(planes):
                            if math.isinf(arrival[source, plane, from_column]):
                                continue
                            goal = launch[plane, row] if launches else plane
                            if goal >= 0 and step_row.shape[0] > 0 and step_row[node] >= 0:
                                goal = step[step_row[node], column, goal]
                            if goal < 0 or math.isinf(required[node, goal, column]):
                                continue
                            time = required[node, goal, column] - delay
                            if early == 0:
                                required[source, plane, from_column] = min(required[source, plane, from_column], time)
                            else:
                                required[source, plane, from_column] = max(required[source, plane, from_column], time)
