"""Intervals cover what they promise where the assumptions hold, and not by being wide where they do not."""

from __future__ import annotations

import numpy as np
import pytest

from circuitgraph.errors import CircuitError
from tasks.intervals import LEVELS, Conformal, LocalConformal, coverage


def designs(rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Errors of designs: a shift of each design's own, and noise; sizes differ."""
    return [rng.normal(rng.normal(0, 0.5), 1.0, int(rng.integers(50, 400))) for _ in range(count)]


def test_intervals_cover_new_designs_of_the_same_kind() -> None:
    rng = np.random.default_rng(0)
    found = {level: [] for level in LEVELS}  # type: dict[float, list[float]]
    for _ in range(60):
        conformal = Conformal.of(designs(rng, 20))
        new = designs(rng, 1)[0]
        for level in LEVELS:
            zero = np.zeros(len(new))
            found[level].append(coverage(new, *conformal.interval(zero, zero + 1, level)))
    for level in LEVELS:
        assert np.mean(found[level]) == pytest.approx(level, abs=0.04)


def test_a_design_counts_once_however_many_rows_it_has() -> None:
    many, few = np.full(10_000, 1.0), np.full(10, -1.0)
    shares = Conformal.of([many, few]).probability_below(np.array([0.0]), np.array([1.0]))
    assert shares[0] == pytest.approx(0.5, abs=0.02)


def test_probability_and_bounds_agree() -> None:
    conformal = Conformal.of([np.linspace(-1, 1, 201), np.linspace(-1, 1, 201)])
    lower, upper = conformal.interval(np.array([2.0]), np.array([3.0]), 0.8)
    assert (lower[0], upper[0]) == pytest.approx((2 - 3 * 0.8, 2 + 3 * 0.8), abs=0.03)
    chance = conformal.probability_below(np.array([2.0, np.nan]), np.array([3.0, 1.0]), 2 - 3 * 0.8)
    assert chance[0] == pytest.approx(0.1, abs=0.01)
    assert np.isnan(chance[1])


def test_designs_that_are_alike_decide() -> None:
    """Easy designs get narrow intervals and hard ones wide ones, and both are covered."""
    rng = np.random.default_rng(1)

    def one(hard: int) -> np.ndarray:
        return rng.normal(0, (0.1, 2.0)[hard], 300)

    kinds = np.array([0, 1] * 10)
    local = LocalConformal.of([one(k) for k in kinds], kinds[:, None] + rng.normal(0, 0.05, (20, 1)))
    widths = []
    for hard in (0, 1):
        conformal = local.at(np.array([float(hard)]))
        low, high = conformal.bounds(0.9)
        widths.append(high - low)
        new = one(hard)
        assert coverage(new, np.full(300, low), np.full(300, high)) == pytest.approx(0.9, abs=0.06)
    assert widths[1] > 10 * widths[0]


def test_states_come_back_and_damage_is_refused() -> None:
    rng = np.random.default_rng(2)
    local = LocalConformal.of(designs(rng, 5), rng.normal(size=(5, 3)))
    again = LocalConformal.from_state(local.state(), "x")
    assert again.quantiles == pytest.approx(local.quantiles, rel=1e-4, abs=1e-6)
    for bad in (None, {}, {"quantiles": [[1.0]], "features": [[1.0]]}, local.state() | {"features": [["a"]]}):
        with pytest.raises(CircuitError, match="are damaged"):
            LocalConformal.from_state(bad, "x")
    with pytest.raises(CircuitError, match="held-out designs"):
        Conformal.of([np.array([np.nan]), np.array([1.0])])
    with pytest.raises(CircuitError, match="held-out designs"):
        LocalConformal.of([np.array([1.0])], np.zeros((1, 1)))
    assert np.isnan(coverage(np.zeros(0), np.zeros(0), np.zeros(0)))
