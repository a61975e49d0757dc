"""Clock reconvergence pessimism: late minus early arrival of the clock path that launch and capture share, credited.

An endpoint's worst slack is the smallest one over all clock pins that launch into it, each with its own credit.
Paths whose arrival is so far from the worst that no credit could make them the worst are not looked at. Ideal clocks get
the credit of the arrivals that they would have, as in OpenSTA 2.0.17.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing, kernel_arguments
from circuitgraph.analysis.sta_checks import Candidates, Check
from circuitgraph.analysis.sta_generated import path_from_master
from circuitgraph.analysis.sta_paths import Tracer

FloatArray = npt.NDArray[np.float64]
LongArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
TINY = 1e-16
"""Credits below this many seconds are none: rounding."""


class Credits:
    """Credits between pairs of clock pins."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.tracer = Tracer(timing)
        self.chains: dict[tuple[int, int, int, int], list[tuple[int, int, int]]] = {}
        self.origins: dict[tuple[int, int, int, int], list[tuple[int, int, int]]] = {}
        self.pairs: dict[tuple[int, ...], float] = {}

    def chain(self, node: int, edge: int, plane: int, is_early: int) -> list[tuple[int, int, int]]:
        """(node, edge, plane) of the clock path to a pin, the pin first; through a generated clock on to its master.

        Of node -1, an output delay or a clock that is the data itself, only what leads to a generated clock.
        """
        key = (node, edge, plane, is_early)
        if key not in self.chains:
            row = self.timing.prepared.planes.rows[plane]
            found: list[tuple[int, int, int]] = []
            start = next(iter(self.timing.prepared.planes.clocks[row.clock].sources), -1)
            if node >= 0:
                steps = self.tracer.path(node, edge, plane, is_early)
                found = [(step.node, step.edge, step.plane) for step in reversed(steps)]
                start = steps[0].node
            if start >= 0:
                found += self.origin(row.clock, start, row.edge, is_early)
            self.chains[key] = found
        return self.chains[key]

    def origin(self, clock: int, place: int, edge: int, is_early: int) -> list[tuple[int, int, int]]:
        """(node, edge, plane) of the path from the master to an edge of a generated clock; [] of other clocks."""
        key = (clock, place, edge, is_early)
        if key not in self.origins:
            self.origins[key] = path_from_master(self.tracer, clock, place, edge, is_early)
        return self.origins[key]

    def spread(self, node: int, edge: int, plane: int) -> float:
        """Late minus early arrival of a clock plane at a pin."""
        times = self.timing.state_arrival[node, plane]
        return float(times[edge] - times[2 + edge])

    def most(self, node: int, edge: int, plane: int, is_early: int) -> float:
        """Largest credit that a capturing pin can have with any launch."""
        return max((self.spread(*step) for step in self.chain(node, edge, plane, is_early)), default=0.0)

    def credit(self, launch: tuple[int, int, int], capture: tuple[int, int, int], is_early: int) -> float:
        """Credit of a launching and a capturing pin.

        Args:
            launch: node, edge, plane; node -1: the data is a clock.
            capture: node, edge, plane.
            is_early: 0 for setup (late launch, early capture), 1 for hold.
        """
        key = (*launch, *capture, is_early)
        if key not in self.pairs:
            own = {node: (edge, plane) for node, edge, plane in self.chain(*capture, 1 - is_early)}
            found = 0.0
            for node, edge, plane in self.chain(*launch, is_early):
                if node in own:
                    found = self.spread(node, edge, plane)
                    if own[node][0] != edge:
                        found = min(found, self.spread(node, *own[node]))
                    break
            self.pairs[key] = max(found, 0.0)
        return self.pairs[key]


