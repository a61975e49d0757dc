"""Timing in several library corners at once: one walk over the graph, float32 states, slacks of every corner.

    found = analyse_corners(prepared, [slow, typical, fast], wires)
    found.wns, found.hold_wns          # float64 [C] each

The semantics are those of :func:`circuitgraph.analysis.sta.analyse` for each corner's library alone. What is added up at
a node is float64, what is kept is float32: an arrival of t seconds is rounded by at most 6e-8 t at every pin that it
passes. On whole designs with arrivals of up to 15 ns the two differ by at most 0.005 ps; 0.05 ps is what to count on.

Arrivals are kept only in the planes that can reach a node, most often one; delays are looked up when they are needed and
not kept. The walk can be cut at any node without a change of any bit, but every state stays: the result is the states.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta import Timing, crossings, ideal_arrivals, ordered, reported
from circuitgraph.analysis.sta_boundary import Boundary, boundary_of
from circuitgraph.analysis.sta_checks import Candidates, CheckRows, candidates, gating_checks, liberty_checks, worst
from circuitgraph.analysis.sta_corner_tables import PairTables, aligned_libraries, pair_tables
from circuitgraph.analysis.sta_generated import needs_insertions
from circuitgraph.analysis.sta_graph import Arcs
from circuitgraph.analysis.sta_loads import net_delays, net_loads, spread
from circuitgraph.analysis.sta_output_pairs import output_pairs
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.errors import CircuitError
from circuitgraph.library import Library

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
SingleArray = npt.NDArray[np.float32]
BoolArray = npt.NDArray[np.bool_]
CORNER_MODELS = ("lumped_cap", "elmore")
MAX_CORNER_PLANES = 63
"""Planes that one sweep keeps apart: a bit each in the set of those that reach a node."""
MAX_CLASSES = 32767
"""Different sets of planes that reach nodes."""


@dataclass(frozen=True, eq=False)
class PlaneRows:
    """Which planes can reach each node, and where its arrivals are kept; V nodes, M sets of planes, K planes.

    | field | type, shape | meaning |
    |---|---|---|
    | class_of | int16 [V] | set of planes of each node |
    | row_of | int32 [V] | first row of a node's arrivals |
    | planes_of | int16 [M, K] | planes of each set, ascending, -1 behind the last |
    | slot | int16 [M, K] | place of a plane in its set, -1 where it is in none |
    | count | int16 [M] | planes of each set |
    | total | int | rows, R |
    """

    class_of: npt.NDArray[np.int16]
    row_of: IntArray
    planes_of: npt.NDArray[np.int16]
    slot: npt.NDArray[np.int16]
    count: npt.NDArray[np.int16]
    total: int


@dataclass(frozen=True, eq=False)
class CornerArrivals:
    """Arrivals of one corner, read as float64 [V, K, 4] by nodes, plane and columns; infinite where there is none.

    ``values`` is float32 [R, C, 4]. Only what is asked for is made, so the checks of the engine can read it as they read
    an array.
    """

    values: SingleArray
    rows: PlaneRows
    corner: int

    def __getitem__(self, key: tuple[Any, int, Any]) -> FloatArray:
        """Arrivals at nodes (array or slice) in one plane and in one column or a column for each node."""
        node, plane, column = key
        if isinstance(node, slice):
            node = np.arange(node.start, node.stop)
        slot = self.rows.slot[self.rows.class_of[node], plane]
        has = slot >= 0
        absent = np.where(np.asarray(column) < 2, -np.inf, np.inf)
        if not has.any():
            return np.array(np.broadcast_to(absent, has.shape))
        row = np.where(has, self.rows.row_of[node] + slot, 0)
        found = self.values[row, self.corner, column].astype(np.float64)
        return np.where(has, found, absent)

    def dense(self) -> FloatArray:
        """All of them, float64 [V, K, 4]."""
        found = np.empty((len(self.rows.row_of), self.rows.slot.shape[1], 4))
        for plane in range(found.shape[1]):
            for column in range(4):
                found[:, plane, column] = self[slice(0, len(found)), plane, column]
        return found


@dataclass(frozen=True, eq=False)
class CornerTiming:
    """Result of an analysis in C corners; P pins, T terminals, V nodes.

    | field | type, shape | meaning |
    |---|---|---|
    | prepared | Prepared | the circuit |
    | libraries | tuple of Library [C] | types and arcs numbered as in ``prepared.library`` |
    | state_slew | float32 [V, C, 4] | s; late rise, late fall, early rise, early fall |
    | state_arrival | float32 [R, C, 4] | s, by row of ``rows``; infinite where there is none |
    | endpoints | tuple of Candidates [C] | the worst pair of each endpoint and kind of check |
    | load | float32 [N, C, 4] | F on every net |
    | boundaries | tuple of Boundary | one, or C where the corners' start values differ |
    | wires | tuple [C] | of each corner |
    """

    prepared: Prepared
    libraries: tuple[Library, ...]
    delay_model: str
    rows: PlaneRows
    state_slew: SingleArray
    state_arrival: SingleArray
    endpoints: tuple[Candidates, ...]
    load: SingleArray
    boundaries: tuple[Boundary, ...]
    wires: tuple[Any, ...]

    def __len__(self) -> int:
        """Number of corners, C."""
        return len(self.libraries)

    def arrivals(self, corner: int) -> CornerArrivals:
        """Arrivals of one corner by node and plane."""
        return CornerArrivals(self.state_arrival, self.rows, corner)

    def boundary(self, corner: int) -> Boundary:
        """Start values of one corner."""
        return self.boundaries[min(corner, len(self.boundaries) - 1)]

    def timing(self, corner: int) -> Timing:
        """One corner in the form of ``analyse``, float64, for reports and paths; takes (32 K + 112) bytes a node."""
        library, boundary = self.libraries[corner], self.boundary(corner)
        prepared = replace(self.prepared, library=library, pin_load=_pin_load(self.prepared, library))
        arrival, slew = self.arrivals(corner).dense(), self.state_slew[:, corner].astype(np.float64)
        return Timing(
            prepared=prepared,
            delay_model=self.delay_model,
            arrival=reported(prepared, arrival, boundary),
            slew=ordered(slew[prepared.nodes.load_half]),
            endpoints=self.endpoints[corner],
            load=self.load[:, corner].astype(np.float64),
            state_slew=slew,
            state_arrival=arrival,
            boundary=boundary,
            wire=net_delays(prepared, self.wires[corner], self.delay_model),
            peak_rows=len(slew),
            pairs=self.pairs(corner),
        )

    def pairs(self, corner: int) -> Candidates:
        """All pairs of an arrival and a check in one corner, without credits."""
        prepared = replace(self.prepared, library=self.libraries[corner])
        states = (self.state_slew[:, corner], self.arrivals(corner))
        return _pairs(prepared, self._checks, *states, self.boundary(corner))

    @cached_property
    def _checks(self) -> tuple[IntArray, Arcs]:
        """Nodes of the library's checks, ascending, and the checks between the rows of these."""
        checks = self.prepared.checks
        is_checked = np.zeros(self.prepared.nodes.count, np.bool_)
        is_checked[checks.source] = is_checked[checks.target] = True
        nodes = np.flatnonzero(is_checked).astype(np.int32)
        source, target = (np.searchsorted(nodes, ends).astype(np.int32) for ends in (checks.source, checks.target))
        return nodes, Arcs(source, target, checks.library_arc, checks.mask)

    def arrival(self, corner: int) -> FloatArray:
        """Arrivals of all places in one corner, float64 [P + T, 4], s; NaN where there is none."""
        nodes, own = self.prepared.nodes, self.arrivals(corner)
        found = np.empty((len(nodes.load_half), 4))
        for column, (worst_of, none) in enumerate([(np.maximum, -np.inf)] * 2 + [(np.minimum, np.inf)] * 2):
            found[:, column] = none
            for plane in range(self.rows.slot.shape[1]):
                worst_of(found[:, column], own[nodes.load_half, plane, column], out=found[:, column])
        found[np.isinf(found)] = np.nan
        for node, added in self.boundary(corner).added.items():
            found[nodes.load_half == node] -= added
        return found

    def slew(self, corner: int) -> FloatArray:
        """Slews of all places in one corner, float64 [P + T, 4], s."""
        return ordered(self.state_slew[self.prepared.nodes.load_half, corner].astype(np.float64))

    def worst_slack(self, corner: int, *, early: bool = False) -> FloatArray:
        """Worst slack of every place over its late or its early checks, float64 [P + T]; NaN elsewhere."""
        prepared, rows = self.prepared, self.endpoints[corner]
        found = np.full(prepared.num_places, np.inf)
        chosen = rows.kind & 1 == int(early)
        np.minimum.at(found, prepared.nodes.place[rows.node[chosen]], rows.slack[chosen])
        return np.where(np.isinf(found), np.nan, found)

    @cached_property
    def wns(self) -> FloatArray:
        """Worst negative slack of late checks by corner, float64 [C], s; 0 where none is negative."""
        return self._sums(early=False)[:, 0]

    @cached_property
    def tns(self) -> FloatArray:
        """Total negative slack by corner, float64 [C], s."""
        return self._sums(early=False)[:, 1]

    @cached_property
    def hold_wns(self) -> FloatArray:
        """Worst negative slack of early checks by corner, float64 [C], s."""
        return self._sums(early=True)[:, 0]

    @cached_property
    def hold_tns(self) -> FloatArray:
        """Total negative slack of early checks by corner, float64 [C], s."""
        return self._sums(early=True)[:, 1]

    def _sums(self, *, early: bool) -> FloatArray:
        found = np.zeros((len(self), 2))
        for corner in range(len(self)):
            slack = np.minimum(np.nan_to_num(self.worst_slack(corner, early=early)), 0.0)
            found[corner] = slack.min(initial=0.0), slack.sum()
        return found


