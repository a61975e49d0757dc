"""Generated clocks: which clock is the master, the waveform made from it, and the delay of the path that leads there.

Source: ``create_generated_clock`` of OpenSTA 2.0.17. Its source latency is the arrival of a
propagated master at the clock's pin, counted from the master's edge; of an ideal master there is none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_graph import Arcs, Nodes
from circuitgraph.analysis.sta_planes import source_latency
from circuitgraph.constraints import NOTHING, Clock, Constraints, Four, Generated
from circuitgraph.errors import CircuitError

if TYPE_CHECKING:
    from circuitgraph.analysis.sta_boundary import Boundary
    from circuitgraph.analysis.sta_paths import Tracer
    from circuitgraph.analysis.sta_prepare import Prepared

FloatArray = npt.NDArray[np.float64]
LongArray = npt.NDArray[np.int64]
State = tuple[int, int, int, bool]
"""Node, its edge, edge of the master, and whether the source of the clock lies behind."""


def with_masters(constraints: Constraints, arcs: Arcs, in_start: LongArray, nodes: Nodes) -> Constraints:
    """The constraints with period and waveform of every generated clock.

    Args:
        constraints: the clocks.
        arcs: walked arcs by target.
        in_start: arcs into each node, int64 [V + 1].
        nodes: pins and terminals.

    Raises:
        CircuitError: a clock has no master, several, or comes from itself.
    """
    if all(clock.generated is None for clock in constraints.clocks):
        return constraints
    clocks = list(constraints.clocks)
    generated_rows = [row for row, clock in enumerate(clocks) if clock.generated is not None]
    masters = {row: _master(constraints, row, arcs, in_start, nodes) for row in generated_rows}
    for row in _masters_first(constraints, masters):
        generated, master = clocks[row].generated, clocks[masters[row]]
        assert generated is not None
        period, waveform = generated.waveform(master.period, master.waveform)
        if not period > 0:
            raise _error(constraints, clocks[row], "has no period above 0", "correct -edges and -edge_shift")
        own = replace(generated, master=masters[row])
        clocks[row] = replace(clocks[row], period=period, waveform=waveform, generated=own)
    return replace(constraints, clocks=tuple(clocks))


def _error(constraints: Constraints, clock: Clock, rule: str, way_out: str) -> CircuitError:
    return CircuitError(constraints.place or "constraints", f"generated clock {clock.name!r}", rule, way_out)


def _masters_first(constraints: Constraints, masters: dict[int, int]) -> Iterator[int]:
    """Rows of the generated clocks, each behind its master."""
    done: set[int] = set()
    while len(done) < len(masters):
        ready = [
            row for row, master in masters.items() if row not in done and (master not in masters or master in done)
        ]
        if not ready:
            clock = constraints.clocks[next(row for row in masters if row not in done)]
            raise _error(constraints, clock, "comes from itself", "give another -master_clock")
        done.update(ready)
        yield from ready


def _master(constraints: Constraints, row: int, arcs: Arcs, in_start: LongArray, nodes: Nodes) -> int:
    """Row of a generated clock's master: the one named, one at its source, or the one whose network the source is in."""
    clock = constraints.clocks[row]
    assert clock.generated is not None
    if clock.generated.master >= 0:
        return clock.generated.master
    at: dict[int, set[int]] = {}
    for other, one in enumerate(constraints.clocks):
        for place in one.sources:
            at.setdefault(place, set()).add(other)
    reached = {int(nodes.load_half[clock.generated.source]), clock.generated.source}
    waiting = sorted(reached)
    found: set[int] = set()
    while waiting:
        node = waiting.pop()
        if at.get(node, set()) - {row}:
            found |= at[node] - {row}
            continue
        for source in arcs.source[in_start[node] : in_start[node + 1]].tolist():
            if source not in reached:
                reached.add(source)
                waiting.append(source)
    if len(found) != 1:
        names = ", ".join(sorted(constraints.clocks[other].name for other in found))
        rule = f"has {len(found)} clocks at its source ({names})" if found else "has no clock at its source"
        raise _error(constraints, clock, rule, "name its -master_clock")
    return found.pop()


