"""Logic constants for timing: three-valued simulation from tie cells, constant nets and case analysis.

Values and senses follow the written form of a function, not its truth table, as OpenSTA 2.0.17 does: with A0 = 1 the
multiplexer ``(A0 & !S) | (A1 & S)`` keeps both senses towards S.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from circuitgraph.analysis.sta_graph import Arcs, ByteArray, IntArray, Nodes, sense_mask
from circuitgraph.circuit import CellType, Circuit, Direction
from circuitgraph.constraints import Constraints
from circuitgraph.function import Function, Program
from circuitgraph.library import LAST_DELAY, Library, TimingType

EDGES = (int(TimingType.RISING_EDGE), int(TimingType.FALLING_EDGE))
UNKNOWN = 2


def value_of(program: Program, values: Mapping[int, int]) -> int:
    """Value of a written function: 0, 1 or 2 (unknown), operation by operation.

    >>> value_of((0, 1, "and"), {0: 0}), value_of((0, 0, "not", "or"), {})
    (0, 2)
    """
    return _run(program, values, -1)[0]


def senses_of(program: Program, port: int, values: Mapping[int, int]) -> tuple[bool, bool]:
    """Whether raising *port* can raise and can lower a written function under constants.

    >>> senses_of((0, 2, "not", "and", 1, 2, "and", "or"), 2, {0: 1})
    (True, True)
    """
    _, positive, negative = _run(program, values, port)
    return positive, negative


def _run(program: Program, values: Mapping[int, int], port: int) -> tuple[int, bool, bool]:
    stack: list[tuple[int, bool, bool]] = []
    for step in program:
        if isinstance(step, int):
            stack.append((values.get(step, UNKNOWN), step == port, False))
        elif step in {"0", "1"}:
            stack.append((int(step), False, False))
        elif step == "not":
            value, positive, negative = stack.pop()
            stack.append(((1, 0, UNKNOWN)[value], negative, positive))
        else:
            second, first = stack.pop(), stack.pop()
            stack.append(_joined(str(step), first, second))
    value, positive, negative = stack.pop()
    return (value, False, False) if value != UNKNOWN else (value, positive, negative)


def _joined(step: str, first: tuple[int, bool, bool], second: tuple[int, bool, bool]) -> tuple[int, bool, bool]:
    """One operation on values and senses; a constant operand leaves the other's sense, or none."""
    if step == "xor":
        if UNKNOWN not in {first[0], second[0]}:
            return first[0] ^ second[0], False, False
        for one, other in ((first, second), (second, first)):
            if one[0] != UNKNOWN:
                return (UNKNOWN, other[1], other[2]) if one[0] == 0 else (UNKNOWN, other[2], other[1])
        both = first[1] or first[2] or second[1] or second[2]
        return UNKNOWN, both, both
    controlling = 0 if step == "and" else 1
    if controlling in {first[0], second[0]}:
        return controlling, False, False
    if first[0] != UNKNOWN and second[0] != UNKNOWN:
        return 1 - controlling, False, False
    if first[0] != UNKNOWN:
        return second
    if second[0] != UNKNOWN:
        return first
    return UNKNOWN, first[1] or second[1], first[2] or second[2]


def programs_of(circuit: Circuit, library: Library, rows: IntArray) -> list[list[Program | None]]:
    """The written functions of every type's ports; from the truth table where the library has none."""
    found: list[list[Program | None]] = []
    for cell_type, row in zip(circuit.types, rows.tolist(), strict=True):
        programs = [program_of(function) for function in cell_type.functions]
        if row >= 0:
            own = library.types[row]
            place = [cell_type.port_index(port.name) for port in own.ports]
            for port, program in enumerate(library.port_program[library.port_start[row] : library.port_start[row + 1]]):
                if program is not None and place[port] >= 0:
                    programs[place[port]] = tuple(place[step] if isinstance(step, int) else step for step in program)
        found.append(programs)
    return found


def program_of(function: Function | None) -> Program | None:
    """A function as a sum of products; itself where it is a program."""
    if function is None or function.program is not None:
        return None if function is None else function.program
    assert function.table is not None
    if not function.inputs:
        return (str(function.table),)
    program: list[int | str] = []
    for row in range(1 << len(function.inputs)):
        if not function.table >> row & 1:
            continue
        first = not program
        for place, port in enumerate(function.inputs):
            program += [port] if row >> place & 1 else [port, "not"]
            program += ["and"] if place else []
        program += [] if first else ["or"]
    return tuple(program) or ("0",)


def constants(circuit: Circuit, constraints: Constraints, programs: list[list[Program | None]]) -> ByteArray:
    """Constant at every pin and terminal, int8 [P + T]: 0, 1, or 2 where none is known.

    Constants start at constant nets, outputs whose function reads nothing, and case analysis; they pass
    through the functions of combinational cells, not through flip-flops and latches.
    """
    return _Simulation(circuit, constraints, programs).run()


