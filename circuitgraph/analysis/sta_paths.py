"""Paths behind the numbers: which arc set an arrival, step by step back to the start; the worst paths of a circuit."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass

import numpy as np

from circuitgraph.analysis.sta import Timing, crossings, ideal_arrivals
from circuitgraph.analysis.sta_checks import Candidates


@dataclass(frozen=True)
class Step:
    """One pin of a path.

    | field | meaning |
    |---|---|
    | node, edge | node and its edge: 0 rise, 1 fall |
    | plane | what launched the arrival here |
    | delay | s, of the arc into the pin; 0 at the start |
    | arrival | s |
    | arc | row of the walked arc into the pin, -1 at the start |
    """

    node: int
    edge: int
    plane: int
    delay: float
    arrival: float
    arc: int


class Tracer:
    """Finds predecessors of arrivals in a finished analysis."""

    def __init__(self, timing: Timing) -> None:
        self.timing = timing
        self.prepared = timing.prepared
        self.launch = self.prepared.planes.launches()
        self.ideal = ideal_arrivals(self.prepared)
        self.crossing = crossings(self.prepared.library)
        self.wire = timing.wire
        self.tag = dict(zip(timing.boundary.node, timing.boundary.tag, strict=True))
        self.launchers: dict[int, list[int]] = {}
        for plane in range(len(self.launch)):
            for goal in set(self.launch[plane].tolist()) - {-1}:
                self.launchers.setdefault(goal, []).append(plane)

    def delay(self, arc: int, begin: int, end: int, is_early: int) -> float:
        """Delay of a walked arc from an edge of its start to an edge of its end, derated, s."""
        from circuitgraph.analysis.sta_kernels import _kernel_lookup

        prepared, timing = self.prepared, self.timing
        arcs, derate = prepared.arcs, prepared.constraints.derate
        source, target = int(arcs.source[arc]), int(arcs.target[arc])
        library_arc = int(arcs.library_arc[arc])
        slew = timing.state_slew[source, 2 * is_early + begin]
        if library_arc < 0:
            wire = float(self.wire[target, end]) if len(self.wire) else 0.0
            one, two = int(prepared.corner[source]), int(prepared.corner[target])
            return wire * float(derate[1 + 2 * is_early]) + (self.crossing[one, two, 1] * slew if one != two else 0.0)
        row = timing.boundary.row.get(source, -1)
        if (
            prepared.launches[arc]
            and row >= 0
            and not math.isnan(timing.boundary.ideal_slew[row][2 * is_early + begin])
        ):
            slew = timing.boundary.ideal_slew[row][2 * is_early + begin]
        bank = prepared.library.tables
        table = int(prepared.library.arc_table[library_arc, end])
        load = timing.load[prepared.nodes.net[target], 2 * is_early + end]
        value = _kernel_lookup(bank.shape, bank.axis, bank.start, bank.axes, bank.values, table, slew, load)
        return float(value * derate[2 * is_early])

    def before(self, step: Step, is_early: int) -> Step | None:
        """The step that set the arrival of a step; None where the path starts here."""
        prepared, timing = self.prepared, self.timing
        row = timing.boundary.row.get(step.node, -1)
        column = 2 * is_early + step.edge
        seed = timing.boundary.arrival[row][step.plane, column] if row >= 0 else math.nan
        best: tuple[float, Step] | None = None
        for arc, source, begin in self._fan_in(step.node, step.edge):
            for plane in self._sources(arc, source, step.plane):
                time = float(timing.state_arrival[source, plane, 2 * is_early + begin])
                if math.isinf(time):
                    continue
                if prepared.launches[arc]:
                    time = self.launch_time(source, begin, plane, is_early)
                found = time + self.delay(arc, begin, step.edge, is_early)
                if best is None or (found > best[0] if not is_early else found < best[0]):
                    best = (found, Step(source, begin, plane, 0.0, time, -1))
        if not math.isnan(seed) and (best is None or (seed >= best[0] if not is_early else seed <= best[0])):
            return None
        return None if best is None else best[1]

    def _sources(self, arc: int, source: int, plane: int) -> list[int]:
        """Planes at the start of an arc whose arrivals reach *plane* through it."""
        if not self.prepared.launches[arc]:
            return [plane]
        tag = self.tag.get(source, 0)
        return [one for one in self.launchers.get(plane, ()) if self.launch[one, tag] == plane]

    def path(self, node: int, edge: int, plane: int, is_early: int) -> list[Step]:
        """The path that set an arrival, from its start (a clock's source or a port) to the node."""
        column = 2 * is_early + edge
        step = Step(node, edge, plane, 0.0, float(self.timing.state_arrival[node, plane, column]), -1)
        found = [step]
        for _ in range(len(self.prepared.order) + 1):
            previous = self.before(step, is_early)
            if previous is None:
                break
            found.append(previous)
            step = previous
        found.reverse()
        return [
            Step(
                s.node, s.edge, s.plane, s.arrival - found[row - 1].arrival if row else 0.0, s.arrival, 0 if row else -1
            )
            for row, s in enumerate(found)
        ]

    def path_through(self, node: int, edge: int, plane: int, is_early: int, launch: int) -> list[Step]:
        """The worst path to an arrival among those that one clock pin launches.

        Walks the fan-in cone from the end, highest level first, keeping for every pin the worst way on; only pins
        that a
        path from *launch* passes are kept.
        """
        prepared = self.prepared
        sign = -1.0 if is_early else 1.0
        best: dict[tuple[int, int], tuple[float, tuple[int, int] | None, float]] = {(node, edge): (0.0, None, 0.0)}
        waiting = [(-int(prepared.level[node]), node)]
        queued = {node}
        start: tuple[float, tuple[int, int], int, int, float] | None = None
        while waiting:
            at = heapq.heappop(waiting)[1]
            for end in (0, 1):
                if (at, end) not in best:
                    continue
                rest = best[at, end][0]
                for arc, source, begin in self._fan_in(at, end):
                    delay = self.delay(arc, begin, end, is_early)
                    if prepared.launches[arc]:
                        if source != launch:
                            continue
                        for clock in self._sources(arc, source, plane):
                            time = self.launch_time(source, begin, clock, is_early)
                            total = time + delay + rest
                            if not math.isinf(time) and (start is None or sign * total > sign * start[0]):
                                start = (total, (at, end), begin, clock, delay)
                        continue
                    old = best.get((source, begin))
                    if old is None or sign * (delay + rest) > sign * old[0]:
                        best[source, begin] = (delay + rest, (at, end), delay)
                    if source not in queued:
                        queued.add(source)
                        heapq.heappush(waiting, (-int(prepared.level[source]), source))
        assert start is not None
        _, following, begin, clock, delay = start
        found = self.path(launch, begin, clock, is_early)
        arrival = self.launch_time(launch, begin, clock, is_early) + delay
        place: tuple[int, int] | None = following
        while place is not None:
            found.append(Step(place[0], place[1], plane, delay, arrival, 0))
            _, place, delay = best[place]
            arrival += delay
        return found

    def launch_time(self, node: int, edge: int, plane: int, is_early: int) -> float:
        """Arrival of a clock at the pin that launches, ideal where the clock is."""
        if not math.isnan(self.ideal[plane, is_early]):
            return float(self.ideal[plane, is_early])
        return float(self.timing.state_arrival[node, plane, 2 * is_early + edge])

    def _fan_in(self, node: int, end: int) -> list[tuple[int, int, int]]:
        """(arc, source, edge of the source) of every arc that carries arrivals to an edge of a node."""
        row = self.timing.boundary.row.get(node, -1)
        if row >= 0 and self.timing.boundary.blocks[row]:
            return []
        arcs = self.prepared.arcs
        return [
            (arc, int(arcs.source[arc]), begin)
            for arc in range(int(self.prepared.in_start[node]), int(self.prepared.in_start[node + 1]))
            for begin in (0, 1)
            if int(arcs.mask[arc]) >> (2 * begin + end) & 1
        ]


@dataclass(frozen=True)
class Path:
    """One path and its check.

    | field | meaning |
    |---|---|
    | row | row among the endpoints (or in the candidates given) |
    | launch | steps from the clock's source or the port to the endpoint |
    | capture | steps from the clock's source to the capturing pin; () of output delays |
    | slack, arrival, required | s |
    """

    row: int
    launch: tuple[Step, ...]
    capture: tuple[Step, ...]
    slack: float
    arrival: float
    required: float


def worst_paths(timing: Timing, count: int = 1, *, early: bool = False) -> list[Path]:
    """The paths with the smallest slack, one an endpoint, worst first.

    Args:
        timing: a finished analysis.
        count: how many.
        early: hold and removal instead of setup and recovery.
    """
    rows = timing.endpoints
    chosen = np.flatnonzero(rows.kind & 1 == int(early))
    order = chosen[np.argsort(rows.slack[chosen], kind="stable")]
    tracer = Tracer(timing)
    found: list[Path] = []
    seen: set[int] = set()
    for row in order.tolist():
        if len(found) >= count:
            break
        if int(rows.node[row]) in seen:
            continue
        seen.add(int(rows.node[row]))
        found.append(path_of(tracer, rows, row))
    return found


def path_of(tracer: Tracer, rows: Candidates, row: int) -> Path:
    """The path behind one row of candidates."""
    is_early = int(rows.kind[row]) & 1
    end = (int(rows.node[row]), int(rows.edge[row]), int(rows.plane[row]))
    through = int(rows.launch_node[row])
    launch = tracer.path(*end, is_early) if through < 0 else tracer.path_through(*end, is_early, through)
    capture: list[Step] = []
    if rows.clock_node[row] >= 0:
        capture = tracer.path(
            int(rows.clock_node[row]), int(rows.clock_edge[row]), int(rows.clock_plane[row]), 1 - is_early
        )
    return Path(
        row, tuple(launch), tuple(capture), float(rows.slack[row]), float(rows.arrival[row]), float(rows.required[row])
    )
