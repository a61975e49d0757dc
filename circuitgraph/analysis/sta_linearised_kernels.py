"""Compiled: the points of a ``dmp`` analysis that a linearised one goes through."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from circuitgraph.analysis.dmp_kernels import WAVE, _kernel_gate, _kernel_sink
from circuitgraph.analysis.nldm_kernels import _kernel_lookup
from circuitgraph.analysis.sta_forward_kernels import NET_ARC, TABLES
from circuitgraph.kernels import compiled

STEP = 0.02
"""Share by which loads and Elmore delays are moved to find a slope."""
ARCS = "Tuple((int32[::1], int32[::1], int32[::1], uint8[::1], bool[::1]))"


@compiled("void(int64, int64, float64, float64, float64, float64, float64, float64, float64[:, :, ::1])")
def _kernel_net_point(
    edge: Any, column: Any, t: Any, x: Any, delay: Any, slew: Any, by_delay: Any, rate: Any, points: Any
) -> Any:
    """Point of a net arc.

    Takes:
        t, x: Elmore delay; slew at the source.
        delay, slew: derated delay; slew behind.
        by_delay, rate: derivative of the delay before its derate; squared spread by squared Elmore delay.
    """
    points[edge, column, 0] = by_delay
    points[edge, column, 1] = delay
    points[edge, column, 2] = t
    points[edge, column, 3] = slew
    points[edge, column, 4] = math.sqrt(x * x + rate * t * t)
    points[edge, 4 + column, 0] = rate


@compiled("float64(float64, float64, float64)")
def _kernel_rate(slope: Any, t: Any, x: Any) -> Any:
    """The rate with which v = sqrt(x^2 + rate t^2) has the slope rate t / v by t."""
    square = (max(0.0, slope) * t) ** 2
    return 0.5 * (square + math.sqrt(square * square + 4.0 * square * x * x)) / (t * t)


@compiled("UniTuple(float64, 2)(float64[::1], float64, float64, float64[::1], float64[::1])")
def _kernel_sink_slopes(wave: Any, t: Any, slew: Any, levels: Any, sunk: Any) -> Any:
    """Derivatives of a sink's delay and slew by its Elmore delay."""
    above, wide = _kernel_sink(wave, t * (1.0 + STEP), slew, levels, sunk)
    below, narrow = _kernel_sink(wave, t * (1.0 - STEP), slew, levels, sunk)
    return (above - below) / (2.0 * STEP * t), (wide - narrow) / (2.0 * STEP * t)


@compiled(
    f"void({TABLES}, {ARCS}, int64[::1], int64[::1], int32[::1], int32[::1], float64[:, ::1], int8[::1], "
    "float64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, ::1], float64[:, :, ::1])"
)
def _kernel_sink_points(
    tables: Any,
    arcs: Any,
    in_start: Any,
    out_start: Any,
    out_arc: Any,
    node_net: Any,
    wire: Any,
    corner: Any,
    levels: Any,
    pi: Any,
    slew: Any,
    ideal: Any,
    points: Any,
) -> Any:
    """Slopes of net arcs behind gates, from the waveform that has the driver's slew, into their *points*."""
    source, target, library_arc, mask, launches = arcs
    arc_table, shape, axis, first, axes, values = tables
    wave, sunk = np.zeros(WAVE), np.zeros(WAVE)
    for node in range(len(out_start) - 1):
        for column in range(4):
            end, time_type, done = column & 1, column // 2, out_start[node] == out_start[node + 1]
            for edge in range(in_start[node], in_start[node + 1]):
                for begin in range(2):
                    start = 2 * time_type + begin
                    gives = library_arc[edge] >= 0 and mask[edge] >> (4 + 2 * begin + end) & 1
                    if done or not gives or points[edge, 4 * end + start, 3] != slew[node, column]:
                        continue
                    done = True
                    x = slew[source[edge], start]
                    if launches[edge] and not math.isnan(ideal[source[edge], start]):
                        x = ideal[source[edge], start]
                    table = arc_table[library_arc[edge], end]
                    slew_table, load = arc_table[library_arc[edge], 2 + end], pi[node_net[node], column]
                    limits = levels[corner[node], end]
                    _kernel_gate(
                        shape, axis, first, axes, values, table, slew_table, x, load[0], load[1], load[2], limits, wave
                    )
                    for place in range(out_start[node], out_start[node + 1]):
                        arc = out_arc[place]
                        t = wire[target[arc], end]
                        if t > 0.0:
                            by_delay, by_slew = _kernel_sink_slopes(wave, t, slew[node, column], limits, sunk)
                            rate = _kernel_rate(by_slew, t, slew[node, column])
                            old = points[arc, column]
                            _kernel_net_point(
                                arc, column, t, slew[node, column], old[1], old[3], by_delay, rate, points
                            )


