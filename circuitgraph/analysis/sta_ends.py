"""Where slacks come from: which arrivals and which margin make the worst check of a pin, with their derivatives."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing
from circuitgraph.analysis.sta_boundary import Boundary
from circuitgraph.analysis.sta_checks import Candidates, Check, CheckRows, liberty_checks
from circuitgraph.analysis.sta_prepare import Prepared

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]
TINY = 1e-18
"""Slacks of fewer seconds are 0: rounding."""


@dataclass(frozen=True, eq=False)
class Ends:
    """Worst pairs of places, setup and hold apart; M of them. A column is that of an arrival or a slew (0 to 3).

    | field | type, shape | meaning |
    |---|---|---|
    | place | int32 [M] | pin or terminal |
    | is_early | int8 [M] | 0 setup, 1 hold |
    | node, plane, column | int64 [M] | the data's arrival |
    | arrival | float64 [M] | s, as the slack counts it |
    | clock_node, clock_plane, clock_column | int64 [M] | the capturing clock's arrival; clock_node -1 where the slack
      is none of a clock pin |
    | is_propagated | bool [M] | the slack moves with the clock's arrival |
    | by_clock_slew, by_data_slew | float64 [M] | derivatives of the margin |
    | credit | float64 [M] | s, for clock reconvergence |
    | launch_node | int32 [M] | clock pin that the path starts at where the credit depends on it, else -1 |
    """

    place: IntArray
    is_early: npt.NDArray[np.int8]
    node: LongArray
    plane: LongArray
    column: LongArray
    arrival: FloatArray
    clock_node: LongArray
    clock_plane: LongArray
    clock_column: LongArray
    is_propagated: npt.NDArray[np.bool_]
    by_clock_slew: FloatArray
    by_data_slew: FloatArray
    credit: FloatArray
    launch_node: IntArray

    def __len__(self) -> int:
        return len(self.place)


def ends_of(prepared: Prepared, endpoints: Candidates, slew: FloatArray, boundary: Boundary) -> Ends:
    """The worst pair of every place, of pairs that tie the first; its slack is ``Timing.worst_slack``.

    Args:
        prepared: the circuit.
        endpoints: pairs.
        slew: float64 [V, 4].
        boundary: has the slews of ideal clocks, by which nothing is derived.
    """
    place, early = prepared.nodes.place[endpoints.node], endpoints.kind & 1
    order = np.lexsort((endpoints.slack, early, place))
    first = np.ones(len(order), np.bool_)
    first[1:] = (place[order][1:] != place[order][:-1]) | (early[order][1:] != early[order][:-1])
    chosen = order[first]
    borrows = (endpoints.kind[chosen] == Check.LATCH_SETUP) & (np.abs(endpoints.slack[chosen]) < TINY)
    chosen = chosen[~borrows]  # data that a latch lets through leave its slack at 0
    found, early = endpoints.take(chosen), early[chosen].astype(np.int64)
    clock_column = 2 * (1 - early) + found.clock_edge
    column = 2 * early + found.edge
    planes = prepared.planes
    propagated = np.array(
        [plane.is_clock and planes.clocks[plane.clock].is_propagated for plane in planes.rows] or [False]
    )
    slopes = _margin_slopes(prepared, found, slew, boundary.clock_slew(prepared, slew), clock_column, column)
    ideal = np.full((prepared.nodes.count, 4), np.nan)
    if boundary.node:
        ideal[np.array(boundary.node)] = np.array(boundary.ideal_slew)
    held = ~np.isnan(ideal[found.clock_node, clock_column])
    return Ends(
        place=place[chosen].astype(np.int32),
        is_early=early.astype(np.int8),
        node=found.node.astype(np.int64),
        plane=found.plane.astype(np.int64),
        column=column,
        arrival=found.arrival,
        clock_node=found.clock_node.astype(np.int64),
        clock_plane=found.clock_plane.astype(np.int64),
        clock_column=clock_column,
        is_propagated=(found.clock_node >= 0) & (found.clock_plane >= 0) & propagated[found.clock_plane],
        by_clock_slew=np.where(held, 0.0, slopes[:, 0]),
        by_data_slew=slopes[:, 1],
        credit=found.credit,
        launch_node=found.launch_node,
    )


def _margin_slopes(
    prepared: Prepared,
    found: Candidates,
    slew: FloatArray,
    clock_slew: FloatArray,
    clock_column: LongArray,
    column: LongArray,
) -> FloatArray:
    """Derivatives of the pairs' margins by clock slew and data slew, float64 [M, 2]; 0 of what no table gives."""
    from circuitgraph.analysis.sta_gradient_kernels import _kernel_margin_slopes

    rows = liberty_checks(prepared, slew, clock_slew)
    check = _checks_of(prepared, rows, found)
    arc = np.where(check >= 0, prepared.checks.library_arc[check], -1) if len(rows.node) else check
    bank, slopes = prepared.library.tables, np.zeros((len(found), 2))
    _kernel_margin_slopes(
        (np.ascontiguousarray(prepared.library.arc_table), bank.shape, bank.axis, bank.start, bank.axes, bank.values),
        arc.astype(np.int32),
        np.ascontiguousarray(found.edge),
        clock_slew[found.clock_node, clock_column],
        slew[found.node, column],
        slopes,
    )
    return slopes