def analyse_corners(
    prepared: Prepared,
    libraries: Sequence[Library],
    wires: Any = None,
    *,
    delay_model: str = "lumped_cap",
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
    shared_reduction: bool = True,
    remove_pessimism: bool = False,
    listed: BoolArray | None = None,
) -> CornerTiming:
    """Analyse a prepared circuit in several corners.

    Args:
        prepared: the circuit; its constraints hold in every corner.
        libraries: one a corner, of the same types, ports and arcs; types may stand in another order.
        wires: :class:`circuitgraph.analysis.wires.Wires` of all corners, a sequence with those of each, or None.
        delay_model: "lumped_cap" or "elmore".
        default_wire_load, port_load_hides_wire, shared_reduction, listed: as in ``analyse``.
        remove_pessimism: credit what launch and capture share of the clock's path. It is off unless asked for: without
            it slacks are never better than with it, and it takes float64 states of one corner at a time (see
            :meth:`CornerTiming.timing`) and time of its own, pair by pair.

    Raises:
        CircuitError: the libraries do not fit each other, or the circuit has what only ``analyse`` can do: open latches,
            latency of generated clocks from the graph, exceptions that ignore latency, more than 63 planes.
    """
    _require(prepared, libraries, delay_model)
    each = tuple(wires) if isinstance(wires, Sequence) else (wires,) * len(libraries)
    if len(each) != len(libraries):
        rule = f"are of {len(each)} corners, the libraries of {len(libraries)}"
        raise CircuitError("corners", "wires", rule, "give one set of wires, or one a library")
    own = aligned_libraries(prepared, libraries)
    loads = (default_wire_load, port_load_hides_wire, shared_reduction, listed)
    load, boundaries = _loads(prepared, own, each, loads)
    tables = pair_tables(prepared, own)
    starts = _starts(prepared, boundaries)
    rows = _plane_rows(prepared, starts)
    slew, arrival = _sweep(prepared, own, (load, _elmore(prepared, each, delay_model)), tables, starts, rows)
    del starts, tables
    found = CornerTiming(prepared, own, delay_model, rows, slew, arrival, (), load, boundaries, each)
    found = replace(found, endpoints=tuple(worst(found.pairs(corner)) for corner in range(len(own))))
    if not remove_pessimism:
        return found
    from circuitgraph.analysis.sta_crpr import with_credits

    every = (found.timing(corner) for corner in range(len(own)))
    return replace(found, endpoints=tuple(worst(with_credits(one, one.pairs)) for one in every))


