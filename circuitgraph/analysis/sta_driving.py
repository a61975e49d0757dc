"""Driving cells of input ports: the slew that a cell gives the port's net, and the delay that the load adds to it."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_graph import edge_masks, is_walked
from circuitgraph.analysis.sta_prepare import Prepared
from circuitgraph.constraints import DrivingCell
from circuitgraph.errors import CircuitError, nearest

FloatArray = npt.NDArray[np.float64]


def driven_port(prepared: Prepared, port: int, load: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Slew [4] and added arrival [4] of a terminal with driving cells, s; NaN slews and 0 where none drives.

    Added is the delay with the net's load less the delay without any, derated as that of a net.

    Raises:
        CircuitError: the cell or its pins are not in the library.
    """
    slew, added = np.full(4, np.nan), np.zeros(4)
    net = int(prepared.circuit.port_net[port])
    for cell in prepared.constraints.driving_cells[port]:
        arcs = _arcs(prepared, cell)
        for column in np.flatnonzero(cell.columns).tolist():
            found = _drive(prepared, cell, arcs, int(column), float(load[net, column]))
            if found is not None:
                slew[column], added[column] = found
    return slew, added * prepared.constraints.derate[[1, 1, 3, 3]]


def _arcs(prepared: Prepared, cell: DrivingCell) -> list[int]:
    """Arcs of the library that drive: into the pin named, from the pin named or the first one."""
    library = prepared.library
    row = library.index.get(cell.cell_type, -1)
    place = prepared.constraints.place or "constraints"
    if row < 0:
        raise CircuitError(
            place,
            f"driving cell {cell.cell_type!r}",
            "is in no library read",
            nearest(cell.cell_type, library.index, "add --liberty"),
        )
    own = library.types[row]
    outputs = [own.port_index(cell.port)] if cell.port else list(own.outputs[:1])
    if not outputs or outputs[0] < 0 or (cell.from_port and own.port_index(cell.from_port) < 0):
        names = ", ".join(port.name for port in own.ports)
        raise CircuitError(place, f"driving cell {cell.cell_type!r}", "has no such pin", f"its pins are {names}")
    walked = is_walked(library)
    arcs = [
        arc
        for arc in range(int(library.arc_start[row]), int(library.arc_start[row + 1]))
        if walked[arc] and library.arc_to[arc] == outputs[0]
    ]
    start = own.port_index(cell.from_port) if cell.from_port else (int(library.arc_from[arcs[0]]) if arcs else -1)
    return [arc for arc in arcs if library.arc_from[arc] == start]


def _drive(
    prepared: Prepared, cell: DrivingCell, arcs: list[int], column: int, load: float
) -> tuple[float, float] | None:
    """Slew and added delay for one column: of the arcs' edges the largest, for early times too, as in OpenSTA."""
    library = prepared.library
    masks = edge_masks(library)
    end = column & 1
    best: tuple[float, float] | None = None
    for arc in arcs:
        for begin in (0, 1):
            if not masks[arc] >> (2 * begin + end) & 1:
                continue
            x = cell.transition[begin]
            delay, slew = int(library.arc_table[arc, end]), int(library.arc_table[arc, 2 + end])
            added = library.tables.lookup(delay, x, load) - library.tables.lookup(delay, x, 0.0)
            value = max(library.tables.lookup(slew, x, load), 0.0) if slew >= 0 else 0.0
            best = (value, added) if best is None else (max(best[0], value), max(best[1], added))
    return best
