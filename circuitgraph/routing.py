"""Routing: a pattern-routed estimate of the wires of a placed circuit; it is not post-route.

Every net becomes a rectilinear minimum spanning tree from its driver. Nets enter by ascending number of pins. Each
tree edge takes the cheapest of two L shapes on two pairs of layers: a longer edge starts on a higher pair, a crowded
place costs more. Resistance follows from the layer and the vias; capacitance also from how crowded the final grid is,
as a share of coupling that is counted to ground.

Source: R. C. Prim, Shortest connection networks and some generalizations (1957), for the tree.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError
from circuitgraph.layout import Layout, Technology
from circuitgraph.parasitics import Parasitics
from circuitgraph.trees import net_ends, spanning_trees

Longs = npt.NDArray[np.int64]
Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

WHAT = "pattern-routed estimate, not post-route"
GRID = 10e-6  # m, side of a cell of the usage grid
PAIR_LENGTHS = (18e-6, 70e-6)  # m, edges up to these lengths start on the first and the second pair of layers
CROWDING = 1.5  # cost of a wire through a full cell is 1 + CROWDING
PROMOTION = 8e-6  # m, cost of going to the next pair
COUPLING = (0.70, 0.75)  # capacitance factor of a lonely wire, and what a full neighbourhood adds
VIA_CAPACITANCE = 0.06e-15  # F, at each end of an edge
OHM_STEPS, FARAD_STEPS = 1e2, 1e20  # values are rounded to 1/OHM_STEPS ohm and 1/FARAD_STEPS F, so that files are short
USABLE = 0.8  # share of the tracks that wires may take


@dataclass(frozen=True)
class Wires:
    """RC trees of all nets of a circuit; M nodes.

    The nodes of net n are the rows ``start[n]:start[n + 1]``, the driver first, each parent before its children;
    nets without a driver and a sink have none. Nodes without a pin are corners.

    Attributes:
        start: int64 [N + 1].
        pin: int32 [M], row of the pin, P + t for terminal t of the circuit, -1 for a corner.
        parent: int32 [M], row of the node towards the driver, -1 at the driver.
        resistance: float64 [M], ohm to the parent, 0 at the driver.
        capacitance: float64 [M], F to ground.
        x, y: float64 [M], m.
        length: float64 [N], m of wire of each net.
        usage: float64 [pairs, 2, gy, gx], share of the tracks taken, horizontal and vertical.
    """

    start: Longs
    pin: Ints
    parent: Ints
    resistance: Floats
    capacitance: Floats
    x: Floats
    y: Floats
    length: Floats
    usage: Floats


@lru_cache(maxsize=1)
def _compiled_shapes() -> Callable[..., Any]:
    from circuitgraph.kernels import compiled

    arrays = "int64[::1], int64[::1], int64[::1], int64[::1], float64[:, :, :, ::1], float64[:, ::1], int64[::1]"
    return compiled(f"Tuple((int64[::1], int64[::1]))({arrays}, int64, float64, float64)")(_kernel_shapes)


def _kernel_shapes(
    edges: Any, parent: Any, x: Any, y: Any, usage: Any, capacity: Any, limits: Any, grid: Any, crowding: Any, step: Any
) -> Any:
    """Choose L shape and layer pair of every edge, one after the other; each fills the grid for those behind it.

    Args:
        edges: int64 [edges], point at the far end of each, in routing order.
        parent: int64 [E], point at the near end.
        x: int64 [E], nm.
        y: int64 [E], nm.
        usage: float64 [pairs, 2, gy, gx], nm of wire, filled here; axis 1 is horizontal, vertical.
        capacity: float64 [pairs, 2], nm of wire that fits a cell.
        limits: int64 [pairs - 1], nm, longest edge that starts on each pair.
        grid: nm.
        crowding: cost of a full cell beyond its length.
        step: nm, cost of going one pair up.

    Returns:
        Pair of each point's edge, and 1 where it leaves the parent horizontally; int64 [E].
    """
    pair, bend = np.zeros(len(x), np.int64), np.zeros(len(x), np.int64)
    pairs, rows, columns = usage.shape[0], usage.shape[2], usage.shape[3]
    for number in range(len(edges)):
        child = edges[number]
        source = parent[child]
        length = abs(x[child] - x[source]) + abs(y[child] - y[source])
        base = 0
        while base < pairs - 1 and length > limits[base]:
            base += 1
        best = np.inf
        ways = 2 * min(2, pairs - base)
        for way in range(ways + 1):  # the last round adds the way chosen
            adding = way == ways
            level = pair[child] if adding else base + way // 2
            shape = bend[child] if adding else way % 2
            cost = float(length) + (step if level > base else 0.0)
            for leg in range(2):
                flat = leg == 0
                if flat:
                    fixed, low, high = (y[source] if shape == 1 else y[child]), x[source], x[child]
                else:
                    fixed, low, high = (x[child] if shape == 1 else x[source]), y[source], y[child]
                if high < low:
                    low, high = high, low
                across = min(fixed // grid, (rows if flat else columns) - 1)
                end = (columns if flat else rows) - 1
                first, last = min(low // grid, end), min(high // grid, end)
                for cell in range(first, last + 1):
                    part = (high if cell == last else (cell + 1) * grid) - (low if cell == first else cell * grid)
                    row, column = (across, cell) if flat else (cell, across)
                    if adding:
                        usage[level, leg, row, column] += part
                    else:
                        cost += crowding * part * usage[level, leg, row, column] / capacity[level, leg]
            if not adding and cost < best:
                best = cost
                pair[child] = level
                bend[child] = shape
    return pair, bend


def route(circuit: Circuit, layout: Layout, technology: Technology, grid: float = GRID) -> Wires:
    """RC trees of all nets that have a driver and a sink: a pattern-routed estimate, not post-route.

    Args:
        circuit: a mapped netlist.
        layout: its placement.
        technology: layers and vias.
        grid: m, side of a cell of the usage grid.

    Raises:
        CircuitError: the technology has fewer than three layers.
    """
    pairs = _pairs(technology)
    ends, start, x, y, _ = net_ends(circuit, layout)
    side = round(grid * 1e9)
    cells = [max(1, -(-round(length * 1e9) // side)) for length in (layout.die[3], layout.die[2])]
    usage = np.zeros((len(pairs), 2, *cells))
    pitches = np.array([[technology.layers[layer].pitch for layer in pair] for pair in pairs])
    capacity = USABLE * side * side / (pitches * 1e9)
    limits = np.array([round(length * 1e9) for length in PAIR_LENGTHS[: len(pairs) - 1]], np.int64)
    rank, parent = spanning_trees(start, x, y)
    pins = np.repeat(np.diff(start), np.diff(start))
    net = np.repeat(np.arange(circuit.num_nets), np.diff(start))
    order = np.lexsort((rank, net, pins))
    edges = order[parent[order] >= 0]
    pair, bend = _compiled_shapes()(edges, parent, x, y, usage, capacity, limits, side, CROWDING, PROMOTION * 1e9)
    chosen = (rank, parent, pair, bend)
    share = usage / capacity[:, :, None, None]
    return _trees(circuit, technology, ends, start, x, y, chosen, share, side)


def parasitics(circuit: Circuit, wires: Wires) -> Parasitics:
    """The wires as parasitics of the circuit's nets: what SPEF is written from."""
    found = Parasitics.from_trees(
        circuit, wires.start, wires.pin, wires.parent, wires.resistance, wires.capacitance, circuit.name
    )
    return replace(found, net_capacitance=np.round(found.net_capacitance * FARAD_STEPS) / FARAD_STEPS)


