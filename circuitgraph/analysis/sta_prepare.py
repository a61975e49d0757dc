"""What timing analysis prepares once for a circuit, a library and constraints, whatever the wires are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis import sta_graph as graph
from circuitgraph.analysis.sta_constants import constants, programs_of, reduced
from circuitgraph.analysis.sta_gating import Gates, infer
from circuitgraph.analysis.sta_generated import with_masters
from circuitgraph.analysis.sta_graph import Arcs, Nodes
from circuitgraph.analysis.sta_latches import Latches, latches_of
from circuitgraph.analysis.sta_planes import Plane, Planes, planes_of
from circuitgraph.analysis.sta_steps import Steps, steps_of
from circuitgraph.analysis.sta_tags import dead
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.constraints import Constraints
from circuitgraph.errors import Notes
from circuitgraph.function import Program
from circuitgraph.library import Library, TimingType

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A circuit ready for analysis; V nodes, E arcs that are walked, N nets.

    | field | type, shape | meaning |
    |---|---|---|
    | arcs | Arcs by target | walked arcs |
    | in_start | int64 [V + 1] | arcs into each node |
    | launches | bool [E] | arcs that launch data from a clock edge |
    | checks | Arcs | from the clock pin to the data pin |
    | level, order | int32 [V] | |
    | value | int8 [P + T] | logic constants, 2 = none |
    | is_endpoint | bool [V] | a path can end here: checked, or nothing follows |
    | gates | Gates | inferred clock-gating checks |
    | pin_load | float64 [N, 4] | F of all pins and ports on a net |
    | fan_out | int32 [N] | loads of a net |
    | corner | int8 [V] | row of the library's thresholds; terminals and black boxes have the first |
    | programs | per type and port | functions as the library writes them |
    | unclocked_ports | int32 | terminals that drive without a clock or a clocked input delay: arrival 0 |
    | unclocked_pins | int32 | nodes that would launch but that no clock reaches |
    | clock_edges | node -> bits | clocks that reach a node: bit 4 c + 2 edge of the pin + edge of the source |
    | steps | Steps | where arrivals change their plane because an exception names a point of the path |
    | latches | Latches | ways of data through latches |
    | origin | Prepared or None | set where arcs carry the delays that an analysis found (delay model "dmp"): the
      circuit that was analysed |
    """

    circuit: Circuit
    library: Library
    constraints: Constraints
    rows: IntArray
    nodes: Nodes
    arcs: Arcs
    in_start: LongArray
    launches: BoolArray
    checks: Arcs
    level: IntArray
    order: IntArray
    value: ByteArray
    is_endpoint: BoolArray
    gates: Gates
    pin_load: FloatArray
    fan_out: IntArray
    corner: ByteArray
    clock_edges: dict[int, int]
    programs: list[list[Program | None]]
    unclocked_ports: IntArray
    unclocked_pins: IntArray
    planes: Planes
    notes: Notes
    steps: Steps
    latches: Latches
    origin: Prepared | None = None

    @property
    def num_places(self) -> int:
        """Pins and terminals, P + T."""
        return self.circuit.num_pins + self.circuit.num_ports

    def name(self, node: int) -> str:
        """Name of the pin or terminal behind a node."""
        return graph.node_name(self.circuit, self.nodes, node)