def _checks_of(prepared: Prepared, rows: CheckRows, found: Candidates) -> LongArray:
    """The library's check behind each pair, int64 [M]: the first with its pins and margin; -1 where none is."""

    def key(node: IntArray, clock_node: IntArray, kind: npt.NDArray[np.int8], edge: npt.NDArray[np.int8]) -> LongArray:
        found: LongArray = node.astype(np.int64) * prepared.nodes.count + clock_node
        for bit in (kind & 1, edge):
            found = 2 * found + bit.astype(np.int64)
        return found

    known = key(rows.node, rows.clock_node, rows.kind, rows.clock_edge)
    wanted = key(found.node, found.clock_node, found.kind, found.clock_edge)
    order = np.argsort(known, kind="stable")
    start, stop = (np.searchsorted(known[order], wanted, side) for side in ("left", "right"))
    result = np.full(len(found), -1, np.int64)
    for step in range(int((stop - start).max(initial=0))):
        row = np.flatnonzero((result < 0) & (start + step < stop))
        check = order[start[row] + step]
        same = rows.margin[check, found.edge[row]] == found.margin[row]
        result[row[same]] = check[same]
    return result


@dataclass(frozen=True, eq=False)
class Ways:
    """Paths of slacks that are counted with a credit, or are not the latest into their pin; M of them, S arcs.

    | field | type, shape | meaning |
    |---|---|---|
    | row | int64 [M] | row of the ends |
    | begin | int64 [M, 2] | plane and column of the arrival at the launching pin, -1 where a path starts otherwise |
    | steps | int64 [S, 4] | row of this table, walked arc, edge of its source, edge of its target |
    | slopes | float64 [S, 4] | derivatives of the arc's delay: by slew, by load, by Elmore delay, by its factor |
    """

    row: LongArray
    begin: LongArray
    steps: LongArray
    slopes: FloatArray


