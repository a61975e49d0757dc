"""Which exception holds a path at its end: false, a bound of its delay, or cycles by which its capturing edge moves.

Source: OpenSTA 2.0.17: by priority, of equal ones the later of one kind for the same checks, else the tighter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_planes import Plane, Planes
from circuitgraph.analysis.sta_tags import is_held
from circuitgraph.constraints import PathException

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Ending:
    """Ends of paths that one plane launched; M ends.

    | field | meaning |
    |---|---|
    | planes, launch | all planes, and the one of the paths |
    | clock, clock_edge | clock that captures and edge of its source; -1 none |
    | place | int32 [M], pin or terminal at the end |
    | edge | edge of the data there |
    | is_early | whether the check is of early arrivals |
    """

    planes: Planes
    launch: Plane
    clock: int
    clock_edge: int
    place: IntArray
    edge: int
    is_early: bool

    def holding(self, wanted: Callable[[PathException], bool]) -> IntArray:
        """Row of the exception that holds each path among those that are wanted, int32 [M]; -1 none."""
        count = len(self.place)
        best = np.full(count, -1, np.int32)
        priority, tightness = np.full(count, -1, np.int64), np.full(count, np.inf)
        flags = np.full(count, -1, np.int64)
        for row, track in enumerate(self.planes.tracks):
            exception = track.exception
            tag = self.planes.tags[self.launch.tag]
            if not wanted(exception) or not is_held(track, row, tag, self.launch.clock, self.launch.edge):
                continue
            found, own = self._ends(exception), exception.priority
            tight, flag = _tightness(exception), 2 * exception.setup + exception.hold
            wins = (own > priority) | (own == priority) & ((flag == flags) | (tight < tightness))
            chosen = found & wins
            best[chosen], priority[chosen], tightness[chosen], flags[chosen] = row, own, tight, flag
        return best

    def _ends(self, exception: PathException) -> BoolArray:
        """Whether the paths end as an exception asks, bool [M]."""
        if exception.end_edge not in {-1, self.edge}:
            return np.zeros(len(self.place), np.bool_)
        if exception.to_clocks is None and exception.to_places is None:
            return np.ones(len(self.place), np.bool_)
        if self.clock in (exception.to_clocks or ()) and exception.to_edge in {-1, self.clock_edge}:
            return np.ones(len(self.place), np.bool_)
        if exception.to_edge not in {-1, self.edge}:
            return np.zeros(len(self.place), np.bool_)
        return np.isin(self.place, np.array(sorted(exception.to_places or ()), np.int64))

    def false(self) -> BoolArray:
        """Whether each path is false, bool [M]."""
        return np.asarray(self.holding(lambda e: e.kind == "false" and (e.hold if self.is_early else e.setup)) >= 0)

    def bound(self) -> IntArray:
        """Row of the exception that bounds each delay, int32 [M]; -1 none."""
        kind = "min_delay" if self.is_early else "max_delay"
        return self.holding(lambda e: e.kind == kind)

    def moved(self) -> FloatArray:
        """Seconds by which multicycle paths move the capturing edge, float64 [M]."""
        setup = self._cycles(self.holding(lambda e: e.kind == "multicycle" and e.setup), 1)
        if not self.is_early:
            return setup
        return setup - self._cycles(self.holding(lambda e: e.kind == "multicycle" and e.hold), 0)

    def _cycles(self, row: IntArray, own: int) -> FloatArray:
        """Seconds of the cycles that exceptions give beyond *own* ones."""
        shift = np.zeros(len(row))
        for exception_row in np.unique(row[row >= 0]).tolist():
            exception = self.planes.tracks[exception_row].exception
            clock = self.clock if exception.by_end_clock else self.launch.clock
            shift[row == exception_row] = (exception.cycles - own) * self.planes.clocks[clock].period
        return shift


def _tightness(exception: PathException) -> float:
    """Of two exceptions of one priority the one with the smaller number is tighter."""
    if exception.kind == "multicycle":
        return float(exception.cycles)
    if exception.is_delay:
        return exception.delay if exception.kind == "max_delay" else -exception.delay
    return 0.0