def _pairs(technology: Technology) -> list[tuple[int, int]]:
    """Pairs of (horizontal, vertical) layers above the first metal, which belongs to the cells."""
    found = []
    for low in range(1, len(technology.layers) - 1, 2):
        one, two = technology.layers[low], technology.layers[low + 1]
        found.append((low, low + 1) if one.direction == "horizontal" else (low + 1, low))
        if one.direction == two.direction:
            found.pop()
    if not found:
        raise CircuitError(technology.name, "layers", "hold no pair above the first", "give three or more layers")
    return found[: len(PAIR_LENGTHS) + 1]


def _trees(
    circuit: Circuit,
    technology: Technology,
    ends: Ints,
    start: Longs,
    x: Longs,
    y: Longs,
    chosen: tuple[Longs, Longs, Longs, Longs],
    share: Floats,
    side: int,
) -> Wires:
    """Nodes, resistances and capacitances of the chosen shapes."""
    rank, parent, pair, bend = chosen
    layers = np.array(_pairs(technology))
    resistance = np.array([layer.resistance for layer in technology.layers]) * 1e-9
    capacitance = np.array([layer.capacitance for layer in technology.layers]) * 1e-9
    climb = np.concatenate([[0.0], np.cumsum(technology.vias)])  # ohm from the first metal up to each layer
    net = np.repeat(np.arange(circuit.num_nets), np.diff(start))
    edge = np.flatnonzero(parent >= 0)
    child, source = edge, parent[edge]
    horizontal, vertical = layers[pair[edge], 0], layers[pair[edge], 1]
    dx, dy = np.abs(x[child] - x[source]), np.abs(y[child] - y[source])
    bent = (dx > 0) & (dy > 0)
    # first and second leg of the edge, as seen from the parent; a straight edge has one leg, the second
    leaves_flat = bend[edge] == 1
    first = np.where(leaves_flat, horizontal, vertical)
    second = np.where(bent, np.where(leaves_flat, vertical, horizontal), np.where(dx > 0, horizontal, vertical))
    first_length = np.where(bent, np.where(leaves_flat, dx, dy), 0)
    second_length = dx + dy - first_length
    corner_x = np.where(leaves_flat, x[child], x[source])
    corner_y = np.where(leaves_flat, y[source], y[child])
    middle_x = np.where(bent, (corner_x + x[child]) // 2, (x[source] + x[child]) // 2)
    middle_y = np.where(bent, (corner_y + y[child]) // 2, (y[source] + y[child]) // 2)
    first_crowd = _crowd(
        share, pair[edge], first == horizontal, (x[source] + corner_x) // 2, (y[source] + corner_y) // 2, side
    )
    second_crowd = _crowd(share, pair[edge], second == horizontal, middle_x, middle_y, side)
    first_c = first_length * capacitance[first] * (COUPLING[0] + COUPLING[1] * first_crowd)
    second_c = second_length * capacitance[second] * (COUPLING[0] + COUPLING[1] * second_crowd)
    first_r = np.where(bent, first_length * resistance[first] + climb[first], 0.0)
    lower = np.where(bent, np.abs(climb[second] - climb[first]), climb[second])
    second_r = second_length * resistance[second] + lower + climb[second]
    # rows: within a net by joining rank, a corner just before its child
    keys = np.concatenate([2 * rank + 1, 2 * rank[edge][bent]])
    nets = np.concatenate([net, net[edge][bent]])
    row_of = np.empty(len(keys), np.int64)
    order = np.lexsort((keys, nets))
    row_of[order] = np.arange(len(order))
    point_row, corner_row = row_of[: len(ends)], row_of[len(ends) :]
    nodes = len(keys)
    pin = np.full(nodes, -1, np.int32)
    pin[point_row] = ends
    up = np.full(nodes, -1, np.int32)
    ohm, farad = np.zeros(nodes), np.zeros(nodes)
    before = point_row[source].copy()
    before[bent] = corner_row
    up[point_row[child]] = before
    up[corner_row] = point_row[source][bent]
    ohm[point_row[child]] = second_r
    ohm[corner_row] = first_r[bent]
    for rows, value in (
        (point_row[child], second_c / 2 + VIA_CAPACITANCE),
        (before, second_c / 2),
        (point_row[source], first_c / 2 + VIA_CAPACITANCE),
        (corner_row, (first_c / 2)[bent]),
    ):
        np.add.at(farad, rows, value)
    at_x, at_y = np.empty(nodes), np.empty(nodes)
    at_x[point_row], at_y[point_row] = x * 1e-9, y * 1e-9
    at_x[corner_row], at_y[corner_row] = corner_x[bent] * 1e-9, corner_y[bent] * 1e-9
    ohm, farad = np.round(ohm * OHM_STEPS) / OHM_STEPS, np.round(farad * FARAD_STEPS) / FARAD_STEPS
    starts = np.concatenate([[0], np.cumsum(np.bincount(nets, minlength=circuit.num_nets))])
    length = np.bincount(net[edge], weights=(dx + dy) * 1e-9, minlength=circuit.num_nets).astype(np.float64)
    return Wires(starts, pin, up, ohm, farad, at_x, at_y, length, share)


def _crowd(share: Floats, pair: Longs, is_horizontal: npt.NDArray[np.bool_], x: Longs, y: Longs, side: int) -> Floats:
    """Share of the tracks taken around a place, at most 1."""
    row = np.minimum(y // side, share.shape[2] - 1)
    column = np.minimum(x // side, share.shape[3] - 1)
    found: Floats = np.minimum(share[pair, np.where(is_horizontal, 0, 1), row, column], 1.0)
    return found
