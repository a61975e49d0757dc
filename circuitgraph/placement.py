"""Placement: places the cells of a mapped circuit with coloquinte.

coloquinte counts in integers and prints from C++, so it runs in a process of its own. One unit is one site in both
directions (with any finer unit its legaliser leaves the grid), and a row's height must be a whole number of sites.
Pin offsets are rounded to sites inside the placer only; the layout that comes back holds exact positions.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit, Role
from circuitgraph.errors import CircuitError
from circuitgraph.layout import ORIENTATIONS, Layout, Row, Technology, pin_offsets, place_pins
from circuitgraph.worker import last_words, run_worker

Longs = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

UTILISATION = 0.6
WORKER = """
import numpy as np
from coloquinte import coloquinte_pybind as c
job = {name: value.tolist() for name, value in np.load("job.npz").items()}
cells = len(job["width"])
circuit = c.Circuit(cells)
circuit.cell_width, circuit.cell_height = job["width"], job["height"]
circuit.cell_x, circuit.cell_y = job["x"], job["y"]
circuit.cell_is_fixed = job["fixed"]
circuit.cell_is_obstruction = [False] * cells
circuit.cell_row_polarity = [c.CellRowPolarity.SAME] * cells
start = job["net_start"]
for first, last in zip(start[:-1], start[1:]):
    circuit.add_net(job["net_cell"][first:last], job["net_x"][first:last], job["net_y"][first:last])