# -- source latency ----------------------------------------------------------------------------


def needs_insertions(prepared: Prepared) -> bool:
    """Whether the source latency of some clock is a matter of delays."""
    return any(_is_inserted(prepared.planes.clocks, row) for row in range(len(prepared.planes.clocks)))


def _is_inserted(clocks: Sequence[Clock], row: int) -> bool:
    """Whether a clock is generated from a propagated one and no source latency is given for it."""
    clock = clocks[row]
    if clock.generated is None or not clocks[clock.generated.master].is_propagated:
        return False
    return bool(clock.insertion) or all(math.isnan(value) for value in clock.source_latency)


def with_insertions(prepared: Prepared, tracer: Tracer) -> Prepared:
    """The circuit whose generated clocks have the delays of the paths that lead to them as their source latency.

    Args:
        prepared: the circuit.
        tracer: of a sweep with the slews that hold; its arrivals of generated clocks do not matter.
    """
    clocks = list(prepared.planes.clocks)
    masters = {row: clock.generated.master for row, clock in enumerate(clocks) if clock.generated is not None}
    for row in _masters_first(prepared.constraints, masters):
        if not _is_inserted(clocks, row):
            continue
        found = tuple(_insertion(prepared, tracer, clocks, row, place) for place in clocks[row].sources)
        clocks[row] = replace(clocks[row], insertion=found, source_latency=found[0] if found else NOTHING)
    planes = replace(prepared.planes, clocks=tuple(clocks))
    return replace(prepared, planes=planes, constraints=replace(prepared.constraints, clocks=tuple(clocks)))


def _insertion(prepared: Prepared, tracer: Tracer, clocks: list[Clock], row: int, place: int) -> Four:
    """Delay from the master's origin to a place of a generated clock by column, s; 0 where no path leads there."""
    walk = _Walk(prepared, tracer, tuple(clocks), row, place)
    found = [0.0] * 4
    for early in (0, 1):
        walk.run(early)
        for edge in (0, 1):
            state = walk.worst(edge, early)
            found[2 * early + edge] = walk.times[state] if state is not None else 0.0
    return found[0], found[1], found[2], found[3]


def path_from_master(tracer: Tracer, row: int, place: int, edge: int, early: int) -> list[tuple[int, int, int]]:
    """Nodes of the path that leads to an edge of a generated clock at one of its places: (node, edge, clock plane).

    The place itself is left out; nodes behind a register are no clock's and are left out too. The path of a master that is
    generated goes on to its own master.

    Args:
        tracer: of a finished analysis.
        row: the generated clock.
        place: where it is.
        edge: of the clock.
        early: 1 for the path of the early arrival.
    """
    clocks = tracer.prepared.planes.clocks
    generated = clocks[row].generated
    if generated is None or not _is_inserted(clocks, row):
        return []
    walk = _Walk(tracer.prepared, tracer, clocks, row, place)
    walk.run(early)
    state = walk.worst(edge, early)
    found: list[tuple[int, int, int]] = []
    while state is not None:
        node, at, source_edge, _ = state
        plane = 2 * generated.master + source_edge
        if node != place and np.isfinite(tracer.timing.state_arrival[node, plane, at]):
            found.append((node, at, plane))
        before = walk.came.get(state)
        if before is None:
            found += path_from_master(tracer, generated.master, node, source_edge, early)
        state = before
    return found


def _fits(generated: Generated, edge: int, source_edge: int) -> bool:
    """Whether a path from an edge of the master to an edge of the clock is one that the clock is made of."""
    if generated.edges:
        return source_edge == (generated.edges[edge] - 1) % 2
    if generated.is_combinational and generated.divide_by == 1:
        return (edge != source_edge) == generated.invert
    return True


