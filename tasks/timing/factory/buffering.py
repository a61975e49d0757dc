"""Buffer trees on nets of many sinks: placed once, split in clusters of neighbours, placed again and legal.

ABC splits the nets between combinational cells; what reaches flip-flops (resets, enables) is split here. Clock nets stay
whole: clocks are ideal. A driver of constants needs no buffer and keeps its net.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from circuitgraph.circuit import CellType, Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.layout import Layout, Technology
from circuitgraph.placement import problems
from circuitgraph.synthesis import buffer_nets
from tasks.timing.factory.placing import place_in_rows


@dataclass(frozen=True)
class Placed:
    """A legal placement of a buffered circuit; how many buffers were added."""

    circuit: Circuit
    layout: Layout
    buffers: int


def buffered(circuit: Circuit, layout: Layout, buffer: CellType, limit: int) -> Circuit:
    """The circuit with buffer trees on every net of more than *limit* sinks, clocks and tied nets aside.

    Args:
        circuit: a mapped netlist.
        layout: a first placement of it.
        buffer: one input, one output.
        limit: most sinks of a net.
    """
    tied = tied_nets(circuit)
    constant = np.where(tied, 0, circuit.net_constant).astype(np.int8)
    made = buffer_nets(replace(circuit, net_constant=constant), layout, buffer, limit)
    if made.num_cells == circuit.num_cells:
        return circuit
    back = np.concatenate([circuit.net_constant, made.net_constant[circuit.num_nets :]])
    return replace(made, net_constant=back)


def tied_nets(circuit: Circuit) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Nets that a cell without inputs drives, bool [N]."""
    driver = circuit.net_driver
    found = np.zeros(circuit.num_nets, np.bool_)
    rows = np.flatnonzero((driver >= 0) & (driver < circuit.num_pins))
    without = np.array([not kind.inputs for kind in circuit.types], np.bool_)
    found[rows] = without[circuit.cell_type[circuit.pin_cell[driver[rows]]]]
    return found


def place_buffered(
    circuit: Circuit,
    technology: Technology,
    buffer: CellType,
    *,
    limit: int,
    utilisation: float,
    seed: int,
    time_limit: float,
) -> Placed:
    """Place, buffer by clusters of that placement, place again.

    Args:
        circuit: a mapped netlist.
        technology: shapes of its cells.
        buffer: type of the buffers.
        limit: most sinks of a net.
        utilisation: share of the die that cells fill.
        seed: of the placer.
        time_limit: s, of each placement.

    Raises:
        CircuitError: as :func:`circuitgraph.placement.place`, or the placement is not legal.
    """
    layout = place_in_rows(circuit, technology, utilisation=utilisation, seed=seed, time_limit=time_limit)
    made = buffered(circuit, layout, buffer, limit)
    buffers = made.num_cells - circuit.num_cells
    if buffers:
        layout = place_in_rows(made, technology, utilisation=utilisation, seed=seed, time_limit=time_limit)
    faults = problems(made, layout, technology)
    if faults:
        raise CircuitError(made.name, "placement", "; ".join(faults), "lower --utilisation")
    return Placed(made, layout, buffers)