def prepare(
    circuit: Circuit,
    library: Library,
    constraints: Constraints,
    *,
    black_box: bool = False,
    break_loops: bool = False,
) -> Prepared:
    """Everything about timing that does not depend on the wires.

    Args:
        circuit: cells, nets, terminals.
        library: types with arcs and tables.
        constraints: clocks, case analysis, disabled arcs, exceptions.
        black_box: cells of unknown types have no arcs and are counted.
        break_loops: cut one arc of each combinational loop and count it.

    Raises:
        CircuitError: a type is unknown, there is a combinational loop, or a generated clock has no master.
    """
    notes = Notes()
    rows = graph.library_rows(circuit, library, black_box=black_box, notes=notes)
    nodes = graph.nodes_of(circuit)
    programs = programs_of(circuit, library, rows)
    value = constants(circuit, constraints, programs)
    of_cells, cell, open_ended = graph.cell_arcs(circuit, library, rows, nodes)
    keep = ~graph.disabled(of_cells, nodes, constraints)
    of_cells, cell = of_cells.take(keep), cell[keep]
    of_cells = reduced(of_cells, cell, circuit, library, nodes, value, programs)
    is_check = library.is_check[of_cells.library_arc]
    checks = of_cells.take(is_check)
    delays = of_cells.take(graph.is_walked(library)[of_cells.library_arc])
    latches, open_latches = latches_of(of_cells, library, circuit, nodes, value)
    wires = graph.net_arcs(nodes, circuit.num_nets)
    constant = value[nodes.place] < 2
    wires.mask[constant[wires.target] | graph.disabled(wires, nodes, constraints)] &= 0xF0
    keep = ~constant[wires.source]
    delays = Arcs.joined(delays, open_latches)
    arcs, level, order = graph.levelled(
        Arcs.joined(wires.take(keep), delays), nodes, circuit, break_loops=break_loops, notes=notes
    )
    by_target = np.argsort(arcs.target, kind="stable")
    arcs = arcs.take(by_target)
    in_start = np.zeros(nodes.count + 1, np.int64)
    np.cumsum(np.bincount(arcs.target, minlength=nodes.count), out=in_start[1:])
    launches = _launches(arcs, library)
    constraints = with_masters(constraints, arcs, in_start, nodes)
    edges, used = clock_network(arcs, launches, nodes, constraints)
    unclocked = _unclocked(circuit, constraints)
    for delay in constraints.input_delays:
        if delay.clock >= 0:
            used.setdefault(delay.clock, set()).add(int(delay.is_fall))
    starts = np.union1d(arcs.source[launches], open_ended.source[_launches(open_ended, library)]).astype(np.int32)
    gates = infer(circuit, programs, arcs, launches, starts, nodes, edges, constant)
    gates = _inferred(circuit, nodes, constraints, gates)
    is_endpoint = _endpoints(arcs, checks, nodes, constant, open_ended)
    is_endpoint[gates.node] = True
    idle = np.array(sorted(set(starts.tolist()) - set(edges)), np.int32)
    planes = planes_of(
        constraints,
        used,
        _launch_edges(constraints, arcs, launches, nodes),
        unclocked=bool(len(unclocked)),
        unclocked_registers=bool(len(idle)),
    )
    steps = _steps(constraints, planes, nodes, arcs, launches, used if len(latches) else {})
    return Prepared(
        circuit=circuit,
        library=library,
        constraints=constraints,
        rows=rows,
        nodes=nodes,
        arcs=arcs,
        in_start=in_start,
        launches=launches,
        checks=checks,
        level=level,
        order=order,
        value=value,
        is_endpoint=is_endpoint,
        gates=gates,
        pin_load=net_sums(circuit, place_capacitances(circuit, library, rows)),
        fan_out=np.bincount(nodes.net[nodes.loads], minlength=circuit.num_nets).astype(np.int32),
        corner=_corners(circuit, library, rows, nodes),
        clock_edges=edges,
        programs=programs,
        unclocked_ports=unclocked,
        unclocked_pins=idle,
        planes=planes,
        notes=notes,
        steps=steps,
        latches=latches,
    )


def _steps(
    constraints: Constraints,
    planes: Planes,
    nodes: Nodes,
    arcs: Arcs,
    launches: BoolArray,
    behind_latches: dict[int, set[int]],
) -> Steps:
    """The steps; behind latches a path goes on with its tag and the clock edges given."""
    while True:
        steps = steps_of(constraints, planes, nodes, arcs, launches)
        count, unclocked = len(planes), set(planes.unclocked_tags.values())
        for tag in set(range(len(planes.tags))) - unclocked:
            for clock, edges in sorted(behind_latches.items()):
                for edge in sorted(edges):
                    if not all(dead(planes.tracks, planes.tags[tag], clock, edge)):
                        planes.add(Plane(clock, edge, False, tag))
        if len(planes) == count:
            return steps


