"""Required times and slacks of every pin: a sweep backwards from the checks with the delays of the forward sweep.

    found = requireds(timing)
    found.slacks()              # setup, by pin and edge
    found.slacks(early=True)    # hold

Planes are kept apart as they are forwards: a required time of one launching clock, or of one set of exceptions, never
meets the arrival of another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing, kernel_arguments
from circuitgraph.analysis.sta_checks import Candidates
from circuitgraph.analysis.sta_crpr import with_credits

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Required:
    """Required times of an analysis; V nodes, K planes, P pins, T terminals.

    | field | type, shape | meaning |
    |---|---|---|
    | timing | Timing | whose |
    | state | float64 [V, K, 4] | s; late rise, late fall, early rise, early fall; infinite where no check follows |
    """

    timing: Timing
    state: FloatArray

    def slacks(self, *, early: bool = False) -> FloatArray:
        """Worst slack of every place by edge (rise, fall), s, float64 [P + T, 2]; NaN where nothing is checked.

        Args:
            early: of hold and removal instead of setup and recovery.
        """
        return self._worst(early)[0]

    def times(self, *, early: bool = False) -> FloatArray:
        """Required time behind the worst slack of every place by edge (rise, fall), s, float64 [P + T, 2].

        Args:
            early: the time before which nothing may arrive, instead of the one after which nothing may.
        """
        return self._worst(early)[1]

    def _worst(self, early: bool) -> tuple[FloatArray, FloatArray]:
        """Slack and required time of the plane with the smallest slack, both float64 [P + T, 2]."""
        nodes = self.timing.prepared.nodes
        columns = slice(2, 4) if early else slice(0, 2)
        required = self.state[:, :, columns][nodes.load_half]
        arrival = self.timing.state_arrival[:, :, columns][nodes.load_half]
        known = np.isfinite(required) & np.isfinite(arrival)
        slack = np.full(required.shape, np.inf)
        np.subtract(required, arrival, out=slack, where=known)
        if early:
            np.negative(slack, out=slack, where=known)
        plane = slack.argmin(axis=1)[:, None, :]
        least = np.take_along_axis(slack, plane, axis=1)[:, 0]
        time = np.take_along_axis(required, plane, axis=1)[:, 0].copy()
        for node, added in self.timing.boundary.added.items():
            time[nodes.place[node]] -= added[columns]
        none = np.isinf(least)
        return np.where(none, np.nan, least), np.where(none, np.nan, time)


def requireds(timing: Timing) -> Required:
    """Required times of all nodes.

    A pin's slack is the smallest one of all paths through it, and that of the endpoint at an endpoint. Where pessimism is
    credited, the credit at an edge of an endpoint is that of the worst path there, for all paths into it: pins on other paths
    can come out up to the difference of two credits apart from OpenSTA, which keeps the launching clock pins apart.

    Source: ``find_requireds`` of OpenSTA 2.0.17 gives the same times.
    """
    from circuitgraph.analysis.sta_required_kernels import _kernel_requireds

    prepared = timing.prepared
    pairs = with_credits(timing, timing.pairs, apart=True) if timing.has_credits else timing.pairs
    state = _at_endpoints(timing, pairs)
    _kernel_requireds(
        prepared.order,
        *kernel_arguments(prepared, timing.load, timing.wire, timing.boundary),
        *prepared.steps.arguments(),
        timing.state_slew,
        timing.state_arrival,
        state,
    )
    return Required(timing, state)


def required_times(timing: Timing, *, early: bool = False) -> FloatArray:
    """Required time of every place by edge (rise, fall), s, float64 [P + T, 2]; NaN where nothing is checked.

    Args:
        timing: a finished analysis.
        early: of hold and removal instead of setup and recovery.
    """
    return requireds(timing).times(early=early)


def _at_endpoints(timing: Timing, pairs: Candidates) -> FloatArray:
    """Required times that the checks set, float64 [V, K, 4]."""
    arrival = timing.state_arrival
    state = np.empty(arrival.shape)
    state[:, :, :2], state[:, :, 2:] = np.inf, -np.inf
    is_early = pairs.kind & 1 == 1
    at = (pairs.node.astype(np.int64), pairs.plane.astype(np.int64), 2 * is_early + pairs.edge.astype(np.int64))
    own = arrival[at]
    required = np.where(pairs.arrival == own, pairs.required, own + np.where(is_early, -pairs.slack, pairs.slack))
    for early, reduce in ((False, np.minimum), (True, np.maximum)):
        chosen = is_early == early
        reduce.at(state, tuple(index[chosen] for index in at), required[chosen])
    return state
