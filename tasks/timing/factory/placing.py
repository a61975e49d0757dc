"""Placement in libraries whose rows are no whole number of sites high.

The placer counts in sites in both directions. A row of 2.72 um with sites of 0.46 um is placed as if it were six sites
(2.76 um) high, and the places found are moved to the rows that there are: at most 6 % of distortion of the vertical
part of wires while the placer works, none in the result.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from circuitgraph.circuit import Circuit
from circuitgraph.layout import CellShape, Layout, Row, Technology, place_pins
from circuitgraph.placement import place


def place_in_rows(
    circuit: Circuit, technology: Technology, *, utilisation: float, seed: int, time_limit: float
) -> Layout:
    """A placement as :func:`circuitgraph.placement.place` makes it, for rows of any height.

    Args:
        circuit: a mapped netlist.
        technology: shapes of its cells, each one row high.
        utilisation: cell area over die area.
        seed: of the placer.
        time_limit: s.

    Raises:
        CircuitError: as :func:`circuitgraph.placement.place`.
    """
    row = technology.row_height
    grid = round(row / technology.site_width) * technology.site_width
    if abs(grid - row) < 1e-6 * row:
        return place(circuit, technology, utilisation=utilisation, seed=seed, time_limit=time_limit)
    stretched = stretched_technology(technology, grid / row)
    found = place(circuit, stretched, utilisation=utilisation, seed=seed, time_limit=time_limit)
    rows = tuple(Row(one.x, number * row, one.sites, one.orientation) for number, one in enumerate(found.rows))
    cell_y = np.rint(found.cell_y / grid) * row
    pin_x, pin_y = place_pins(circuit, technology, found.cell_x, cell_y, found.cell_orientation)
    die = (found.die[0], 0.0, found.die[2], len(rows) * row)
    port_y = found.port_y * (row / grid)
    return replace(found, die=die, rows=rows, cell_y=cell_y, pin_x=pin_x, pin_y=pin_y, port_y=port_y)


def stretched_technology(technology: Technology, factor: float) -> Technology:
    """A technology with everything upright multiplied by a factor."""
    shapes = {
        name: CellShape(
            shape.width,
            shape.height * factor,
            {pin: (x, y * factor) for pin, (x, y) in shape.pins.items()},
            shape.kind,
        )
        for name, shape in technology.shapes.items()
    }
    return replace(technology, row_height=technology.row_height * factor, shapes=shapes)