class _Walk:
    """Paths from a master's sources to one place of a generated clock, worst first at every node.

    Args:
        prepared: the circuit.
        tracer: gives the delays.
        clocks: with the source latency of the master.
        row: of the generated clock.
        place: where it is.
    """

    def __init__(self, prepared: Prepared, tracer: Tracer, clocks: tuple[Clock, ...], row: int, place: int) -> None:
        generated = clocks[row].generated
        assert generated is not None
        self.prepared, self.tracer, self.generated, self.place = prepared, tracer, generated, place
        self.master = clocks[generated.master]
        self.ends = {place for other, clock in enumerate(clocks) if other != row for place in clock.sources}
        self.cone = self._cone()
        self.times: dict[State, float] = {}
        self.came: dict[State, State] = {}

    def _cone(self) -> set[int]:
        """Nodes from which the place can be reached, up to clocks' sources."""
        arcs, start = self.prepared.arcs, self.prepared.in_start
        found, waiting = {self.place}, [self.place]
        while waiting:
            node = waiting.pop()
            if node in self.ends and node != self.place:
                continue
            for arc in range(int(start[node]), int(start[node + 1])):
                source = int(arcs.source[arc])
                skipped = self.generated.is_combinational and self.prepared.launches[arc]
                if not skipped and int(arcs.mask[arc]) & 15 and source not in found:
                    found.add(source)
                    waiting.append(source)
        return found

    def run(self, early: int) -> None:
        """Find the worst arrival, counted from the master's edge, at the nodes of the cone, s."""
        prepared, arcs = self.prepared, self.prepared.arcs
        sources = {int(prepared.nodes.load_half[self.generated.source]), self.generated.source}
        self.times, self.came = {}, {}
        added = self.tracer.timing.boundary.added
        for number, source in enumerate(self.master.sources):
            for edge in (0, 1):
                latency = source_latency(self.master, edge, bool(early))
                if self.master.insertion:
                    latency = self.master.insertion[number][2 * early + edge]
                if source in added:
                    latency += float(added[source][2 * early + edge])
                self.times[source, edge, edge, source in sources] = latency
        for node in sorted(self.cone, key=lambda node: int(prepared.level[node])):
            if node in self.master.sources:
                continue
            for arc in range(int(prepared.in_start[node]), int(prepared.in_start[node + 1])):
                skipped = self.generated.is_combinational and prepared.launches[arc]
                if int(arcs.source[arc]) in self.cone and not skipped:
                    self._along(arc, node, early, node in sources)

    def _along(self, arc: int, node: int, early: int, at_source: bool) -> None:
        """Times at the end of an arc from those at its start."""
        source, mask = int(self.prepared.arcs.source[arc]), int(self.prepared.arcs.mask[arc])
        for begin in (0, 1):
            states = [
                (source, begin, e, p) for e in (0, 1) for p in (False, True) if (source, begin, e, p) in self.times
            ]
            for end in (0, 1):
                if not states or not mask >> (2 * begin + end) & 1:
                    continue
                delay = self.tracer.delay(arc, begin, end, early)
                for state in states:
                    time = self.times[state] + delay
                    key = (node, end, state[2], state[3] or at_source)
                    old = self.times.get(key)
                    if old is None or (time < old if early else time > old):
                        self.times[key], self.came[key] = time, state

    def worst(self, edge: int, early: int) -> State | None:
        """Of the arrivals at the place that make an edge of the clock the worst one; None without any."""
        fits = [
            (time, state)
            for state, time in self.times.items()
            if state[:2] == (self.place, edge) and state[3] and _fits(self.generated, edge, state[2])
        ]
        if not fits:
            return None
        return (min if early else max)(fits)[1]


def tracer_of(
    prepared: Prepared, load: FloatArray, wire: FloatArray, boundary: Boundary, slew: FloatArray, arrival: FloatArray
) -> Tracer:
    """A tracer of a sweep that is not yet a result."""
    from circuitgraph.analysis.sta import Timing
    from circuitgraph.analysis.sta_checks import Candidates
    from circuitgraph.analysis.sta_paths import Tracer

    none = np.zeros((0, 4))
    nothing = Candidates.none()
    return Tracer(Timing(prepared, "", none, none, nothing, load, slew, arrival, boundary, wire, 0, nothing))
