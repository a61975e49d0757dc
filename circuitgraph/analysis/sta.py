"""Static timing analysis: arrivals, slews and slacks, exact and levelised, as OpenSTA 2.0.17 defines them by default.

    timing = analyse(circuit, library, constraints, wires)

Delays are looked up in the library's tables with the whole load of a net; rising and falling, late and early are
kept apart; the worst slew is merged by itself, from whatever arc it comes. What is prepared once is in
:mod:`circuitgraph.analysis.sta_prepare`; the sweep is compiled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_blocks import ranges_of, sweep_blocks
from circuitgraph.analysis.sta_checks import Candidates, candidates, gating_checks, liberty_checks, worst
from circuitgraph.analysis.sta_planes import Plane, at, edge_time, ideal_arrival, source_latency
from circuitgraph.analysis.sta_prepare import Prepared, net_sums, place_capacitances, prepare
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.constraints import Clock, Constraints, PortDelay
from circuitgraph.errors import CircuitError
from circuitgraph.library import Library, Thresholds

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
DELAY_MODELS = ("lumped_cap", "elmore")


@dataclass(frozen=True, eq=False)
class Timing:
    """Result of an analysis; P pins, T terminals.

    | field | type, shape | meaning |
    |---|---|---|
    | arrival, slew | float64 [P + T, 4] | s; late rise, late fall, early rise, early fall; NaN where there is none;
      of a bidirectional pin its load half, as in OpenSTA's dumps |
    | endpoints | Candidates | the worst pair of each endpoint and kind of check |
    | load | float64 [N, 4] | F on every net |
    | state_slew, state_arrival | float64 [V, 4], [V, K, 4] | by node and plane; infinite where there is none |
    | boundary, wire | | boundary values; net delays by node |
    | peak_rows | int | most rows of state held at once |
    """

    prepared: Prepared
    delay_model: str
    arrival: FloatArray
    slew: FloatArray
    endpoints: Candidates
    load: FloatArray
    state_slew: FloatArray
    state_arrival: FloatArray
    boundary: Boundary
    wire: FloatArray
    peak_rows: int

    def worst_slack(self, *, early: bool = False) -> FloatArray:
        """Worst slack of every place over its late (setup, recovery) or early checks, float64 [P + T]; NaN elsewhere."""
        found = np.full(self.prepared.num_places, np.inf)
        chosen = self.endpoints.kind & 1 == int(early)
        place = self.prepared.nodes.place[self.endpoints.node[chosen]]
        np.minimum.at(found, place, self.endpoints.slack[chosen])
        return np.where(np.isinf(found), np.nan, found)

    @cached_property
    def wns(self) -> float:
        """Worst negative slack of late checks, s; 0 where none is negative."""
        return self._least(self.worst_slack())

    @cached_property
    def tns(self) -> float:
        """Total negative slack: sum over the endpoints of the worst slack of each, s."""
        slack = self.worst_slack()
        return float(np.minimum(slack[~np.isnan(slack)], 0.0).sum())

    @cached_property
    def hold_wns(self) -> float:
        """Worst negative slack of early checks, s; 0 where none is negative."""
        return self._least(self.worst_slack(early=True))

    @staticmethod
    def _least(slack: FloatArray) -> float:
        known = slack[~np.isnan(slack)]
        return float(min(known.min(), 0.0)) if len(known) else 0.0


def analyse(
    circuit: Circuit | Prepared,
    library: Library | None = None,
    constraints: Constraints | None = None,
    wires: Any = None,
    *,
    delay_model: str = "lumped_cap",
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
    shared_reduction: bool = True,
    remove_pessimism: bool = True,
    listed: BoolArray | None = None,
    blocks: Sequence[tuple[int, int]] | None = None,
    block_size: int | None = None,
    black_box: bool = False,
    break_loops: bool = False,
) -> Timing:
    """Analyse a circuit, or one that is prepared.

    Args:
        circuit: a Circuit with library and constraints, or a Prepared (then both are left out).
        wires: :class:`circuitgraph.analysis.wires.Wires`; None = no wires at all.
        delay_model: "lumped_cap" (no wire delay) or "elmore" (Elmore delay to every sink, slews degrade).
        default_wire_load: nets without parasitics get the library's default wire load, as in OpenSTA.
        port_load_hides_wire: a net whose port has ``set_load`` has no wire capacitance, as in OpenSTA 2.0.17.
        shared_reduction: nets with parasitics are loaded with the early pin capacitances for late times too, as in
            OpenSTA 2.0.17, which reduces a net once (it matters where a library gives capacitance ranges).
        listed: places that the parasitics list, bool [P + T] (:func:`listed_places`): a pin that its net's parasitics leave
            out does not load the net, as in OpenSTA. None = all.
        remove_pessimism: credit the late minus early arrival of the clock path that launch and capture share.
        blocks: consecutive ranges of ``Prepared.order``; state is carried only over their frontier, the result is the same.
        block_size: most nodes in a block, instead of *blocks*.
        black_box, break_loops: see :func:`circuitgraph.analysis.sta_prepare.prepare`.

    Raises:
        CircuitError: a type is unknown, there is a loop, or the delay model is unknown or needs wires that are not there.
    """
    if not isinstance(circuit, Prepared):
        if library is None or constraints is None:
            raise TypeError("a circuit needs a library and constraints")
        circuit = prepare(circuit, library, constraints, black_box=black_box, break_loops=break_loops)
    prepared = circuit
    if delay_model not in DELAY_MODELS:
        raise CircuitError("--delay-model", repr(delay_model), f"must be one of {', '.join(DELAY_MODELS)}", "choose one")
    load = net_loads(
        prepared,
        wires,
        default_wire_load=default_wire_load,
        port_load_hides_wire=port_load_hides_wire,
        shared_reduction=shared_reduction,
        listed=listed,
    )
    boundary = boundary_of(prepared, load)
    wire = net_delays(prepared, wires, delay_model)
    if blocks is None and block_size is not None:
        blocks = ranges_of(prepared, block_size)
    slew, arrival, peak = sweep(prepared, load, wire, boundary, blocks)
    rows = liberty_checks(prepared, slew, boundary.clock_slew(prepared, slew)) + gating_checks(prepared)
    found = candidates(prepared, rows, arrival)
    timing = Timing(
        prepared=prepared,
        delay_model=delay_model,
        arrival=reported(prepared, arrival, boundary),
        slew=ordered(slew[prepared.nodes.load_half]),
        endpoints=worst(found),
        load=load,
        state_slew=slew,
        state_arrival=arrival,
        boundary=boundary,
        wire=wire,
        peak_rows=peak,
    )
    if not remove_pessimism:
        return timing
    from circuitgraph.analysis.sta_crpr import with_credits

    return replace(timing, endpoints=worst(with_credits(timing, found)))


def reported(prepared: Prepared, arrival: FloatArray, boundary: Boundary) -> FloatArray:
    """Arrivals of all places, float64 [P + T, 4]: at a port without the delay that its driving cell adds behind it."""
    found = merged(arrival)
    for node, added in boundary.added.items():
        found[node] -= added
    chosen: FloatArray = found[prepared.nodes.load_half]
    return chosen


def merged(arrival: FloatArray) -> FloatArray:
    """Worst arrival over the planes, float64 [V, 4], NaN where there is none."""
    found = np.empty((len(arrival), 4))
    found[:, :2] = arrival[:, :, :2].max(axis=1, initial=-np.inf)
    found[:, 2:] = arrival[:, :, 2:].min(axis=1, initial=np.inf)
    found[np.isinf(found)] = np.nan
    return found


def ordered(slew: FloatArray) -> FloatArray:
    """Slews as they are reported: the larger of late and early as late, the smaller as early.

    Tables need not increase with the input slew, so a late slew can come out below the early one; the sweep goes on
    with each as it is.
    """
    return np.concatenate([np.maximum(slew[:, :2], slew[:, 2:]), np.minimum(slew[:, :2], slew[:, 2:])], axis=1)


# -- wires -------------------------------------------------------------------------------------


def net_loads(
    prepared: Prepared,
    wires: Any,
    *,
    default_wire_load: bool = True,
    port_load_hides_wire: bool = True,
    shared_reduction: bool = True,
    listed: BoolArray | None = None,
) -> FloatArray:
    """F on every net, float64 [N, 4]: wire, pins, and what constraints add at ports; the options as in :func:`analyse`."""
    circuit, constraints = prepared.circuit, prepared.constraints
    wire = np.zeros(circuit.num_nets)
    annotated = np.zeros(circuit.num_nets, np.bool_)
    if wires is not None:
        wire = np.array(wires.capacitance, np.float64)
        annotated = np.asarray(wires.annotated, np.bool_)
    model = prepared.library.default_wire_load
    if default_wire_load and model is not None:
        wire = np.where(annotated, wire, model.length(prepared.fan_out) * model.capacitance)
    for net, value in constraints.net_load.items():
        wire[net] = value
    pins = prepared.pin_load.copy()
    if listed is not None:
        absent = place_capacitances(circuit, prepared.library, prepared.rows)
        net = np.concatenate([circuit.pin_net, circuit.port_net])
        absent[listed | ~annotated[net] | (net < 0)] = 0.0
        pins -= net_sums(circuit, absent)
    if shared_reduction:
        pins[annotated, :2] = pins[annotated, 2:]
    load = pins + wire[:, None]
    outside = constraints.load
    if len(outside):
        for port in np.flatnonzero((outside > 0).any(axis=1)).tolist():
            net = int(circuit.port_net[port])
            if net >= 0:
                if port_load_hides_wire:
                    load[net] = prepared.pin_load[net]
                load[net] += outside[port]
    return load


def listed_places(resolved: Any, circuit: Circuit) -> BoolArray:
    """Pins and terminals that parasitics list, bool [P + T].

    Args:
        resolved: :class:`circuitgraph.parasitics.ResolvedParasitics`.
    """
    found = np.zeros(circuit.num_pins + circuit.num_ports, np.bool_)
    found[resolved.node_pin[resolved.node_pin >= 0]] = True
    return found


def net_delays(prepared: Prepared, wires: Any, delay_model: str) -> FloatArray:
    """Net delay into every node and what it adds to the squared slew, float64 [V, 4], or [0, 4] without any.

    Slew: a one-pole wire spreads a ramp by k times its Elmore delay, k = ln((1 - lower) / (1 - upper)) of the
    library's slew thresholds.

    Raises:
        CircuitError: there are no Elmore delays.
    """
    if delay_model == "lumped_cap":
        return np.zeros((0, 4))
    if wires is None or wires.elmore is None:
        raise CircuitError("--delay-model", "'elmore'", "needs wires with resistance", "give --spef, or use lumped_cap")
    found = np.zeros((prepared.nodes.count, 4))
    elmore = np.asarray(wires.elmore, np.float64)
    loads = np.flatnonzero(prepared.nodes.loads)
    found[loads, :2] = elmore[prepared.nodes.place[loads]]
    for row, thresholds in enumerate(prepared.library.thresholds):
        own = loads[np.maximum(prepared.corner[loads], 0) == row]
        for edge in (0, 1):
            found[own, 2 + edge] = (spread(thresholds, edge) * found[own, edge]) ** 2
    return found


def spread(thresholds: Thresholds, edge: int) -> float:
    """Table slew of a one-pole step response by its time constant."""
    lower, upper = thresholds.slew_lower[edge], thresholds.slew_upper[edge]
    return math.log((1 - lower) / (1 - upper)) / thresholds.slew_derate


# -- boundary ----------------------------------------------------------------------------------


@dataclass
class Boundary:
    """Values at special nodes; S of them, K planes.

    | field | type, shape | meaning |
    |---|---|---|
    | node | int32 [S] | |
    | slew | float64 [S, 4] | NaN where the node's own arcs give it |
    | arrival | float64 [S, K, 4] | NaN where none starts |
    | blocks | uint8 [S] | arrivals from upstream stop |
    | tag | int32 [S] | start-point tag |
    | ideal_slew | float64 [S, 4] | slew of a register's clock pin under an ideal clock |
    | added | node -> float64 [4] | s that a driving cell adds behind a port; part of ``arrival`` |
    """

    node: list[int] = field(default_factory=list)
    slew: list[list[float]] = field(default_factory=list)
    arrival: list[FloatArray] = field(default_factory=list)
    blocks: list[int] = field(default_factory=list)
    tag: list[int] = field(default_factory=list)
    ideal_slew: list[list[float]] = field(default_factory=list)
    row: dict[int, int] = field(default_factory=dict)
    added: dict[int, FloatArray] = field(default_factory=dict)

    def at(self, node: int, planes: int) -> int:
        """Row of a node, new or known."""
        if node not in self.row:
            self.row[node] = len(self.node)
            self.node.append(node)
            self.slew.append([math.nan] * 4)
            self.arrival.append(np.full((planes, 4), np.nan))
            self.blocks.append(0)
            self.tag.append(0)
            self.ideal_slew.append([math.nan] * 4)
        return self.row[node]

    def clock_slew(self, prepared: Prepared, slew: FloatArray) -> FloatArray:
        """Slews with those of ideal clocks at the clock pins of registers."""
        ideal = np.array(self.ideal_slew).reshape(-1, 4)
        if not len(ideal) or np.isnan(ideal).all():
            return slew
        found = slew.copy()
        nodes = np.array(self.node)
        found[nodes] = np.where(np.isnan(ideal), found[nodes], ideal)
        return found


def boundary_of(prepared: Prepared, load: FloatArray) -> Boundary:
    """Slews and arrivals where paths start: ports, clock sources, ideal clock pins."""
    circuit, constraints, planes = prepared.circuit, prepared.constraints, prepared.planes
    boundary = Boundary()
    count = len(planes)
    driving = constraints.driving_cells
    extra = boundary.added
    for port in np.flatnonzero((circuit.port_direction != Direction.OUTPUT) & (circuit.port_net >= 0)).tolist():
        row = boundary.at(circuit.num_pins + port, count)
        given = constraints.input_transition[port] if len(constraints.input_transition) else np.full(4, np.nan)
        boundary.slew[row] = np.where(np.isnan(given), 0.0, given).tolist()
        if prepared.value[circuit.num_pins + port] < 2:
            boundary.slew[row] = [0.0] * 4
            continue
        if port in driving:
            from circuitgraph.analysis.sta_driving import driven_port

            slews, extra[circuit.num_pins + port] = driven_port(prepared, port, load)
            boundary.slew[row] = np.where(np.isnan(slews), boundary.slew[row], slews).tolist()
    for number, clock in enumerate(constraints.clocks):
        for place in clock.sources:
            row = boundary.at(place, count)
            boundary.blocks[row] = 1
            for edge in (0, 1):
                for early in (0, 1):
                    time = edge_time(clock, edge) + source_latency(clock, edge, bool(early))
                    time += float(extra[place][2 * early + edge]) if place in extra else 0.0
                    boundary.arrival[row][2 * number + edge, 2 * early + edge] = time
    for delay in constraints.input_delays:
        _input_delay(prepared, boundary, delay, extra.get(delay.place))
    for place in prepared.unclocked_ports.tolist():
        row = boundary.at(place, count)
        plane = planes.number.get(Plane(-1, 0, False, planes.tag_of.get(place, 0)), -1)
        if plane >= 0:
            boundary.arrival[row][plane] = extra.get(place, np.zeros(4))
    for place, tag in planes.tag_of.items():
        boundary.tag[boundary.at(int(prepared.nodes.load_half[place]), count)] = tag
    for node in prepared.unclocked_pins.tolist():
        row = boundary.at(node, count)
        boundary.tag[row] = planes.unclocked_tag
        boundary.arrival[row][planes.number[Plane(-1, 0, False)]] = 0.0
    _ideal_clocks(prepared, boundary)
    return boundary


def _input_delay(prepared: Prepared, boundary: Boundary, delay: PortDelay, extra: FloatArray | None) -> None:
    planes = prepared.planes
    row = boundary.at(delay.place, len(planes))
    tag = planes.tag_of.get(delay.place, 0)
    base = np.zeros(4)
    plane = Plane(-1, 0, False, tag)
    if delay.clock >= 0:
        clock, edge = planes.clocks[delay.clock], int(delay.is_fall)
        plane = Plane(delay.clock, edge, False, tag)
        base = np.array([edge_time(clock, edge) + input_latency(clock, delay, column) for column in range(4)])
    number = planes.number.get(plane)
    if number is None:
        return
    times = base + np.array(delay.delay) + (0.0 if extra is None else extra)
    old = boundary.arrival[row][number]
    late, early_times = np.fmax(old[:2], times[:2]), np.fmin(old[2:], times[2:])
    boundary.arrival[row][number] = np.concatenate([late, early_times])


def input_latency(clock: Clock, delay: PortDelay, column: int) -> float:
    """Latency of a clock that an input delay is counted from, s."""
    edge, early = int(delay.is_fall), column >= 2
    found = 0.0 if delay.source_latency_included else source_latency(clock, edge, early)
    if not clock.is_propagated and not delay.network_latency_included:
        found += at(clock.latency, 2 * int(early) + edge)
    return found


def _ideal_clocks(prepared: Prepared, boundary: Boundary) -> None:
    """Slews of ideal clocks at every node that launches or checks."""
    clocks = prepared.planes.clocks
    if all(clock.is_propagated for clock in clocks):
        return
    starts = set(prepared.arcs.source[prepared.launches].tolist()) | set(prepared.checks.source.tolist())
    for node in sorted(starts & set(prepared.clock_edges)):
        bits = prepared.clock_edges[node]
        reaching = [row for row in range(len(clocks)) if bits >> 4 * row & 15]
        if reaching and not any(clocks[row].is_propagated for row in reaching):
            row = boundary.at(node, len(prepared.planes))
            boundary.ideal_slew[row] = [at(clocks[reaching[0]].transition, column) for column in range(4)]


# -- the sweep ---------------------------------------------------------------------------------


def sweep(
    prepared: Prepared,
    load: FloatArray,
    wire: FloatArray,
    boundary: Boundary,
    blocks: Sequence[tuple[int, int]] | None = None,
) -> tuple[FloatArray, FloatArray, int]:
    """Slews [V, 4] and arrivals [V, K, 4] of every node, and the most rows of state held at once."""
    from circuitgraph.analysis.sta_kernels import _kernel_sweep

    count, planes = prepared.nodes.count, len(prepared.planes)
    arguments = kernel_arguments(prepared, load, wire, boundary)
    if blocks is not None:
        return sweep_blocks(prepared, arguments, blocks)
    slew, arrival = np.empty((count, 4)), np.empty((count, planes, 4))
    row = np.arange(count, dtype=np.int32)
    _kernel_sweep(prepared.order, 0, count, row, *arguments, slew, arrival)
    return slew, arrival, count


def kernel_arguments(prepared: Prepared, load: FloatArray, wire: FloatArray, boundary: Boundary) -> tuple[Any, ...]:
    """Graph, tables, wires and boundary in the order that the kernels take them."""
    library, nodes = prepared.library, prepared.nodes
    bank, planes = library.tables, len(prepared.planes)
    special = np.full(nodes.count, -1, np.int32)
    special[boundary.node] = np.arange(len(boundary.node), dtype=np.int32)
    size = max(len(boundary.node), 1)
    empty = not boundary.node
    return (
        prepared.in_start,
        prepared.arcs.source,
        prepared.arcs.library_arc,
        prepared.arcs.mask,
        prepared.launches,
        np.ascontiguousarray(library.arc_table),
        bank.shape,
        bank.axis,
        bank.start,
        bank.axes,
        bank.values,
        nodes.net,
        load,
        wire,
        np.asarray(prepared.constraints.derate, np.float64),
        prepared.corner,
        crossings(library),
        special,
        np.full((size, 4), np.nan) if empty else np.array(boundary.slew, np.float64),
        np.full((size, planes, 4), np.nan) if empty else np.array(boundary.arrival, np.float64),
        np.array(boundary.blocks or [0], np.uint8),
        np.array(boundary.tag or [0], np.int32),
        np.full((size, 4), np.nan) if empty else np.array(boundary.ideal_slew, np.float64),
        prepared.planes.launches(),
        ideal_arrivals(prepared),
    )


def ideal_arrivals(prepared: Prepared) -> FloatArray:
    """Arrival of ideal clocks by plane (late, early), float64 [K, 2]; NaN where propagated; of no clock 0."""
    found = np.full((len(prepared.planes), 2), np.nan)
    for row, plane in enumerate(prepared.planes.rows):
        if plane.is_clock and not prepared.planes.clocks[plane.clock].is_propagated:
            clock = prepared.planes.clocks[plane.clock]
            found[row] = [ideal_arrival(clock, plane.edge, early) for early in (False, True)]
        if plane.clock < 0:
            found[row] = 0.0
    return found


def crossings(library: Library) -> FloatArray:
    """What a wire between two libraries' thresholds does: slew factor and delay by slew, float64 [c, c, 2]."""
    count = max(len(library.thresholds), 1)
    found = np.zeros((count, count, 2))
    found[:, :, 0] = 1.0
    for row, first in enumerate(library.thresholds):
        for column, second in enumerate(library.thresholds):
            if row != column:
                one = (first.slew_upper[0] - first.slew_lower[0]) / first.slew_derate
                two = (second.slew_upper[0] - second.slew_lower[0]) / second.slew_derate
                found[row, column, 0] = two / one
    return found
