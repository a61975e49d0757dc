"""Paths behind the numbers: which arc set an arrival, step by step back to the start; the worst paths of a circuit."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, replace

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


State = tuple[int, int, int]
"""Node, edge and plane of an arrival."""
Way = tuple[float, State | None, float]
"""Time from an arrival to the end of a path, the next one on the path, the delay to it."""


@dataclass(frozen=True)
class Start:
    """Where a path begins.

    | field | meaning |
    |---|---|
    | place | arrival behind the launch, or where one is given |
    | time | arrival there, s |
    | begin, clock | edge of the clock pin that launches and its plane; clock -1: none launches |
    | delay | from the clock pin, s |
    """

    place: State
    time: float
    begin: int = 0
    clock: int = -1
    delay: float = 0.0


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
        best: tuple[float, Step] | None = None
        given = math.nan
        for own in prepared.steps.before(step.node, 2 * is_early + step.edge, step.plane):
            for arc, source, begin in self._fan_in(step.node, step.edge):
                for plane in self._sources(arc, source, own):
                    time = float(timing.state_arrival[source, plane, 2 * is_early + begin])
                    if math.isinf(time):
                        continue
                    if prepared.launches[arc]:
                        time = self.launch_time(source, begin, plane, is_early)
                    found = time + self.delay(arc, begin, step.edge, is_early)
                    if best is None or (found > best[0] if not is_early else found < best[0]):
                        best = (found, Step(source, begin, plane, 0.0, time, -1))
            seed = self._given(step.node, step.edge, own, is_early)
            if math.isnan(given) or (seed < given if is_early else seed > given):
                given = seed
        if not math.isnan(given) and (best is None or (given >= best[0] if not is_early else given <= best[0])):
            return None
        return None if best is None else best[1]

    def _given(self, node: int, edge: int, plane: int, is_early: int) -> float:
        """Arrival that is given at a node, NaN where none is."""
        row = self.timing.boundary.row.get(node, -1)
        return float(self.timing.boundary.arrival[row][plane, 2 * is_early + edge]) if row >= 0 else math.nan

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

    def launched(self, state: State, is_early: int, known: dict[tuple[State, int], float]) -> float:
        """Arrival of the clock at the pin that launches the path of an arrival, s; 0 where it starts with none.

        Args:
            state: the arrival.
            is_early: 0 late, 1 early.
            known: what was found before, by arrival; filled.
        """
        column = 2 * is_early + state[1]
        step = Step(*state, 0.0, float(self.timing.state_arrival[state[0], state[2], column]), -1)
        passed: list[tuple[State, int]] = []
        found = 0.0
        while True:
            key = ((step.node, step.edge, step.plane), is_early)
            if key in known:
                found = known[key]
                break
            passed.append(key)
            previous = self.before(step, is_early)
            if previous is None:
                break
            if self.prepared.planes.rows[previous.plane].is_clock:
                found = previous.arrival
                break
            step = previous
        known.update(dict.fromkeys(passed, found))
        return found

    def path_through(self, node: int, edge: int, plane: int, is_early: int, launch: int) -> list[Step]:
        """The worst path to an arrival among those that start at one place.

        Args:
            node, edge, plane: the arrival at the end.
            is_early: 0 late, 1 early.
            launch: clock pin that launches; -1: any port or pin at which an arrival is given.
        """
        best, start = self._ways((node, edge, plane), is_early, launch)
        place: State | None = start.place
        found: list[Step] = []
        arrival = start.time
        if start.clock >= 0:
            found = self.path(launch, start.begin, start.clock, is_early)
            arrival = self.launch_time(launch, start.begin, start.clock, is_early) + start.delay
        delay = start.delay
        while place is not None:
            found.append(Step(*place, delay, arrival, 0 if found else -1))
            _, place, delay = best[place]
            arrival += delay
        return found

    def _ways(self, end: State, is_early: int, launch: int) -> tuple[dict[State, Way], Start]:
        """The worst way from every pin of the fan-in cone to an arrival, and where the worst path starts.

        Walks the cone from the end, highest level first.
        """
        prepared = self.prepared
        sign = -1.0 if is_early else 1.0
        best: dict[State, Way] = {end: (0.0, None, 0.0)}
        at_node: dict[int, list[State]] = {end[0]: [end]}
        waiting = [(-int(prepared.level[end[0]]), end[0])]
        worst: tuple[float, Start] | None = None
        while waiting:
            for state in sorted(at_node[heapq.heappop(waiting)[1]]):
                rest = best[state][0]
                for start in self._starts(state, is_early, launch):
                    total = start.time + rest
                    if worst is None or sign * total > sign * worst[0]:
                        worst = (total, start)
                for arc, source, begin in self._fan_in(state[0], state[1]):
                    if prepared.launches[arc]:
                        continue
                    delay = self.delay(arc, begin, state[1], is_early)
                    for plane in prepared.steps.before(state[0], 2 * is_early + state[1], state[2]):
                        before = (source, begin, plane)
                        old = best.get(before)
                        if old is None or sign * (delay + rest) > sign * old[0]:
                            best[before] = (delay + rest, state, delay)
                        if source not in at_node:
                            heapq.heappush(waiting, (-int(prepared.level[source]), source))
                        if old is None:
                            at_node.setdefault(source, []).append(before)
        assert worst is not None
        return best, worst[1]

    def _starts(self, state: State, is_early: int, launch: int) -> list[Start]:
        """Where paths begin at an arrival: with one given there, or launched into it."""
        node, edge, behind = state
        found = []
        for own in self.prepared.steps.before(node, 2 * is_early + edge, behind):
            if launch < 0:
                given = self._given(node, edge, own, is_early)
                found += [] if math.isnan(given) else [Start(state, given)]
                continue
            for arc, source, begin in self._fan_in(node, edge):
                if source != launch or not self.prepared.launches[arc]:
                    continue
                delay = self.delay(arc, begin, edge, is_early)
                for clock in self._sources(arc, source, own):
                    time = self.launch_time(source, begin, clock, is_early) + delay
                    if not math.isinf(time):
                        found.append(Start(state, time, begin, clock, delay))
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


def without_latency(timing: Timing, found: Candidates) -> Candidates:
    """The pairs; those whose exception ignores the clocks' latency compare the delay from the launching pin alone.

    The path is the one of the worst arrival, as in OpenSTA 2.0.17. From a port the arrival is compared as it is.
    """
    exceptions = timing.prepared.constraints.exceptions
    ignores = np.array([exception.ignores_latency for exception in exceptions], np.bool_)
    rows = np.flatnonzero((found.bound >= 0) & ignores[found.bound])
    tracer = Tracer(timing)
    launched: dict[tuple[State, int], float] = {}
    required, slack, shift = found.required.copy(), found.slack.copy(), found.shift.copy()
    uncertainty, clock_node = found.uncertainty.copy(), found.clock_node.copy()
    for row in rows.tolist():
        early = int(found.kind[row]) & 1
        state = (int(found.node[row]), int(found.edge[row]), int(found.plane[row]))
        shift[row] = tracer.launched(state, early, launched) + exceptions[found.bound[row]].delay
        required[row] = shift[row] + (found.margin[row] if early else -found.margin[row])
        slack[row] = found.arrival[row] - required[row] if early else required[row] - found.arrival[row]
        uncertainty[row], clock_node[row] = 0.0, -1
    return replace(found, required=required, slack=slack, shift=shift, uncertainty=uncertainty, clock_node=clock_node)


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
    state = float(tracer.timing.state_arrival[end[0], end[2], 2 * is_early + end[1]])
    if through < 0 and float(rows.arrival[row]) == state:
        launch = tracer.path(*end, is_early)
    else:  # a credit made another path than the one of the worst arrival the worst
        launch = tracer.path_through(*end, is_early, through)
    capture: list[Step] = []
    if rows.clock_node[row] >= 0:
        capture = tracer.path(
            int(rows.clock_node[row]), int(rows.clock_edge[row]), int(rows.clock_plane[row]), 1 - is_early
        )
    return Path(
        row, tuple(launch), tuple(capture), float(rows.slack[row]), float(rows.arrival[row]), float(rows.required[row])
    )