class _Simulation:
    """The work list of the three-valued simulation."""

    def __init__(self, circuit: Circuit, constraints: Constraints, programs: list[list[Program | None]]) -> None:
        self.circuit = circuit
        self.case = constraints.case_values
        self.programs = programs
        self.value = np.full(circuit.num_pins + circuit.num_ports, UNKNOWN, np.int8)
        self.net_value = np.full(circuit.num_nets, UNKNOWN, np.int8)
        self.nets: list[int] = []
        self.cells: list[int] = []
        self.net_ports: dict[int, list[int]] = {}

    def run(self) -> ByteArray:
        self._start()
        if not self.nets and not self.cells:
            return self.value
        for port, net in enumerate(self.circuit.port_net.tolist()):
            self.net_ports.setdefault(net, []).append(port)
        while self.nets or self.cells:
            while self.nets:
                self._spread(self.nets.pop())
            cells, self.cells = self.cells, []
            for cell in dict.fromkeys(cells):
                self._evaluate(cell)
        return self.value

    def _set_net(self, net: int, constant: int) -> None:
        if net >= 0 and self.net_value[net] == UNKNOWN and constant != UNKNOWN:
            self.net_value[net] = constant
            self.nets.append(net)

    def _start(self) -> None:
        circuit = self.circuit
        for net in np.flatnonzero((circuit.net_constant == 0) | (circuit.net_constant == 1)):
            self._set_net(int(net), int(circuit.net_constant[net]))
        for row, programs in enumerate(self.programs):
            tied = [p for p, program in enumerate(programs) if program in {("0",), ("1",)}]
            for cell in np.flatnonzero(circuit.cell_type == row).tolist() if tied else ():
                for port in tied:
                    pin = int(circuit.pin_start[cell]) + port
                    self.value[pin] = self.case.get(pin, int(str(programs[port][0])))  # type: ignore[index]
                    self._set_net(int(circuit.pin_net[pin]), int(self.value[pin]))
        for place, constant in self.case.items():
            self.value[place] = constant
            if place >= circuit.num_pins:
                port = place - circuit.num_pins
                if circuit.port_direction[port] != Direction.OUTPUT:
                    self._set_net(int(circuit.port_net[port]), constant)
            elif circuit.pin_direction[place] == Direction.OUTPUT:
                self._set_net(int(circuit.pin_net[place]), constant)
            else:
                self.cells.append(int(circuit.pin_cell[place]))

    def _spread(self, net: int) -> None:
        """Give a net's constant to its pins and terminals."""
        circuit = self.circuit
        start, members = circuit.net_pins
        for pin in members[start[net] : start[net + 1]].tolist():
            if self.value[pin] == UNKNOWN:
                self.value[pin] = self.case.get(pin, int(self.net_value[net]))
                self.cells.append(int(circuit.pin_cell[pin]))
        for port in self.net_ports.get(net, ()):
            if self.value[circuit.num_pins + port] == UNKNOWN:
                self.value[circuit.num_pins + port] = self.net_value[net]

    def _evaluate(self, cell: int) -> None:
        """Outputs of a cell that its constants decide; a bidirectional pin gives its value to the net only."""
        circuit = self.circuit
        kind = int(circuit.cell_type[cell])
        first = int(circuit.pin_start[cell])
        ports = circuit.types[kind].ports
        known = {p: int(self.value[first + p]) for p in range(len(ports)) if self.value[first + p] != UNKNOWN}
        for port, program in enumerate(self.programs[kind]):
            if program is None or self.value[first + port] != UNKNOWN:
                continue
            found = value_of(program, known)
            if found != UNKNOWN:
                if ports[port].direction == Direction.OUTPUT:
                    self.value[first + port] = found
                self._set_net(int(circuit.pin_net[first + port]), found)


def reduced(
    arcs: Arcs,
    cell: IntArray,
    circuit: Circuit,
    library: Library,
    nodes: Nodes,
    value: ByteArray,
    programs: list[list[Program | None]],
) -> Arcs:
    """Cell arcs that are left under the constants, with the edges that remain.

    An arc goes when one of its ends is constant, when its ``when`` is false, when it has no ``when`` and another arc
    between the same pins has one that is true, or when the output's function no longer depends on its start; else
    the edges that carry arrivals are cut to the senses that the function keeps. Slews come from all edges, as in
    OpenSTA.
    """
    if not (value < UNKNOWN).any():
        return arcs
    place = nodes.place
    keep = (value[place[arcs.source]] == UNKNOWN) & (value[place[arcs.target]] == UNKNOWN)
    mask = arcs.mask.copy()
    touched = np.zeros(circuit.num_cells, np.bool_)
    touched[circuit.pin_cell[np.flatnonzero(value[: circuit.num_pins] < UNKNOWN)]] = True
    decided: set[tuple[int, int]] = set()
    plain: list[int] = []
    for row in np.flatnonzero(keep & touched[cell]).tolist():
        at = int(cell[row])
        kind = int(circuit.cell_type[at])
        cell_type = circuit.types[kind]
        first = int(circuit.pin_start[at])
        known = {p: int(value[first + p]) for p in range(len(cell_type.ports)) if value[first + p] < UNKNOWN}
        arc = int(arcs.library_arc[row])
        when = int(library.arc_when[arc])
        if when >= 0:
            holds = library.conditions[when].value(_of_library(known, cell_type, library, arc))
            keep[row] = holds != 0
            if holds == 1:
                decided.add((int(arcs.source[row]), int(arcs.target[row])))
        else:
            plain.append(row)
        program = programs[kind][int(place[arcs.target[row]]) - first]
        source_port = int(place[arcs.source[row]]) - first
        timing = library.arc_timing[arc]
        if program is None or source_port not in program or timing > LAST_DELAY or timing in EDGES:
            continue
        allowed = sense_mask(*senses_of(program, source_port, known))
        keep[row] &= allowed != 0
        mask[row] &= 0xF0 | allowed
    for row in plain:
        keep[row] &= (int(arcs.source[row]), int(arcs.target[row])) not in decided
    return Arcs(arcs.source, arcs.target, arcs.library_arc, mask).take(keep)


def _of_library(known: dict[int, int], cell_type: CellType, library: Library, arc: int) -> dict[int, int]:
    """Constants by the library's own port numbers."""
    own = library.types[int(library.arc_type[arc])]
    if own is cell_type:
        return known
    names = {port.name: place for place, port in enumerate(own.ports)}
    ports = cell_type.ports
    return {names[ports[place].name]: constant for place, constant in known.items() if ports[place].name in names}