def _require(prepared: Prepared, libraries: Sequence[Library], delay_model: str) -> None:
    """Refuse what a sweep over corners cannot do."""
    if delay_model not in CORNER_MODELS:
        rule = f"must be one of {', '.join(CORNER_MODELS)} in several corners"
        raise CircuitError("--delay-model", repr(delay_model), rule, "choose one, or analyse each corner by itself")
    if not libraries:
        raise CircuitError("corners", "libraries", "are none", "give one a corner")
    place, constraints = prepared.circuit.place or prepared.circuit.name, prepared.constraints
    for refused, subject, rule in (
        (prepared.origin is not None, "circuit", "carries the delays of an analysis"),
        (len(prepared.latches) > 0, "latches", "let data through, which takes several sweeps"),
        (needs_insertions(prepared), "generated clock", "takes its latency from the graph"),
        (any(e.ignores_latency for e in constraints.exceptions), "exceptions", "ignore the clocks' latency"),
        (len(prepared.planes) > MAX_CORNER_PLANES, "planes", f"are more than {MAX_CORNER_PLANES}"),
    ):
        if refused:
            raise CircuitError(place, subject, rule, "analyse each corner by itself")


def _loads(
    prepared: Prepared, libraries: Sequence[Library], wires: Sequence[Any], options: tuple[bool, bool, bool, Any]
) -> tuple[SingleArray, tuple[Boundary, ...]]:
    """Loads float32 [N, C, 4], and start values: C where loads matter to them, else one."""
    constraints, circuit = prepared.constraints, prepared.circuit
    load = np.empty((circuit.num_nets, len(libraries), 4), np.float32)
    boundaries: list[Boundary] = []
    driven = bool(constraints.driving_cells) or bool(np.isfinite(constraints.drive).any())
    for corner, library in enumerate(libraries):
        full = replace(prepared, library=library, pin_load=_pin_load(prepared, library))
        found = net_loads(
            full,
            wires[corner],
            default_wire_load=options[0],
            port_load_hides_wire=options[1],
            shared_reduction=options[2],
            listed=options[3],
        )
        load[:, corner] = found
        if driven or not corner:
            boundaries.append(boundary_of(full, found))
    return load, tuple(boundaries)


