"""Logic constants for timing: three-valued simulation from tie cells, constant nets and case analysis."""

from __future__ import annotations

import numpy as np

from circuitgraph.analysis.sta_graph import Arcs, ByteArray, IntArray, Nodes, sense_mask
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.constraints import Constraints
from circuitgraph.library import LAST_DELAY, Library, TimingType

EDGES = (int(TimingType.RISING_EDGE), int(TimingType.FALLING_EDGE))


def constants(circuit: Circuit, constraints: Constraints) -> ByteArray:
    """Constant at every pin and terminal, int8 [P + T]: 0, 1, or 2 where none is known.

    Constants start at constant nets, outputs whose function reads nothing, and case analysis; they pass
    through the functions of combinational cells, not through flip-flops and latches.
    """
    pins = circuit.num_pins
    value = np.full(pins + circuit.num_ports, 2, np.int8)
    net_value = np.full(circuit.num_nets, 2, np.int8)
    case = constraints.case_values
    waiting: list[int] = []

    def set_net(net: int, constant: int) -> None:
        if net >= 0 and net_value[net] == 2 and constant < 2:
            net_value[net] = constant
            waiting.append(net)

    for net in np.flatnonzero((circuit.net_constant == 0) | (circuit.net_constant == 1)):
        set_net(int(net), int(circuit.net_constant[net]))
    for row, cell_type in enumerate(circuit.types):
        tied = [(p, f.value({})) for p, f in enumerate(cell_type.functions) if f is not None and not f.inputs]
        for cell in np.flatnonzero(circuit.cell_type == row) if tied else ():
            for port, constant in tied:
                pin = int(circuit.pin_start[cell]) + port
                value[pin] = case.get(pin, constant)
                set_net(int(circuit.pin_net[pin]), int(value[pin]))
    cells: list[int] = []
    for place, constant in case.items():
        value[place] = constant
        if place >= pins:
            if circuit.port_direction[place - pins] != Direction.OUTPUT:
                set_net(int(circuit.port_net[place - pins]), constant)
        elif circuit.pin_direction[place] == Direction.OUTPUT:
            set_net(int(circuit.pin_net[place]), constant)
        else:
            cells.append(int(circuit.pin_cell[place]))
    _propagate(circuit, case, value, net_value, waiting, cells, set_net)
    return value


def _propagate(
    circuit: Circuit,
    case: dict[int, int],
    value: ByteArray,
    net_value: ByteArray,
    waiting: list[int],
    cells: list[int],
    set_net: object,
) -> None:
    assert callable(set_net)
    start, members = circuit.net_pins
    port_net = circuit.port_net
    while waiting or cells:
        while waiting:
            net = waiting.pop()
            for pin in members[start[net] : start[net + 1]].tolist():
                if value[pin] == 2:
                    value[pin] = case.get(pin, int(net_value[net]))
                    cells.append(int(circuit.pin_cell[pin]))
            for port in np.flatnonzero(port_net == net).tolist():
                if value[circuit.num_pins + port] == 2:
                    value[circuit.num_pins + port] = net_value[net]
        for cell in set(cells):
            cell_type = circuit.types[circuit.cell_type[cell]]
            first = int(circuit.pin_start[cell])
            known = {port: int(value[first + port]) for port in range(len(cell_type.ports)) if value[first + port] < 2}
            for port, function in enumerate(cell_type.functions):
                if function is None or value[first + port] < 2 or not function.inputs:
                    continue
                found = function.value(known)
                if found < 2:
                    if cell_type.ports[port].direction == Direction.OUTPUT:
                        value[first + port] = found
                    set_net(int(circuit.pin_net[first + port]), found)
        cells.clear()


def reduced(arcs: Arcs, cell: IntArray, circuit: Circuit, library: Library, nodes: Nodes, value: ByteArray) -> Arcs:
    """Cell arcs that are left under the constants, with the edges that remain.

    An arc goes when one of its ends is constant, when its ``when`` is false, when it has no ``when`` and another arc
    between the same pins has one that is true, or when the output's function no longer depends on its start; else
    the edges that carry arrivals are cut to the senses that the function keeps. Slews come from all edges, as in OpenSTA.
    """
    if not (value < 2).any():
        return arcs
    place = nodes.place
    keep = (value[place[arcs.source]] == 2) & (value[place[arcs.target]] == 2)
    mask = arcs.mask.copy()
    touched = np.zeros(circuit.num_cells, np.bool_)
    touched[circuit.pin_cell[np.flatnonzero(value[: circuit.num_pins] < 2)]] = True
    decided: set[tuple[int, int]] = set()
    plain: list[int] = []
    for row in np.flatnonzero(keep & touched[cell]).tolist():
        at = int(cell[row])
        cell_type = circuit.types[circuit.cell_type[at]]
        first = int(circuit.pin_start[at])
        known = {p: int(value[first + p]) for p in range(len(cell_type.ports)) if value[first + p] < 2}
        arc = int(arcs.library_arc[row])
        when = int(library.arc_when[arc])
        if when >= 0:
            holds = library.conditions[when].value(_of_library(known, cell_type, library, arc))
            keep[row] = holds != 0
            if holds == 1:
                decided.add((int(arcs.source[row]), int(arcs.target[row])))
        else:
            plain.append(row)
        target_port = int(place[arcs.target[row]]) - first
        source_port = int(place[arcs.source[row]]) - first
        function = cell_type.functions[target_port] if library.arc_timing[arc] <= LAST_DELAY else None
        if function is None or source_port not in function.inputs or library.arc_timing[arc] in EDGES:
            continue
        allowed = sense_mask(*function.senses(source_port, known))
        keep[row] &= allowed != 0
        mask[row] &= 0xF0 | allowed
    for row in plain:
        keep[row] &= (int(arcs.source[row]), int(arcs.target[row])) not in decided
    return Arcs(arcs.source, arcs.target, arcs.library_arc, mask).take(keep)


def _of_library(known: dict[int, int], cell_type: object, library: Library, arc: int) -> dict[int, int]:
    """Constants by the library's own port numbers."""
    own = library.types[int(library.arc_type[arc])]
    if own is cell_type:
        return known
    names = {port.name: place for place, port in enumerate(own.ports)}
    ports = getattr(cell_type, "ports", ())
    return {names[ports[place].name]: constant for place, constant in known.items() if ports[place].name in names}