def _inferred(circuit: Circuit, nodes: Nodes, constraints: Constraints, gates: Gates) -> Gates:
    """The gates less those of cells and pins where constraints want none."""
    cells, places = (np.array(sorted(rows), np.int64) for rows in constraints.ungated)
    if not len(cells) and not len(places):
        return gates
    place, clock = nodes.place[gates.node], nodes.place[gates.clock_node]
    gone = np.isin(place, places) | np.isin(clock, places) | np.isin(circuit.pin_cell[place], cells)
    return Gates(*(getattr(gates, name)[~gone] for name in Gates.__dataclass_fields__))


def _endpoints(arcs: Arcs, checks: Arcs, nodes: Nodes, constant: BoolArray, open_ended: Arcs) -> BoolArray:
    has_in, has_out, checked = (np.zeros(nodes.count, np.bool_) for _ in range(3))
    passes = arcs.mask & 15 > 0
    has_in[arcs.target[passes]] = True
    has_out[arcs.source[passes]] = True
    has_out[open_ended.source] = True
    checked[checks.target] = True
    return np.asarray((nodes.net >= 0) & has_in & ~constant & (checked | ~has_out))


def _launches(arcs: Arcs, library: Library) -> BoolArray:
    if not len(library.arc_timing):
        return np.zeros(len(arcs), np.bool_)
    timing = library.arc_timing[arcs.library_arc]
    return np.asarray((arcs.library_arc >= 0) & np.isin(timing, (TimingType.RISING_EDGE, TimingType.FALLING_EDGE)))


def _launch_edges(constraints: Constraints, arcs: Arcs, launches: BoolArray, nodes: Nodes) -> dict[int, int]:
    """Edges at which clock pins launch whose edge matters to an exception: 1 rise, 2 fall, 3 both; by place."""
    named = [e.from_places for e in constraints.exceptions if e.from_edge >= 0 and e.from_places]
    named += [e.throughs[0].places for e in constraints.exceptions if e.throughs]
    if not named:
        return {}
    wanted = np.array(sorted(frozenset().union(*named)), np.int64)
    found: dict[int, int] = {}
    for arc in np.flatnonzero(launches & np.isin(nodes.place[arcs.source], wanted)).tolist():
        mask, place = int(arcs.mask[arc]), int(nodes.place[arcs.source[arc]])
        found[place] = found.get(place, 0) | bool(mask & 3) | 2 * bool(mask & 12)
    return found


def _unclocked(circuit: Circuit, constraints: Constraints) -> IntArray:
    """Terminals that drive a net and have neither a clock nor an input delay with a clock."""
    drives = np.flatnonzero((circuit.port_direction != Direction.OUTPUT) & (circuit.port_net >= 0)) + circuit.num_pins
    known = {delay.place for delay in constraints.input_delays}
    known.update(place for clock in constraints.clocks for place in clock.sources)
    return np.array([place for place in drives.tolist() if place not in known], np.int32)


def _corners(circuit: Circuit, library: Library, rows: IntArray, nodes: Nodes) -> ByteArray:
    by_type = np.zeros(len(rows), np.int32)
    if len(library.corner):
        by_type = np.where(rows >= 0, library.corner[rows], 0)
    by_place = np.zeros(circuit.num_pins + circuit.num_ports, np.int8)
    if circuit.num_cells:
        by_place[: circuit.num_pins] = by_type[circuit.cell_type[circuit.pin_cell]]
    return by_place[nodes.place]