def _pin_load(prepared: Prepared, library: Library) -> FloatArray:
    """F of all pins on each net, float64 [N, 4], of an aligned library."""
    from circuitgraph.analysis.sta_corners_kernels import _kernel_pin_loads

    circuit = prepared.circuit
    if library is prepared.library:
        return prepared.pin_load
    type_start = np.zeros(len(circuit.types) + 1, np.int64)
    np.cumsum([len(one.ports) for one in circuit.types], out=type_start[1:])
    by_port = np.zeros((int(type_start[-1]), 4))
    for kind, row in enumerate(prepared.rows.tolist()):
        if row < 0:
            continue
        for port, own in enumerate(library.types[row].ports):
            place = circuit.types[kind].port_index(own.name)
            if place >= 0:
                by_port[type_start[kind] + place] = library.port_capacitance[library.port_start[row] + port]
    found = np.zeros((circuit.num_nets, 4))
    _kernel_pin_loads(circuit.pin_start, circuit.pin_net, circuit.cell_type, type_start, by_port, found)
    return found


def _starts(prepared: Prepared, boundaries: Sequence[Boundary]) -> tuple[Any, ...]:
    """Start values as the kernels take them; of one boundary or C."""
    planes, node = len(prepared.planes), boundaries[0].node
    special = np.full(prepared.nodes.count, -1, np.int32)
    special[node] = np.arange(len(node), dtype=np.int32)
    size = max(len(node), 1)

    def stacked(name: str, shape: tuple[int, ...]) -> SingleArray:
        found = np.full((size, len(boundaries), *shape), np.nan, np.float32)
        for row, boundary in enumerate(boundaries):
            if node:
                found[:, row] = np.array(getattr(boundary, name))
        return found

    arrival = stacked("arrival", (planes, 4))
    given = ~np.isnan(arrival.reshape(size, -1, planes, 2, 2)).all(axis=(1, 3))
    return (
        special,
        stacked("slew", (4,)),
        arrival,
        (given * (np.int64(1) << np.arange(planes, dtype=np.int64))[:, None]).sum(axis=1).astype(np.int64),
        np.array(boundaries[0].blocks or [0], np.uint8),
        np.array(boundaries[0].tag or [0], np.int32),
        stacked("ideal_slew", (4,)),
        prepared.planes.launches(),
        ideal_arrivals(prepared),
    )


def _graph(prepared: Prepared) -> tuple[Any, ...]:
    arcs = prepared.arcs
    masks = (arcs.library_arc, arcs.mask, prepared.launches)
    return prepared.in_start, arcs.source, *masks, prepared.nodes.net, prepared.corner


def _plane_rows(prepared: Prepared, starts: tuple[Any, ...]) -> PlaneRows:
    """The planes that can reach each node.

    Raises:
        CircuitError: there are more sets of them than can be numbered.
    """
    from circuitgraph.analysis.sta_corners_kernels import _kernel_reach

    count, planes = prepared.nodes.count, len(prepared.planes)
    known = np.zeros((MAX_CLASSES, 2), np.int64)
    class_of, row_of = np.zeros(count, np.int16), np.zeros(count, np.int32)
    total = _kernel_reach(
        prepared.order, _graph(prepared), starts, *prepared.steps.arguments(), known, class_of, row_of
    )
    if total < 0:
        rule = f"reach nodes in more than {MAX_CLASSES} combinations"
        raise CircuitError(prepared.circuit.name, "planes", rule, "analyse each corner by itself")
    used = int(class_of.max(initial=0)) + 1
    has = ((known[:used, 0] | known[:used, 1])[:, None] >> np.arange(max(planes, 1))) & 1 > 0
    number = has.sum(axis=1).astype(np.int16)
    slot = np.where(has, np.cumsum(has, axis=1) - 1, -1).astype(np.int16)
    planes_of = np.full(has.shape, -1, np.int16)
    group, plane = np.nonzero(has)
    planes_of[group, slot[group, plane]] = plane
    return PlaneRows(class_of, row_of, planes_of, slot, number, int(total))


