"""Look-ups in delay tables: bilinear, continued linearly outside of the axes; compiled kernels.

Source: Liberty reference, nonlinear delay model (lu_table_template with input_net_transition and
total_output_net_capacitance).
"""

from __future__ import annotations

from typing import Any

from circuitgraph.kernels import compiled


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
