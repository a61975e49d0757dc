"""The compiled look-up of the delays of all arcs in a finished analysis."""

from __future__ import annotations

import math
from typing import Any

from circuitgraph.analysis.sta_kernels import _kernel_lookup
from circuitgraph.kernels import compiled

DELAYS = (
    "void(int32[::1], int32[::1], int32[::1], uint8[::1], bool[::1], "
    "int32[:, ::1], int32[:, ::1], int64[:, ::1], int64[::1], float64[::1], float64[::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], int8[::1], float64[:, :, ::1], "
    "int32[::1], float64[:, ::1], float64[:, ::1], float64[:, ::1])"
)


@compiled(DELAYS)
def _kernel_delays(
    arc_source: Any,
    arc_target: Any,
    library_arc: Any,
    mask: Any,
    launches: Any,
    arc_table: Any,
    shape: Any,
    axis: Any,
    first: Any,
    axes: Any,
    values: Any,
    node_net: Any,
    net_load: Any,
    wire: Any,
    node_corner: Any,
    crossing: Any,
    special_of: Any,
    ideal_slew: Any,
    slew: Any,
    delay: Any,
) -> Any:
    """Delays without derates, s, into *delay* [E, 8]: by 4 x edge of the target + 2 x early + edge of the source.

    Takes, in this order and by these names:
        arc_source, arc_target, library_arc, mask, launches: arcs in any order, as ``_kernel_sweep`` takes them.
        arc_table to crossing, special_of, ideal_slew: likewise.
        slew: of the finished analysis, float64 [V, 4].
        delay: NaN where an arc does not lead from edge to edge.
    """
    for arc in range(len(arc_source)):
        source, target = arc_source[arc], arc_target[arc]
        special = special_of[source]
        for begin in range(2):
            for end in range(2):
                allowed = mask[arc] >> (2 * begin + end) & 1
                for early in range(2):
                    at = 4 * end + 2 * early + begin
                    delay[arc, at] = math.nan
                    if not allowed:
                        continue
                    x = slew[source, 2 * early + begin]
                    if library_arc[arc] < 0:
                        found = wire[target, end] if wire.shape[0] > 0 else 0.0
                        one, two = node_corner[source], node_corner[target]
                        delay[arc, at] = found + (crossing[one, two, 1] * x if one != two else 0.0)
                        continue
                    table = arc_table[library_arc[arc], end]
                    if table < 0:
                        continue
                    if special >= 0 and launches[arc] and not math.isnan(ideal_slew[special, 2 * early + begin]):
                        x = ideal_slew[special, 2 * early + begin]
                    y = net_load[node_net[target], 2 * early + end]
                    delay[arc, at] = _kernel_lookup(shape, axis, first, axes, values, table, x, y)
