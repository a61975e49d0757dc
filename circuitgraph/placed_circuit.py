"""The circuit that a DEF file holds: its components, connections and pins, with the directions that LEF gives."""

from __future__ import annotations

import numpy as np

from circuitgraph.circuit import CellType, Circuit, Direction, Port
from circuitgraph.errors import CircuitError, Notes, quoted
from circuitgraph.layout import Layout, PinShape, Technology
from circuitgraph.names import NameTable, encode, split_bit
from circuitgraph.parasitics import table_texts

OUTSIDE = {"input": Direction.INPUT, "output": Direction.OUTPUT, "inout": Direction.INOUT}


def circuit_of_layout(layout: Layout, technology: Technology, *, black_box: bool = False) -> Circuit:
    """The netlist of a placement, without functions: what trees and calibration need.

    Cells without a connected pin (fillers, taps) and supply pins are left out.

    Args:
        layout: what :func:`circuitgraph.formats.def_reader.read_def` made.
        technology: its cell types, for the directions of pins.
        black_box: connections of components whose type is in no LEF are left out, and counted.

    Raises:
        CircuitError: the layout has no names, or a component's type is in no LEF and *black_box* is not set.
    """
    design = layout.design
    if design is None:
        raise CircuitError("layout", "names", "are missing", "give one that read_def made")
    missing = [name for name in design.type_names if name not in technology.shapes]
    used = set(np.unique(design.cell_type[design.pin_cell]).tolist())
    lost = [name for name in missing if design.type_names.index(name) in used]
    if lost and not black_box:
        rule = f"have no shape in the LEF files ({quoted(lost)})"
        raise CircuitError(design.place, f"{len(lost)} cell types", rule, "add the LEF that holds them, or --black-box")
    types, slots = [], []
    for row, name in enumerate(design.type_names):
        shape = technology.shapes.get(name)
        signals = shape.ports.items() if shape and row in used else ()
        ports = [port for port, pin in signals if pin.use not in {"power", "ground"}]
        known = tuple(Port(port, _direction(shape.ports[port])) for port in ports) if shape else ()
        types.append(CellType(name, "opaque", known, (None,) * len(known), is_opaque=True))
        slots.append({port: slot for slot, port in enumerate(ports)})
    widths = np.array([len(kind.ports) for kind in types], np.int64)
    kept = np.zeros(len(design.cell_type), np.bool_)
    kept[design.pin_cell] = True
    rows = np.flatnonzero(kept)
    place = np.full(len(kept), -1, np.int64)
    place[rows] = np.arange(len(rows))
    pin_start = np.concatenate([[0], np.cumsum(widths[design.cell_type[rows]])]).astype(np.int64)
    table = np.full((len(types), len(design.pin_names)), -1, np.int64)
    for row, own in enumerate(slots):
        for column, pin in enumerate(design.pin_names):
            table[row, column] = own.get(pin, -1)
    slot = table[design.cell_type[design.pin_cell], design.pin_name]
    notes = Notes()
    if (slot < 0).any():
        notes.add("connection of a supply pin, or of one that no LEF holds", times=int((slot < 0).sum()))
    found = np.flatnonzero(slot >= 0)
    pin_net = np.full(int(pin_start[-1]), -1, np.int32)
    pin_net[pin_start[place[design.pin_cell[found]]] + slot[found]] = design.pin_net[found]
    directions = [int(OUTSIDE.get(word.split(" ")[0], Direction.INOUT)) for word in design.port_direction]
    return Circuit(
        name=design.name,
        types=tuple(types),
        cell_type=design.cell_type[rows],
        pin_start=pin_start,
        pin_net=pin_net,
        port_net=design.port_net,
        port_direction=np.array(directions, np.int8),
        port_names=unprinted(design.port_names),
        net_constant=np.full(len(design.net_names), -1, np.int8),
        cell_names=unprinted(design.cell_names.take(rows)),
        net_names=unprinted(design.net_names),
        notes=notes,
        place=design.place,
        format="def",
    )


def _direction(pin: PinShape) -> Direction:
    return OUTSIDE.get(pin.direction.split(" ")[0], Direction.UNKNOWN)


def unprinted(table: NameTable) -> NameTable:
    """Names from a table whose bases are printed names: bits apart, no backslashes.

    >>> unprinted(NameTable.of([b"a[3]", b"b\\\\[3\\\\]"])).texts()
    ['a[3]', 'b\\\\[3\\\\]']
    """
    pairs = [split_bit(text) for text in table_texts(table)]
    bases = [encode(base.replace("\\[", "[").replace("\\]", "]").replace("\\/", "/")) for base, _ in pairs]
    return NameTable.of(bases, [bit for _, bit in pairs])
