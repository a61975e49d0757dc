"""Tables of other sizes than 7 x 7 keep what bilinear interpolation can keep."""

from __future__ import annotations

import numpy as np
import pytest

from tasks.timing.peers.tables import AXES, SIZE, TABLES, arc_tables, axis_points, resampled
from tests.tasks.timing_peers.placed import example


def looked_up(first: np.ndarray, second: np.ndarray, values: np.ndarray, x: float, y: float) -> float:
    """Bilinear, inside of the axes, in plain Python."""

    def at(axis: np.ndarray, value: float) -> tuple[int, float]:
        if len(axis) == 1:
            return 0, 0.0
        row = min(max(int(np.searchsorted(axis, value, side="right")) - 1, 0), len(axis) - 2)
        return row, (value - axis[row]) / (axis[row + 1] - axis[row])

    (i, f), (j, g) = at(first, x), at(second, y)
    up, right = min(i + 1, len(first) - 1), min(j + 1, len(second) - 1)
    low = values[i, j] * (1 - g) + values[i, right] * g
    return low * (1 - f) + (values[up, j] * (1 - g) + values[up, right] * g) * f


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (3, 6), (6, 7), (7, 7)])
def test_smaller_tables_lose_nothing(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape)
    first, second = (np.sort(rng.random(count)) for count in shape)
    values = rng.random(shape)
    seven = resampled(first, second, values)
    assert [part.shape for part in seven] == [(SIZE,), (SIZE,), (SIZE, SIZE)]
    for _ in range(200):
        x, y = (axis[0] + rng.random() * (axis[-1] - axis[0]) for axis in (first, second))
        assert looked_up(*seven, x, y) == pytest.approx(looked_up(first, second, values, x, y), abs=1e-12)


@pytest.mark.parametrize("shape", [(8, 10), (10, 10), (3, 20)])
def test_longer_tables_lose_nothing_where_they_are_bilinear(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape)
    first, second = (np.sort(rng.random(count)) for count in shape)
    a, b, c, d = rng.random(4)
    values = a + b * first[:, None] + c * second[None] + d * first[:, None] * second[None]
    seven = resampled(first, second, values)
    assert set(seven[1]) <= set(second)
    for x, y in rng.random((200, 2)):
        x, y = first[0] + x * (first[-1] - first[0]), second[0] + y * (second[-1] - second[0])
        assert looked_up(*seven, x, y) == pytest.approx(a + b * x + c * y + d * x * y, abs=1e-12)


def test_seven_points_stay_and_ends_are_kept() -> None:
    axis = np.array([1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0])
    assert np.array_equal(axis_points(axis), axis)
    longer = np.arange(10.0) ** 2
    assert axis_points(longer)[[0, -1]].tolist() == [0.0, 81.0]
    assert np.all(np.diff(axis_points(longer)) > 0)


def test_tables_of_arcs_are_those_of_the_library() -> None:
    library = example().inputs.library
    arcs = np.flatnonzero(library.arc_table[:, 0] >= 0)[:20]
    axes, values = arc_tables(library, arcs)
    assert axes.shape == (20, TABLES, AXES)
    assert values.shape == (20, TABLES, SIZE * SIZE)
    assert np.array_equal(axes[:, 0, 0], np.ones(20))
    for row, arc in enumerate(arcs.tolist()):
        for column, table in enumerate(library.arc_table[arc].tolist()):
            if table < 0:
                assert not axes[row, column].any()
                continue
            slews, loads = axes[row, column, 1 : 1 + SIZE] * 1e-9, axes[row, column, 1 + SIZE :] * 1e-12
            own = library.tables.table(table)
            if own[2].shape == (SIZE, SIZE):
                np.testing.assert_allclose(values[row, column] * 1e-9, own[2].ravel(), rtol=1e-6)
                np.testing.assert_allclose(slews, own[0], rtol=1e-6)
                np.testing.assert_allclose(loads, own[1], rtol=1e-6)