@compiled(
    f"void({TABLES}, {ARCS}, int32[::1], float64[:, ::1], float64[:, ::1], float64[::1], int8[::1], "
    "float64[:, :, ::1], float64[:, :, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], float64[:, ::1], bool, "
    "float64[:, :, ::1])"
)
def _kernel_points(
    tables: Any,
    arcs: Any,
    node_net: Any,
    load: Any,
    wire: Any,
    derate: Any,
    corner: Any,
    levels: Any,
    pi: Any,
    arc_delay: Any,
    arc_slew: Any,
    slew: Any,
    ideal: Any,
    plain: Any,
    points: Any,
) -> Any:
    """Points of every arc, into *points* [E, 8, 6].

    Takes:
        tables: of the library. arcs: source, target, row in the library, edges, launches.
        node_net, load, wire, derate, corner: as in the sweep.
        levels, pi, arc_delay, arc_slew: of the dmp model: thresholds, pi models, what was found.
        slew, ideal: of every node; of ideal clocks, NaN elsewhere, float64 [V, 4].
        plain: gates see the whole load, sinks are those of the elmore model.
    """
    source, target, library_arc, mask, launches = arcs
    arc_table, shape, axis, first, axes, values = tables
    wave = np.zeros(WAVE)
    for edge in range(len(source)):
        node = target[edge]
        if library_arc[edge] == NET_ARC:
            for column in range(4):
                limits = levels[corner[node], column & 1]
                by_delay, rate = 1.0, (math.log((1.0 - limits[1]) / (1.0 - limits[2])) / limits[3]) ** 2
                delay, value = arc_delay[edge, 4 * (column & 1) + column], arc_slew[edge, column]
                t, x = wire[node, column & 1], slew[source[edge], column]
                if t > 0.0 and not plain:  # behind a port both grow with the Elmore delay alone
                    by_delay = delay / (t * derate[1 if column < 2 else 3])
                    rate = _kernel_rate((value - x) / t, t, x)
                _kernel_net_point(edge, column, t, x, delay, value, by_delay, rate, points)
            continue
        net = node_net[node]
        for end in range(2):
            table, slew_table = arc_table[library_arc[edge], end], arc_table[library_arc[edge], 2 + end]
            for start in range(4):
                bit, column, at = 2 * (start & 1) + end, start // 2 * 2 + end, 4 * end + start
                if not (mask[edge] >> bit | mask[edge] >> (4 + bit)) & 1:
                    continue
                x = slew[source[edge], start]
                if launches[edge] and not math.isnan(ideal[source[edge], start]):
                    x = ideal[source[edge], start]
                c2, r, c1 = pi[net, column, 0], pi[net, column, 1], pi[net, column, 2]
                limits = levels[corner[node], end]
                delay, value, ceff = _kernel_gate(
                    shape, axis, first, axes, values, table, slew_table, x, c2, r, c1, limits, wave
                )
                y = load[net, column]
                share = 1.0 if plain or not y > 0.0 else ceff / y
                points[edge, at, 0] = share
                points[edge, at, 1] = delay
                points[edge, at, 2] = _kernel_lookup(shape, axis, first, axes, values, table, x, y * share)
                points[edge, at, 3] = value
                points[edge, at, 5] = share
                if slew_table >= 0:
                    if wave[0] != 0.0 and not plain:
                        many, few = (1.0 + STEP), (1.0 - STEP)
                        _, more, _ = _kernel_gate(
                            shape,
                            axis,
                            first,
                            axes,
                            values,
                            table,
                            slew_table,
                            x,
                            c2 * many,
                            r,
                            c1 * many,
                            limits,
                            wave,
                        )
                        _, less, _ = _kernel_gate(
                            shape, axis, first, axes, values, table, slew_table, x, c2 * few, r, c1 * few, limits, wave
                        )
                        rise = _kernel_lookup(shape, axis, first, axes, values, slew_table, x, ceff * many)
                        rise -= _kernel_lookup(shape, axis, first, axes, values, slew_table, x, ceff * few)
                        if rise > 0.0:
                            share *= min(max((more - less) / rise, 0.5), 2.0)
                    points[edge, at, 5] = share
                    points[edge, at, 4] = _kernel_lookup(shape, axis, first, axes, values, slew_table, x, y * share)
