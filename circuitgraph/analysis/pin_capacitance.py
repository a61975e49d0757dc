"""Input capacitance of every pin, by edge."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.sta_graph import port_map
from circuitgraph.analysis.sta_prepare import Prepared


def pin_capacitance(prepared: Prepared) -> npt.NDArray[np.float64]:
    """F of each pin and terminal, float64 [P + T, 2], rise and fall of the late corner; terminals are 0."""
    circuit, library, rows = prepared.circuit, prepared.library, prepared.rows
    maps, start = port_map(circuit, library, rows)
    type_start = np.zeros(len(circuit.types) + 1, np.int64)
    np.cumsum([len(t.ports) for t in circuit.types], out=type_start[1:])
    by_port = np.zeros((int(type_start[-1]), 2))
    for kind, row in enumerate(rows.tolist()):
        if row >= 0:
            places = maps[start[kind] : start[kind + 1]]
            own = library.port_capacitance[library.port_start[row] : library.port_start[row + 1], :2]
            by_port[type_start[kind] + places[places >= 0]] = own[places >= 0]
    found = np.zeros((circuit.num_pins + circuit.num_ports, 2))
    if circuit.num_pins:
        found[: circuit.num_pins] = by_port[type_start[circuit.cell_type[circuit.pin_cell]] + circuit.pin_port]
    return found