def place_capacitances(circuit: Circuit, library: Library, rows: IntArray | None = None) -> FloatArray:
    """F of every pin and terminal, float64 [P + T, 4]: late rise, late fall, early rise, early fall; terminals 0.

    Args:
        circuit: P pins, T terminals.
        library: gives the capacitances.
        rows: row in the library of each type of the circuit; found by name when None (unknown types have 0).
    """
    if rows is None:
        rows = np.array([library.index.get(cell_type.name, -1) for cell_type in circuit.types], np.int32)
    maps, start = graph.port_map(circuit, library, rows)
    by_port = np.zeros((sum(len(t.ports) for t in circuit.types), 4))
    type_start = np.zeros(len(circuit.types) + 1, np.int64)
    np.cumsum([len(t.ports) for t in circuit.types], out=type_start[1:])
    for kind, row in enumerate(rows.tolist()):
        if row < 0:
            continue
        places = maps[start[kind] : start[kind + 1]]
        own = library.port_capacitance[library.port_start[row] : library.port_start[row + 1]]
        by_port[type_start[kind] + places[places >= 0]] = own[places >= 0]
    found = np.zeros((circuit.num_pins + circuit.num_ports, 4))
    if circuit.num_pins:
        found[: circuit.num_pins] = by_port[type_start[circuit.cell_type[circuit.pin_cell]] + circuit.pin_port]
    return found


def net_sums(circuit: Circuit, values: FloatArray) -> FloatArray:
    """Sum of a value of pins and terminals, float64 [P + T, 4], over each net, float64 [N, 4]."""
    net = np.concatenate([circuit.pin_net, circuit.port_net])
    on_net = np.flatnonzero(net >= 0)
    found = np.empty((circuit.num_nets, values.shape[1]))
    for column in range(values.shape[1]):
        found[:, column] = np.bincount(net[on_net], values[on_net, column], minlength=circuit.num_nets)
    return found


def clock_network(
    arcs: Arcs, launches: BoolArray, nodes: Nodes, constraints: Constraints
) -> tuple[dict[int, int], dict[int, set[int]]]:
    """Nodes that clocks reach before a register, and the source edges of each clock that launch data.

    Returns:
        bits by node (4 c + 2 pin edge + source edge) and source edges by clock.
    """
    sources = {place: row for row, clock in enumerate(constraints.clocks) for place in clock.sources}
    reached: dict[int, int] = {}
    used: dict[int, set[int]] = {}
    if not sources:
        return reached, used
    by_source = np.argsort(arcs.source, kind="stable")
    start = np.zeros(nodes.count + 1, np.int64)
    np.cumsum(np.bincount(arcs.source, minlength=nodes.count), out=start[1:])
    waiting: list[int] = []
    for row, clock in enumerate(constraints.clocks):
        for place in clock.sources:
            reached[place] = reached.get(place, 0) | 1 << 4 * row | 1 << (4 * row + 3)
            waiting.append(place)
    every = sum(0b1111 << 4 * row for row in range(len(constraints.clocks)))
    rise = sum(0b0011 << 4 * row for row in range(len(constraints.clocks)))
    fall = every ^ rise
    while waiting:
        node = waiting.pop()
        bits = reached[node]
        for edge in by_source[start[node] : start[node + 1]].tolist():
            mask = int(arcs.mask[edge])
            from_rise = bits & rise if mask & 3 else 0
            from_fall = bits & fall if mask & 12 else 0
            if launches[edge]:
                for row in range(len(constraints.clocks)):
                    found = (from_rise >> 4 * row & 3) | (from_fall >> (4 * row + 2) & 3)
                    for source_edge in (0, 1):
                        if found >> source_edge & 1:
                            used.setdefault(row, set()).add(source_edge)
                continue
            target = int(arcs.target[edge])
            if target in sources:
                continue
            passed = (bits & rise if mask & 1 else 0) | (bits & fall if mask & 8 else 0)
            passed |= (bits & rise) << 2 if mask & 2 else 0
            passed |= (bits & fall) >> 2 if mask & 4 else 0
            if passed & ~reached.get(target, 0):
                reached[target] = reached.get(target, 0) | passed
                waiting.append(target)
    return reached, used
