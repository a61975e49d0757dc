"""Split-conformal intervals over few designs: every design weighs the same, however many rows it has.

A row's nonconformity is its signed error over a scale that the caller gives, r = (truth - prediction) / scale. Quantiles
of r over held-out designs give intervals prediction + scale x [q(a / 2), q(1 - a / 2)], and the share of r below
(threshold - prediction) / scale is the probability that the truth lies below a threshold.

Source: V. Vovk, A. Gammerman, G. Shafer, Algorithmic Learning in a Random World (2005); equal weights for groups as in
H. Dunn, L. Wasserman, A. Ramdas, Distribution-free prediction sets for two-layer hierarchical models (2018).
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
    def of(cls, groups: Sequence[FloatArray]) -> Conformal:
        """From the standardised errors of each held-out design; NaN is left out.

        Raises:
            CircuitError: fewer than two designs have rows.

        >>> Conformal.of([np.array([-1.0, 1.0]), np.array([-2.0, 2.0])]).bounds(0.5).tolist()
        [-1.0, 1.0]
        """
        kept = [np.sort(group[np.isfinite(group)]) for group in groups]
        kept = [group for group in kept if len(group)]
        if len(kept) < 2:
            raise CircuitError("intervals", "calibration", f"has {len(kept)} held-out designs", "give two or more")
        values = np.concatenate(kept)
        weight = np.concatenate([np.full(len(group), 1.0 / len(group)) for group in kept]) / len(kept)
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

    def state(self) -> dict[str, object]:
        """For JSON."""
        return {"quantiles": [float(f"{value:.6g}") for value in self.quantiles], "groups": self.groups}

    @classmethod
    def from_state(cls, state: object, place: str) -> Conformal:
        """The inverse of :meth:`state`.

        Raises:
            CircuitError: it is none.
        """
        values = state.get("quantiles") if isinstance(state, dict) else None
        right = isinstance(values, list) and len(values) == GRID
        right = right and all(isinstance(value, int | float) and np.isfinite(value) for value in values or ())
        if not right or (np.diff(np.array(values, np.float64)) < 0).any():
            raise CircuitError(place, "intervals", "are damaged", "copy its .json again")
        assert isinstance(state, dict)
        return cls(np.array(values, np.float64), int(state.get("groups", 0)))


def coverage(truth: FloatArray, lower: FloatArray, upper: FloatArray) -> float:
    """Share of the finite rows that lie inside their interval; NaN without rows."""
    known = np.isfinite(truth) & np.isfinite(lower) & np.isfinite(upper)
    if not known.any():
        return float("nan")
    return float(((truth >= lower) & (truth <= upper))[known].mean())