def ways_of(prepared: Prepared, ends: Ends, groups: tuple[Any, ...], slew: FloatArray, arrival: FloatArray) -> Ways:
    """The paths of slacks with a credit, and of those whose arrival is not the one of the state.

    None are looked for where exceptions name points of paths: planes change on the way.

    Args:
        prepared: the circuit.
        ends: its slacks.
        groups: arguments of the kernels.
        slew, arrival: the state, float64 [V, 4], [V, K, 4].
    """
    own = ends.arrival == arrival[ends.node, ends.plane, ends.column]
    row = np.flatnonzero(~own | (ends.launch_node >= 0))
    if len(prepared.steps.row):
        row = row[:0]
    begin = np.full((len(row), 2), -1, np.int64)
    if not len(row):
        return Ways(row, begin, np.zeros((0, 4), np.int64), np.zeros((0, 4)))
    from circuitgraph.analysis.sta_way_kernels import _kernel_ways

    early = ends.is_early[row].astype(np.int64)
    wanted = [ends.node[row], ends.column[row] & 1, ends.plane[row], early, ends.launch_node[row].astype(np.int64)]
    count, target = prepared.nodes.count, np.ascontiguousarray(prepared.arcs.target)
    tail, following = np.full((count, 2), np.nan), np.zeros((count, 2, 2), np.int64)
    room, found = 64 * len(row), -1
    while found < 0:
        steps, slopes = np.zeros((room, 4), np.int64), np.zeros((room, 4))
        table = np.ascontiguousarray(np.stack(wanted, axis=1))
        state = (slew, arrival, tail, following)
        found = _kernel_ways(table, ends.arrival[row], prepared.level, target, *groups, *state, begin, steps, slopes)
        room *= 4
    steps, slopes = steps[:found], slopes[:found]
    has_steps = np.bincount(steps[:, 0], minlength=len(row)) > 0
    steps[:, 0] = (np.cumsum(has_steps) - 1)[steps[:, 0]]
    return Ways(row[has_steps], begin[has_steps], steps, slopes)


def shared_points(timing: Timing, ends: Ends, ways: Ways) -> LongArray:
    """Where the clock paths of launch and capture part: node, plane, edge, int64 [M, 3]; node -1 where no credit is.

    The credit of a path is the late less the early arrival there; one that comes about otherwise is a constant.

    Args:
        timing: the analysis, on whose delays the paths are searched.
        ends, ways: its slacks, and their M paths.
    """
    found = np.full((len(ways.row), 3), -1, np.int64)
    credited = np.flatnonzero((ends.launch_node[ways.row] >= 0) & (ends.credit[ways.row] > 0))
    if not len(credited):
        return found
    from circuitgraph.analysis.sta_crpr import Credits

    credits = Credits(timing)
    for path in credited.tolist():
        row, (plane, column) = int(ways.row[path]), ways.begin[path].tolist()
        early, clock_plane = int(ends.is_early[row]), int(ends.clock_plane[row])
        captured = credits.chain(int(ends.clock_node[row]), int(ends.clock_column[row]) & 1, clock_plane, 1 - early)
        own = {step[0]: step for step in captured}
        for step in credits.chain(int(ends.launch_node[row]), column & 1, plane, early):
            if step[0] in own:
                other = own[step[0]]
                if other[1] != step[1] and credits.spread(*other) < credits.spread(*step):
                    step = other
                if credits.spread(*step) == ends.credit[row]:
                    found[path] = step[0], step[2], step[1]
                break
    return found


@dataclass
class Given:
    """Gradients by states: of arrivals (node, plane, column, value) and of slews (node, column, value), as parts."""

    arrivals: list[tuple[LongArray, LongArray, LongArray, FloatArray]] = field(default_factory=list)
    slews: list[tuple[LongArray, LongArray, FloatArray]] = field(default_factory=list)

    def by_block(self, last: LongArray, blocks: int) -> list[tuple[tuple[LongArray, ...], tuple[LongArray, ...]]]:
        """For each block (node, plane, column, value) and (node, column, value) of the nodes that it reads last."""
        found = []
        for parts, width in ((self.arrivals, 4), (self.slews, 3)):
            joined = tuple(
                np.concatenate([part[place] for part in parts]) if parts else np.zeros(0, np.int64)
                for place in range(width)
            )
            block = last[joined[0]]
            order = np.argsort(block, kind="stable")
            edges = np.searchsorted(block[order], np.arange(blocks + 1))
            ordered = tuple(column[order] for column in joined)
            found.append([tuple(column[a:b] for column in ordered) for a, b in pairwise(edges.tolist())])
        return list(zip(*found, strict=True))