circuit.setup_rows(c.Rectangle(*job["area"]), job["row"], True, True)
circuit.check()
parameters = c.ColoquinteParameters(job["effort"], job["seed"])
circuit.place_global(parameters, None)
circuit.legalize(parameters, None)
circuit.place_detailed(parameters, None)
names = [str(value).rsplit(".", 1)[-1] for value in circuit.cell_orientation]
np.savez("done.npz", x=circuit.cell_x, y=circuit.cell_y, orientation=names)
"""


def place(
    circuit: Circuit,
    technology: Technology,
    *,
    utilisation: float = UTILISATION,
    seed: int = 1,
    effort: int = 3,
    time_limit: float = 600.0,
) -> Layout:
    """A legal placement on a square die; the same input and seed give the same places.

    Ports stand on the border in their order, counter-clockwise from the lower left corner. Clock nets do not pull.

    Args:
        circuit: a mapped netlist.
        technology: holds the shape of each of its cell types.
        utilisation: cell area over die area, 0.3 to 0.9.
        seed: another seed gives another placement, about 1 % different in wire length.
        effort: 1 to 9.
        time_limit: s.

    Raises:
        CircuitError: the circuit has no cells, a type has no shape, coloquinte is missing, fails or takes too long.
    """
    if not circuit.num_cells:
        raise CircuitError(circuit.name or "circuit", "placement", "needs at least one cell", "map the netlist first")
    if not 0.3 <= utilisation <= 0.9:
        raise CircuitError("placement", f"utilisation {utilisation:g}", "must be 0.3 to 0.9", "take 0.6")
    offset_x, offset_y, width, height = pin_offsets(circuit, technology)
    site, row = technology.site_width, technology.row_height
    sites = np.rint(width / site).astype(np.int64)
    row_units = round(row / site)
    rows = max(2, math.ceil(math.sqrt(int(sites.sum()) / utilisation * site / row)))
    columns = max(math.ceil(int(sites.sum()) / (utilisation * rows)), int(sites.max()) + 1)
    port_x, port_y = spread_ports(circuit.num_ports, columns, rows * row_units)
    job = {
        "width": np.concatenate([sites, np.zeros(circuit.num_ports, np.int64)]),
        "height": np.concatenate([np.rint(height / site).astype(np.int64), np.zeros(circuit.num_ports, np.int64)]),
        "x": np.concatenate([np.full(circuit.num_cells, columns // 2), port_x]),
        "y": np.concatenate([np.full(circuit.num_cells, rows // 2 * row_units), port_y]),
        "fixed": np.arange(circuit.num_cells + circuit.num_ports) >= circuit.num_cells,
        "area": np.array([0, columns, 0, rows * row_units]),
        "row": np.array(row_units),
        "effort": np.array(effort),
        "seed": np.array(seed),
        **_nets(circuit, np.rint(offset_x / site).astype(np.int64), np.rint(offset_y / site).astype(np.int64)),
    }
    x, y, names = _run(job, circuit.name, time_limit)
    cells = circuit.num_cells
    orientation = np.array([ORIENTATIONS.index(name) for name in names[:cells]], np.int8)
    cell_x = np.asarray(x[:cells] * site, np.float64)
    cell_y = np.asarray(y[:cells] * site, np.float64)
    pin_x, pin_y = place_pins(circuit, technology, cell_x, cell_y, orientation)
    lines = tuple(Row(0.0, number * row, columns, "N" if number % 2 == 0 else "FS") for number in range(rows))
    die = (0.0, 0.0, columns * site, rows * row)
    at_x, at_y = np.asarray(port_x * site, np.float64), np.asarray(port_y * site, np.float64)
    return Layout(die, lines, cell_x, cell_y, orientation, width, pin_x, pin_y, at_x, at_y)


def spread_ports(count: int, width: int, height: int) -> tuple[Longs, Longs]:
    """Places of *count* ports on the border of a die, in order, counter-clockwise; two int64 [count].

    >>> spread_ports(4, 10, 10)
    (array([ 5, 10,  5,  0]), array([ 0,  5, 10,  5]))
    """
    along = ((np.arange(count) + 0.5) * 2 * (width + height) / max(count, 1)).astype(np.int64)
    side = np.searchsorted(np.cumsum([width, height, width]), along, side="right")
    x = np.choose(side, [along, width, 2 * width + height - along, 0])
    y = np.choose(side, [0, along - width, height, 2 * (width + height) - along])
    return x, y


def _nets(circuit: Circuit, offset_x: Longs, offset_y: Longs) -> dict[str, Longs]:
    """Nets with at least two ends and no clock pin, as arrays for the worker."""
    roles = [[port.role == Role.CLOCK for port in kind.ports] for kind in circuit.types]
    is_clock = circuit.pin_values(roles, np.bool_).astype(np.bool_)
    connected = np.flatnonzero(circuit.pin_net >= 0)
    ports = np.flatnonzero(circuit.port_net >= 0)
    net = np.concatenate([circuit.pin_net[connected], circuit.port_net[ports]]).astype(np.int64)
    cell = np.concatenate([circuit.pin_cell[connected], circuit.num_cells + ports]).astype(np.int64)
    x = np.concatenate([offset_x[connected], np.zeros(len(ports), np.int64)])
    y = np.concatenate([offset_y[connected], np.zeros(len(ports), np.int64)])
    ends = np.bincount(net, minlength=circuit.num_nets)
    clock = np.zeros(circuit.num_nets, bool)
    clock[circuit.pin_net[is_clock & (circuit.pin_net >= 0)]] = True
    wanted = (ends >= 2) & ~clock
    order = np.argsort(net, kind="stable")
    order = order[wanted[net[order]]]
    start = np.concatenate([[0], np.cumsum(ends[wanted])])
    return {"net_start": start, "net_cell": cell[order], "net_x": x[order], "net_y": y[order]}


def _run(job: dict[str, npt.NDArray[np.generic]], name: str, time_limit: float) -> tuple[Longs, Longs, list[str]]:
    """Run the worker in a private folder."""
    with tempfile.TemporaryDirectory(prefix="cg-placement-") as folder:
        np.savez(Path(folder) / "job.npz", allow_pickle=False, **job)
        log = run_worker(WORKER, Path(folder), time_limit, name, "placement")
        if log is not None:
            if "No module named 'coloquinte'" in log:
                raise CircuitError(name, "placement", "needs the package coloquinte", "pip install coloquinte")
            raise CircuitError(name, "placement", f"coloquinte stopped: {last_words(log)}", "lower the utilisation")
        with np.load(Path(folder) / "done.npz") as found:
            return found["x"].astype(np.int64), found["y"].astype(np.int64), found["orientation"].tolist()


def problems(circuit: Circuit, layout: Layout, technology: Technology) -> list[str]:
    """What makes a placement illegal: cells off the sites, outside the rows, turned wrongly, or overlapping.

    Returns:
        One line a kind of fault, with the number of cells; empty when the placement is legal.
    """
    site, row = technology.site_width, technology.row_height
    line = np.rint((layout.cell_y - layout.rows[0].y) / row).astype(np.int64)
    column = np.rint((layout.cell_x - layout.rows[0].x) / site).astype(np.int64)
    sites = np.rint(layout.cell_width / site).astype(np.int64)
    off = (np.abs(layout.cell_x - column * site) > 1e-10) | (np.abs(layout.cell_y - line * row) > 1e-10)
    inside = (line >= 0) & (line < len(layout.rows))
    rows = layout.rows
    last = np.array([r.sites for r in rows])[np.clip(line, 0, len(rows) - 1)]
    inside &= (column >= 0) & (column + sites <= last)
    flipped = np.array([r.orientation in {"FS", "S"} for r in rows])[np.clip(line, 0, len(rows) - 1)]
    turned = ((layout.cell_orientation == 3) | (layout.cell_orientation == 1)) != flipped
    order = np.lexsort((column, line))
    same = line[order][1:] == line[order][:-1]
    overlap = same & (column[order][1:] < (column + sites)[order][:-1])
    found = [
        (int(off.sum()), "cells are off the sites"),
        (int((~inside).sum()), "cells are outside the rows"),
        (int(turned.sum()), "cells are turned against their row"),
        (int(overlap.sum()), "cells overlap their left neighbour"),
    ]
    return [f"{count:,} {what}" for count, what in found if count]
