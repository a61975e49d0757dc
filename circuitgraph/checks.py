"""Named checks over a circuit: what a designer would want to know before trusting an answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.levels import cell_edges, find_loop, loop_text, sort_levels
from circuitgraph.circuit import Circuit, Direction

SHOWN = 3


@dataclass(frozen=True)
class Check:
    """One failed check: its name, how often it fails, and the first examples."""

    name: str
    count: int
    examples: tuple[str, ...]


def check(circuit: Circuit) -> list[Check]:
    """Every check that fails, in a fixed order.

    | name | fails where |
    |---|---|
    | undriven | a net is read and nothing drives it |
    | several drivers | more than one output, input terminal or constant drives a net (tri-states may share one) |
    | unloaded | a net is driven and nothing reads it |
    | unconnected input | an input pin is on no net |
    | unknown cell type | a cell's type is opaque |
    | unknown direction | a pin's direction is not known |
    | combinational loop | combinational cells feed back into themselves |
    """
    found = [
        _undriven(circuit),
        _several_drivers(circuit),
        _unloaded(circuit),
        _unconnected_inputs(circuit),
        _unknown_types(circuit),
        _unknown_directions(circuit),
        _loops(circuit),
    ]
    return [entry for entry in found if entry.count]


def _of_nets(circuit: Circuit, name: str, rows: npt.NDArray[np.intp]) -> Check:
    return Check(name, len(rows), tuple(circuit.net_names.text(int(row)) for row in rows[:SHOWN]))


def _has_unknown_or_inout(circuit: Circuit) -> npt.NDArray[np.bool_]:
    """Nets with a pin or terminal that may drive or read, nobody knows."""
    either = np.zeros(circuit.num_nets, np.bool_)
    direction = circuit.pin_direction
    pins = ((direction == Direction.INOUT) | (direction == Direction.UNKNOWN)) & (circuit.pin_net >= 0)
    either[circuit.pin_net[pins]] = True
    either[circuit.port_net[(circuit.port_direction == Direction.INOUT) & (circuit.port_net >= 0)]] = True
    return either


def _undriven(circuit: Circuit) -> Check:
    rows = (circuit.net_driver_count == 0) & (circuit.net_load_count > 0) & ~_has_unknown_or_inout(circuit)
    rows &= circuit.net_role < 2
    return _of_nets(circuit, "undriven", np.flatnonzero(rows))


def _several_drivers(circuit: Circuit) -> Check:
    tristate = np.array([t.kind == "tristate" for t in circuit.types], np.bool_)
    count = circuit.net_driver_count
    rows = np.flatnonzero(count > 1)
    if len(rows) and tristate.any():
        shared = tristate[circuit.cell_type][circuit.pin_cell] & (circuit.pin_direction == Direction.OUTPUT)
        by_tristates = np.bincount(circuit.pin_net[shared & (circuit.pin_net >= 0)], minlength=circuit.num_nets)
        rows = rows[by_tristates[rows] < count[rows]]
    return _of_nets(circuit, "several drivers", rows)


def _unloaded(circuit: Circuit) -> Check:
    rows = (circuit.net_driver_count > 0) & (circuit.net_load_count == 0) & (circuit.net_constant < 0)
    return _of_nets(circuit, "unloaded", np.flatnonzero(rows & ~_has_unknown_or_inout(circuit)))


def _unconnected_inputs(circuit: Circuit) -> Check:
    pins = np.flatnonzero((circuit.pin_net < 0) & (circuit.pin_direction == Direction.INPUT))
    return Check("unconnected input", len(pins), tuple(circuit.pin_text(int(pin)) for pin in pins[:SHOWN]))


def _unknown_types(circuit: Circuit) -> Check:
    opaque = np.array([t.is_opaque and t.kind != "physical" for t in circuit.types], np.bool_)
    cells = np.flatnonzero(opaque[circuit.cell_type]) if circuit.num_cells else np.zeros(0, np.intp)
    used = np.unique(circuit.cell_type[cells])
    return Check("unknown cell type", len(cells), tuple(circuit.types[row].name for row in used[:SHOWN]))


def _unknown_directions(circuit: Circuit) -> Check:
    pins = np.flatnonzero((circuit.pin_direction == Direction.UNKNOWN) & (circuit.pin_net >= 0))
    return Check("unknown direction", len(pins), tuple(circuit.pin_text(int(pin)) for pin in pins[:SHOWN]))


def _loops(circuit: Circuit) -> Check:
    """The number of cells on loops or between them; the example is one loop in full."""
    source, target = cell_edges(circuit)
    _, waiting = sort_levels(source, target, circuit.num_cells)
    if not waiting.any():
        return Check("combinational loop", 0, ())
    _, back = sort_levels(target, source, circuit.num_cells)
    cells = np.flatnonzero((waiting > 0) & (back > 0))
    loop: Sequence[int] = find_loop(source, target, waiting)
    return Check("combinational loop", len(cells), (loop_text([circuit.cell_names.text(cell) for cell in loop]),))
