"""Compiled search for the clock pins that launch near-critical paths to an endpoint, with the arrival through each."""

from __future__ import annotations

import math
from heapq import heappop, heappush
from typing import Any

from circuitgraph.analysis.sta_kernels import _kernel_lookup
from circuitgraph.kernels import compiled


@compiled("bool(float64[:, :, ::1], int64)", inline="always")
def _is_waiting(tail: Any, node: Any) -> Any:
    """Whether a node has been reached and not been looked at."""
    for edge in range(2):
        for plane in range(tail.shape[2]):
            if not math.isnan(tail[node, edge, plane]):
                return True
    return False


LAUNCHES = (
    "int64(int32[::1], int8[::1], int16[::1], int8[::1], float64[::1], int32[::1], "
    "int64[::1], int32[::1], int32[::1], uint8[::1], bool[::1], "
    "int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[::1], int8[::1], float64[:, :, ::1], "
    "int32[::1], float64[:, ::1], float64[:, :, ::1], uint8[::1], int32[::1], float64[:, ::1], int32[:, ::1], "
    "float64[:, ::1], int32[::1], int32[:, :, ::1], float64[:, ::1], float64[:, :, ::1], float64[:, :, ::1], "
    "int64[:, ::1], float64[::1])"
)


@compiled(LAUNCHES)
def _kernel_launches(
    ends: Any,
    end_edge: Any,
    end_plane: Any,
    end_early: Any,
    window: Any,
    level: Any,
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
    tail: Any,
    found: Any,
    found_time: Any,
) -> Any:
    """Launching pins of all paths whose arrival is within a window of the worst one.

    Takes, in this order and by these names:
        ends, end_edge, end_plane, end_early, window: the arrivals to look behind; s.
        level: of every node; fan-ins have lower levels.
        step_row, step: where arrivals change their plane, as ``_kernel_sweep`` takes them.
        tail: scratch, float64 [V, 2, K], all NaN; left so. K is 1 where no arrival changes its plane.
        found: int64 [F, 4]: row of ``ends``, launching node (-1 where a path starts at a port), its plane, its edge.
        found_time: float64 [F], arrival at the end through it.

    Returns:
        Number of rows found; -1 when ``found`` is too short.
    """
    planes = arrival.shape[1]
    has_steps = tail.shape[2] > 1
    filled = 0
    for row in range(len(ends)):
        early = int(end_early[row])
        worst = arrival[ends[row], end_plane[row], 2 * early + end_edge[row]]
        limit = worst + window[row] + 1e-16 if early else worst - window[row] - 1e-16
        tail[ends[row], end_edge[row], end_plane[row] if has_steps else 0] = 0.0
        heap = [(-int(level[ends[row]]), int(ends[row]))]
        while len(heap) > 0:
            node = heappop(heap)[1]
            special_end = special_of[node]
            blocks = special_end >= 0 and seed_blocks[special_end] != 0
            step_at = step_row[node] if has_steps else -1
            for place in range(2 * tail.shape[2]):
                end, slot = place % 2, place // 2
                rest = tail[node, end, slot]
                if math.isnan(rest):
                    continue
                tail[node, end, slot] = math.nan
                behind = slot if has_steps else end_plane[row]
                for plane in range(planes):
                    if (step[step_at, 2 * early + end, plane] if step_at >= 0 else plane) != behind:
                        continue
                    if special_end >= 0:
                        seed = seed_arrival[special_end, plane, 2 * early + end]
                        if not math.isnan(seed):
                            total = seed + rest
                            if (early and total <= limit) or (not early and total >= limit):
                                if filled == len(found):
                                    return -1
                                found[filled, 0], found[filled, 1] = row, -1
                                found[filled, 2], found[filled, 3] = plane, end
                                found_time[filled] = total
                                filled += 1
                    if blocks:
                        continue
                    for edge in range(in_start[node], in_start[node + 1]):
                        source, arc = in_source[edge], in_arc[edge]
                        special = special_of[source]
                        for begin in range(2):
                            if not in_mask[edge] >> (2 * begin + end) & 1:
                                continue
                            x = slew[source, 2 * early + begin]
                            if arc < 0:
                                delay = 0.0
                                if wire.shape[0] > 0:
                                    delay = wire[node, end] * derate[1 + 2 * early]
                                one, two = node_corner[source], node_corner[node]
                                if one != two:
                                    delay += crossing[one, two, 1] * x
                            else:
                                if (
                                    special >= 0
                                    and in_launches[edge]
                                    and not math.isnan(ideal_slew[special, 2 * early + begin])
                                ):
                                    x = ideal_slew[special, 2 * early + begin]
                                y = net_load[node_net[node], 2 * early + end]
                                delay = _kernel_lookup(shape, axis, first, axes, values, arc_table[arc, end], x, y)
                                delay *= derate[2 * early]
                            if in_launches[edge]:
                                for clock in range(planes):
                                    if launch[clock, tag[special] if special >= 0 else 0] != plane:
                                        continue
                                    time = arrival[source, clock, 2 * early + begin]
                                    if math.isinf(time):
                                        continue
                                    if not math.isnan(ideal[clock, early]):
                                        time = ideal[clock, early]
                                    total = time + delay + rest
                                    if (early and total <= limit) or (not early and total >= limit):
                                        if filled == len(found):
                                            return -1
                                        found[filled, 0], found[filled, 1] = row, source
                                        found[filled, 2], found[filled, 3] = clock, begin
                                        found_time[filled] = total
                                        filled += 1
                                continue
                            time = arrival[source, plane, 2 * early + begin]
                            if math.isinf(time):
                                continue
                            total = time + delay + rest
                            if (early and total > limit) or (not early and total < limit):
                                continue
                            to = plane if has_steps else 0
                            old = tail[source, begin, to]
                            if math.isnan(old):
                                if not _is_waiting(tail, source):
                                    heappush(heap, (-int(level[source]), int(source)))
                                tail[source, begin, to] = delay + rest
                            elif early:
                                tail[source, begin, to] = min(old, delay + rest)
                            else:
                                tail[source, begin, to] = max(old, delay + rest)
    return filled
