"""Inferred clock-gating checks: where a clock and another signal meet in an AND or OR whose output clocks a register.

The gating signal must be stable while the clock lets it through: of an AND while the clock is high, of an OR while
    it is low.
As in OpenSTA only inputs that stand beside the clock under one operator count (through inversions); multiplexers,
exclusive ors and nested operators are not gates.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_graph import Arcs, Nodes
from circuitgraph.circuit import Circuit
from circuitgraph.function import Program

IntArray = npt.NDArray[np.int32]
ByteArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Gates:
    """Inferred gating checks; G of them.

    | field | type, shape | meaning |
    |---|---|---|
    | node, clock_node | int32 [G] | gating pin and clock pin |
    | active | int8 [G] | edge of the clock pin that opens the gate: 0 rise, 1 fall |
    | clocks_register | bool [G] | the output clocks a register: without, there is an endpoint but no check |
    """

    node: IntArray
    clock_node: IntArray
    active: ByteArray
    clocks_register: BoolArray


def operands(program: Program) -> tuple[str, dict[int, bool]]:
    """Operator of a function and the ports directly under it, each with whether it is inverted.

    >>> operands((0, 1, "not", "and", "not"))
    ('and', {0: False, 1: True})
    >>> operands((0, 1, "and", 2, "or"))
    ('or', {2: False})
    """
    stack: list[tuple[str, dict[int, bool]]] = []
    for step in program:
        if isinstance(step, int):
            stack.append(("", {step: False}))
        elif step in {"0", "1"}:
            stack.append(("constant", {}))
        elif step == "not":
            operator, ports = stack.pop()
            stack.append(
                (operator, {port: not inverted for port, inverted in ports.items()} if not operator else ports)
            )
        else:
            second, first = stack.pop(), stack.pop()
            ports: dict[int, bool] = {}  # type: ignore[no-redef]
            for operator, own in (first, second):
                if operator in {"", step}:
                    ports.update(own)
            stack.append((str(step), ports))
    return stack.pop()


def infer(
    circuit: Circuit,
    programs: list[list[Program | None]],
    arcs: Arcs,
    launches: BoolArray,
    starts: IntArray,
    nodes: Nodes,
    clock_edges: dict[int, int],
    constant: BoolArray,
) -> Gates:
    """The gating checks of a circuit.

    Args:
        circuit: cells and pins.
        programs: written functions by type and port.
        arcs: walked arcs.
        launches: which of them launch.
        starts: clock pins of registers.
        clock_edges: nodes that clocks reach.
        nodes: pins and terminals.
        constant: nodes with a logic constant, bool [V].
    """
    reaching = _before_registers(arcs, launches, starts, clock_edges)
    known = [[operands(p) if p is not None else ("", {}) for p in row] for row in programs]
    rows: list[tuple[int, int, int, bool]] = []
    for clock_node in sorted(clock_edges):
        place = int(nodes.place[clock_node])
        if place >= circuit.num_pins or not nodes.loads[clock_node]:
            continue
        cell = int(circuit.pin_cell[place])
        first = int(circuit.pin_start[cell])
        for output, (operator, ports) in enumerate(known[int(circuit.cell_type[cell])]):
            if operator not in {"and", "or"} or place - first not in ports:
                continue
            active = int((operator == "or") != ports[place - first])
            for port in ports:
                node = int(nodes.load_half[first + port])
                if node != clock_node and node not in clock_edges and nodes.net[node] >= 0 and not constant[node]:
                    rows.append((node, clock_node, active, first + output in reaching))
    table = np.array(rows, np.int64).reshape(-1, 4)
    return Gates(
        table[:, 0].astype(np.int32),
        table[:, 1].astype(np.int32),
        table[:, 2].astype(np.int8),
        table[:, 3].astype(np.bool_),
    )


def _before_registers(arcs: Arcs, launches: BoolArray, starts: IntArray, clock_edges: dict[int, int]) -> set[int]:
    """Nodes of the clock network from which a register's clock pin can be reached."""
    reached = set(starts.tolist()) & set(clock_edges)
    inside = np.isin(arcs.target, np.array(sorted(clock_edges), np.int64)) & ~launches
    fan_in: dict[int, list[int]] = {}
    for source, target in zip(arcs.source[inside].tolist(), arcs.target[inside].tolist(), strict=True):
        fan_in.setdefault(target, []).append(source)
    waiting = list(reached)
    while waiting:
        for source in fan_in.get(waiting.pop(), ()):
            if source not in reached:
                reached.add(source)
                waiting.append(source)
    return reached