def with_credits(timing: Timing, found: Candidates, *, apart: bool = False) -> Candidates:
    """Pairs with their credits; those that no credit can touch stay as they are.

    Args:
        timing: an analysis.
        found: its pairs.
        apart: look at every edge and plane of an endpoint, not only at those that can have its worst slack.
    """
    planes = timing.prepared.planes
    if not len(found) or not _spreads(timing):
        return found
    clock_of = np.array([plane.clock for plane in planes.rows], np.int64)
    generated = np.array([clock.generated is not None for clock in planes.clocks] or [False], np.bool_)
    launch, capture = clock_of[found.plane], clock_of[found.clock_plane]
    of_generated = generated[np.maximum(capture, 0)]
    related = (launch == capture) | (launch >= 0) & (generated[np.maximum(launch, 0)] | of_generated)
    is_latch = found.kind == Check.LATCH_SETUP
    possible = (
        ~is_latch & ((found.clock_node >= 0) | of_generated & (found.bound < 0)) & related & (found.clock_plane >= 0)
    )
    credits = Credits(timing)
    windows = np.zeros(len(found))
    for row in np.flatnonzero(possible).tolist():
        early = int(found.kind[row]) & 1
        windows[row] = credits.most(
            int(found.clock_node[row]), int(found.clock_edge[row]), int(found.clock_plane[row]), 1 - early
        )
    chosen = np.flatnonzero(windows > TINY)
    chosen = chosen if apart else chosen[_can_be_worst(found, windows, chosen)]
    if not len(chosen):
        return found
    launches, times = launching(timing, found.take(chosen), windows[chosen])
    return _credited(found, chosen, launches, times, credits)


def _spreads(timing: Timing) -> bool:
    """Whether any clock arrival differs between late and early."""
    for row, plane in enumerate(timing.prepared.planes.rows):
        if plane.is_clock:
            times = timing.state_arrival[:, row]
            known = np.isfinite(times[:, :2]) & np.isfinite(times[:, 2:])
            if (np.where(known, times[:, :2] - np.where(known, times[:, 2:], 0.0), 0.0) > TINY).any():
                return True
    return False


def _can_be_worst(found: Candidates, windows: FloatArray, chosen: LongArray) -> BoolArray:
    """Of the chosen pairs those whose slack without credit is below the best case of their endpoint's worst pair."""
    key = found.node.astype(np.int64) * 16 + found.kind
    _, group = np.unique(key, return_inverse=True)
    least = np.full(int(group.max()) + 1, np.inf)
    np.minimum.at(least, group, found.slack + windows)
    result: BoolArray = found.slack[chosen] <= least[group[chosen]]
    return result


def launching(timing: Timing, ends: Candidates, windows: FloatArray) -> tuple[LongArray, FloatArray]:
    """Launching pins of near-critical paths: rows (row of *ends*, node, plane, edge) and the arrival through each."""
    from circuitgraph.analysis.sta_crpr_kernels import _kernel_launches

    prepared = timing.prepared
    arguments = kernel_arguments(prepared, timing.load, timing.wire, timing.boundary) + prepared.steps.arguments()
    planes = len(prepared.planes) if len(prepared.steps.row) else 1
    tail = np.full((prepared.nodes.count, 2, planes), np.nan)
    room = max(1024, 16 * len(ends))
    while True:
        found, times = np.zeros((room, 4), np.int64), np.zeros(room)
        count = _kernel_launches(
            ends.node,
            ends.edge,
            ends.plane,
            (ends.kind & 1).astype(np.int8),
            windows,
            prepared.level,
            *arguments,
            timing.state_slew,
            timing.state_arrival,
            tail,
            found,
            times,
        )
        if count >= 0:
            return found[:count], times[:count]
        room *= 4
        tail[:] = np.nan


def _credited(
    found: Candidates,
    chosen: LongArray,
    launches: LongArray,
    times: FloatArray,
    credits: Credits,
) -> Candidates:
    """The pairs with, for each chosen one, the launch that leaves the smallest slack."""
    arrival, required, slack = found.arrival.copy(), found.required.copy(), found.slack.copy()
    credit, through = found.credit.copy(), found.launch_node.copy()
    done: set[int] = set()
    for (end, node, plane, edge), time in zip(launches.tolist(), times.tolist(), strict=True):
        row = int(chosen[end])
        early = int(found.kind[row]) & 1
        given = 0.0
        if node >= 0 or credits.timing.prepared.planes.rows[plane].is_clock:
            capture = (int(found.clock_node[row]), int(found.clock_edge[row]), int(found.clock_plane[row]))
            given = credits.credit((node, edge, plane), capture, early)
        limit = float(found.required[row]) + (-given if early else given)
        left = time - limit if early else limit - time
        if row not in done or left < slack[row]:
            done.add(row)
            arrival[row], required[row], slack[row], credit[row], through[row] = time, limit, left, given, node
    return replace(found, arrival=arrival, required=required, slack=slack, credit=credit, launch_node=through)
