"""Split-conformal intervals over few designs: every design weighs the same, however many rows it has.

A row's nonconformity is its signed error over a scale that the caller gives, r = (truth - prediction) / scale. Quantiles
of r over held-out designs give intervals prediction + scale x [q(a / 2), q(1 - a / 2)], and the share of r below
(threshold - prediction) / scale is the probability that the truth lies below a threshold.

Designs differ in how well they are predicted, so :class:`LocalConformal` lets held-out designs count by their likeness to
the one at hand.

Source: V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World (2005); equal weights for groups as in
H. Dunn, L. Wasserman, A. Ramdas, Distribution-free prediction sets for two-layer hierarchical models (2018); L. Guan, Localized
conformal prediction (2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import CircuitError

FloatArray = npt.NDArray[np.float64]

LEVELS = (0.8, 0.9, 0.95)
GRID = 401
"""Points at which the distribution is kept."""


@dataclass(frozen=True, eq=False)
class Conformal:
    """The distribution of the standardised errors of held-out designs.

    | field | type, shape | meaning |
    |---|---|---|
    | quantiles | float64 [GRID] | of r at the shares 0, 1 / (GRID - 1), ..., 1 |
    | groups | int | held-out designs |
    """

    quantiles: FloatArray
    groups: int

    @classmethod
    def of(cls, groups: Sequence[FloatArray], weights: FloatArray | None = None) -> Conformal:
        """From the standardised errors of each held-out design; NaN is left out.

        Args:
            groups: errors of each design.
            weights: of each design; None = the same for all.

        Raises:
            CircuitError: fewer than two designs have rows.

        >>> Conformal.of([np.array([-1.0, 1.0]), np.array([-2.0, 2.0])]).bounds(0.5).tolist()
        [-1.5, 1.5]
        """
        clean = [np.sort(group[np.isfinite(group)]) for group in groups]
        given = np.ones(len(clean)) if weights is None else weights
        kept = [(group, own) for group, own in zip(clean, given.tolist(), strict=True) if len(group) and own > 0]
        if len(kept) < 2:
            raise CircuitError("intervals", "calibration", f"has {len(kept)} held-out designs", "give two or more")
        values = np.concatenate([group for group, _ in kept])
        weight = np.concatenate([np.full(len(group), own / len(group)) for group, own in kept])
        weight /= weight.sum()
        order = np.argsort(values, kind="stable")
        share = np.cumsum(weight[order]) - 0.5 * weight[order]
        return cls(np.interp(np.linspace(0, 1, GRID), share, values[order]), len(kept))

    def bounds(self, level: float) -> FloatArray:
        """Lower and upper factor of the scale for a coverage, float64 [2].

        Args:
            level: between 0 and 1.
        """
        tail = (1.0 - level) / 2.0
        return np.interp([tail, 1.0 - tail], np.linspace(0, 1, GRID), self.quantiles)

    def interval(self, prediction: FloatArray, scale: FloatArray, level: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper bound of each prediction."""
        low, high = self.bounds(level)
        return prediction + low * scale, prediction + high * scale

    def probability_below(self, prediction: FloatArray, scale: FloatArray, threshold: float = 0.0) -> FloatArray:
        """Probability that the truth lies below the threshold; NaN where the prediction is."""
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted = (threshold - prediction) / scale
        found = np.interp(wanted, self.quantiles, np.linspace(0, 1, GRID))
        return np.where(np.isnan(prediction), np.nan, found)


NEIGHBOURS = 4
"""The likeness of designs falls to 1 / e at the distance of so many nearest ones."""

GROUP_GRID = 101
"""Points at which the distribution of one design is kept."""


@dataclass(frozen=True, eq=False)
class LocalConformal:
    """Held-out designs with their errors and what they are like; G designs, D features.

    | field | type, shape | meaning |
    |---|---|---|
    | quantiles | float64 [G, GROUP_GRID] | of each design's standardised errors |
    | features | float64 [G, D] | of each design |
    """

    quantiles: FloatArray
    features: FloatArray

    @classmethod
    def of(cls, groups: Sequence[FloatArray], features: FloatArray) -> LocalConformal:
        """From the standardised errors and the features of each held-out design; designs without rows are left out.

        Raises:
            CircuitError: fewer than two designs have rows.
        """
        clean = [group[np.isfinite(group)] for group in groups]
        rows = [row for row, group in enumerate(clean) if len(group)]
        if len(rows) < 2:
            raise CircuitError("intervals", "calibration", f"has {len(rows)} held-out designs", "give two or more")
        shares = np.linspace(0, 1, GROUP_GRID)
        return cls(np.stack([np.quantile(clean[row], shares) for row in rows]), np.asarray(features, np.float64)[rows])

    def at(self, features: FloatArray) -> Conformal:
        """The distribution for a design: held-out designs weigh exp(-(d / h)^2) by their distance d.

        h is the distance of the fourth nearest one, so several designs always speak. Features are standardised over the
        held-out designs.

        Args:
            features: float64 [D].

        >>> errors, where = [np.full(9, -0.1), np.full(9, 0.1), np.full(9, 5.0)], np.array([[0.0], [0.1], [9.0]])
        >>> bool(LocalConformal.of(errors, where).at(np.array([0.05])).bounds(0.5)[1] < 1.0)
        True
        """
        spread = np.maximum(self.features.std(axis=0), 1e-6)
        away = np.sqrt((((self.features - features) / spread) ** 2).mean(axis=1))
        reach = max(float(np.sort(away)[min(NEIGHBOURS, len(away)) - 1]), 1e-6)
        return Conformal.of(list(self.quantiles), np.exp(-((away / reach) ** 2)))

    def state(self) -> dict[str, object]:
        """For JSON."""
        return {
            name: [[float(f"{value:.5g}") for value in row] for row in getattr(self, name)]
            for name in ("quantiles", "features")
        }

    @classmethod
    def from_state(cls, state: object, place: str) -> LocalConformal:
        """The inverse of :meth:`state`, up to its rounding.

        Raises:
            CircuitError: it is none.
        """
        found = state if isinstance(state, dict) else {}
        try:
            arrays = [np.array(found.get(name), np.float64) for name in ("quantiles", "features")]
        except (TypeError, ValueError):
            arrays = [np.zeros(0), np.zeros(0)]
        right = all(array.ndim == 2 and len(array) > 1 and np.isfinite(array).all() for array in arrays)
        if not right or arrays[0].shape[1] != GROUP_GRID or len(arrays[0]) != len(arrays[1]):
            raise CircuitError(place, "intervals", "are damaged", "copy its .json again")
        return cls(*arrays)


def coverage(truth: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Share of the finite rows that lie inside their interval; NaN without rows."""
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    if not known.any():
        return float("nan")
    return float(((truth >= lower) & (truth <= upper))[known].mean())