def _sweep(
    prepared: Prepared,
    libraries: Sequence[Library],
    wires: tuple[SingleArray, SingleArray],
    tables: PairTables,
    starts: tuple[Any, ...],
    rows: PlaneRows,
    cuts: Sequence[int] = (),
) -> tuple[SingleArray, SingleArray]:
    """Slews [V, C, 4] and arrivals [R, C, 4]; *wires* are loads and delays, *cuts* where the walk is interrupted."""
    from circuitgraph.analysis.sta_corners_kernels import _kernel_corners

    slew = np.empty((prepared.nodes.count, len(libraries), 4), np.float32)
    arrival = np.empty((max(rows.total, 1), len(libraries), 4), np.float32)
    of_wires = (
        *wires,
        np.array([[[spread(t, edge) ** 2 for edge in (0, 1)] for t in one.thresholds] for one in libraries]),
        np.asarray(prepared.constraints.derate, np.float64),
        np.array([crossings(one) for one in libraries]),
    )
    of_tables = (tables.row, tables.place, tables.has_slew, tables.pool)
    of_planes = (rows.class_of, rows.row_of, rows.planes_of, rows.count, *prepared.steps.arguments())
    edges = [0, *cuts, prepared.nodes.count]
    for start, stop in pairwise(edges):
        _kernel_corners(
            prepared.order, start, stop, _graph(prepared), of_tables, of_wires, starts, of_planes, slew, arrival
        )
    return slew, arrival


def _elmore(prepared: Prepared, wires: Sequence[Any], delay_model: str) -> SingleArray:
    """Elmore delay into every node, float32 [V, W, 2]: W = 1 where all corners have the same wires, else C; or [0, 1, 2]."""
    if delay_model == "lumped_cap":
        return np.zeros((0, 1, 2), np.float32)
    alike = all(one is wires[0] for one in wires)
    chosen = wires[:1] if alike else wires
    if any(one is None or one.elmore is None for one in chosen):
        raise CircuitError("--delay-model", "'elmore'", "needs wires with resistance", "give --spef, or use lumped_cap")
    found = np.zeros((prepared.nodes.count, len(chosen), 2), np.float32)
    loads = prepared.nodes.loads
    places = prepared.nodes.place[loads]
    for row, one in enumerate(chosen):
        found[loads, row] = np.asarray(one.elmore)[places]
    return found


def _pairs(
    prepared: Prepared,
    checked: tuple[IntArray, Arcs],
    slew: SingleArray,
    arrival: CornerArrivals,
    boundary: Boundary,
) -> Candidates:
    """All pairs of an arrival and a check of one corner, without credits.

    Args:
        prepared: the circuit with the corner's library.
        checked: nodes of checks, and the checks between their rows.
        slew: float32 [V, 4].
        arrival: of the corner.
        boundary: has the slews of ideal clocks.
    """
    nodes, checks = checked
    own = slew[nodes].astype(np.float64)
    clock = own.copy()
    if boundary.node and len(nodes):
        special, ideal = np.array(boundary.node), np.array(boundary.ideal_slew)
        at = np.minimum(np.searchsorted(nodes, special), len(nodes) - 1)
        here = nodes[at] == special
        clock[at[here]] = np.where(np.isnan(ideal[here]), clock[at[here]], ideal[here])
    few = replace(prepared, checks=checks)
    rows = liberty_checks(few, own, clock)
    rows = CheckRows(nodes[rows.clock_node], nodes[rows.node], rows.kind, rows.clock_edge, rows.margin)
    rows += gating_checks(prepared)
    states = cast("FloatArray", arrival)
    if any(track.exception.is_delay for track in prepared.planes.tracks):
        return candidates(prepared, rows, states)
    inside = replace(prepared, constraints=replace(prepared.constraints, output_delays=()))
    return Candidates.joined([candidates(inside, rows, states), *output_pairs(prepared, states)])


__all__ = ["CORNER_MODELS", "CornerArrivals", "CornerTiming", "PlaneRows", "analyse_corners"]
