"""Look-up tables of cell arcs as the published models read them: eight tables of 7 x 7 an arc, ns and pF.

Their code assumes 7 x 7. Tables of other sizes are resampled on their own axes: a longer axis keeps seven of its own
points, a shorter one keeps all of its points and gets more between them. Between its points a table is bilinear, so
the second loses nothing, and the first nothing where the table is bilinear over the points left out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuitgraph.library import Library

FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]

SIZE = 7
TABLES = 8
"""Late, then early: cell rise, cell fall, rise transition, fall transition; one corner gives both the same tables."""
AXES = 1 + 2 * SIZE
TIME, CAPACITANCE = 1e-9, 1e-12
"""Units of the models: ns, pF."""


def axis_points(axis: FloatArray) -> FloatArray:
    """Seven points of an axis, float64 [7], ascending; an axis of one point, on which nothing depends, becomes 0 to 1.

    >>> axis_points(np.array([0.0, 1.0, 2.0, 6.0])).tolist()
    [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    """
    if len(axis) == 1:
        return np.linspace(0.0, 1.0, SIZE)
    if len(axis) >= SIZE:
        return np.asarray(axis[np.round(np.linspace(0, len(axis) - 1, SIZE)).astype(np.int64)], np.float64)
    points = list(map(float, axis))
    while len(points) < SIZE:
        row = int(np.argmax(np.diff(points)))
        points.insert(row + 1, (points[row] + points[row + 1]) / 2)
    return np.array(points)


def resampled(first: FloatArray, second: FloatArray, values: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """A table on seven points of each of its axes.

    Args:
        first, second: axes, [n], [m].
        values: [n, m].

    Returns:
        both axes [7] and the values [7, 7].
    """
    points = axis_points(first), axis_points(second)
    return *points, _weights(first, points[0]) @ values @ _weights(second, points[1]).T


def _weights(axis: FloatArray, points: FloatArray) -> FloatArray:
    """What each of the axis' own values weighs at each point, [points, n]."""
    if len(axis) == 1:
        return np.ones((len(points), 1))
    unit = np.eye(len(axis))
    return np.stack([np.interp(points, axis, unit[row]) for row in range(len(axis))], axis=1)


def arc_tables(library: Library, arcs: npt.NDArray[np.integer]) -> tuple[SingleArray, SingleArray]:
    """Axes and values of the tables of some arcs of a library.

    Args:
        arcs: rows in the library, [R].

    Returns:
        axes, float32 [R, 8, 15]: whether there is such a table, seven slews in ns, seven loads in pF; values, float32
        [R, 8, 49], ns. A table that is absent is zero.
    """
    axes, values = np.zeros((len(arcs), TABLES, AXES)), np.zeros((len(arcs), TABLES, SIZE * SIZE))
    for row, arc in enumerate(arcs.tolist()):
        for column, number in enumerate(library.arc_table[arc].tolist()):
            if number < 0:
                continue
            slews, loads, table = resampled(*library.tables.table(number))
            axes[row, column] = np.concatenate([[1.0], slews / TIME, loads / CAPACITANCE])
            values[row, column] = table.ravel() / TIME
    half = TABLES // 2
    axes[:, half:], values[:, half:] = axes[:, :half], values[:, :half]
    return axes.astype(np.float32), values.astype(np.float32)
