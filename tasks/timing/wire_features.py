"""What placement says of each net and each sink: the features of the learned wire residual; numpy only.

Every feature is dimensionless and knows no library: lengths are counted in row heights, capacitances in those of a row
height of wire, demand in shares of what the layers' tracks can take.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.placement_wires import (
    WireConstants,
    edge_resistance,
    node_capacitance,
    tree_moments,
)
from circuitgraph.circuit import Direction
from circuitgraph.errors import CircuitError
from circuitgraph.layout import Layout, Technology
from circuitgraph.trees import NetTrees
from tasks.timing.inputs import TimingInputs

FloatArray = npt.NDArray[np.float64]
LongArray = npt.NDArray[np.int64]
IntArray = npt.NDArray[np.int64]

GRID_ROWS = 4.0
"""Side of a cell of the demand grids, in row heights."""

NET_FEATURES = (
    *("log pins", "log length", "log half perimeter", "log length over half perimeter", "log width", "log height"),
    *("log longest edge", "vertical share of length", "log longest way to a sink", "is clock", "driver is a port"),
    *("share of ports among sinks", "share of diodes among sinks", "log driver width", "log sink capacitance"),
    *("horizontal demand", "vertical demand", "demand across", "most crowded edge", "pin density", "cell density"),
    *("design: horizontal demand", "design: vertical demand", "design: utilisation", "design: log width"),
    *("design: log height", "design: log mean length"),
)
"""Columns of :attr:`WireFeatures.net`."""

SINK_FEATURES = (
    *("log way", "log distance", "log way over distance", "branches on the way", "log sink capacitance"),
    *("way over length of the net", "log prior delay over the net's mean", "share of delay from pins"),
    *("demand on the way", "is a port"),
)
"""Columns of :attr:`WireFeatures.sink`."""


@dataclass(frozen=True, eq=False)
class WireFeatures:
    """Features of the M nets that have trees, and of their S sinks.

    | field | type, shape | meaning |
    |---|---|---|
    | nets | int64 [M] | rows of the circuit |
    | net | float32 [M, len(NET_FEATURES)] | |
    | capacitance, resistance | float64 [M] | of the wire by the prior, F and ohm |
    | place | int64 [S] | pin of each sink, P + t for terminal t |
    | sink_net | int64 [S] | its row among the M nets |
    | sink | float32 [S, len(SINK_FEATURES)] | |
    | wire_delay, pin_delay | float64 [S] | the prior's Elmore delay by wire and by pin capacitance, s; rise |
    """

    nets: LongArray
    net: npt.NDArray[np.float32]
    capacitance: FloatArray
    resistance: FloatArray
    place: LongArray
    sink_net: LongArray
    sink: npt.NDArray[np.float32]
    wire_delay: FloatArray
    pin_delay: FloatArray


def wire_features(inputs: TimingInputs, trees: NetTrees, constants: WireConstants) -> WireFeatures:
    """Features of a placed design under a prior.

    Args:
        inputs: with placement and technology.
        trees: of its nets.
        constants: of the prior.

    Raises:
        CircuitError: the placement has no die area.
    """
    assert inputs.layout is not None
    assert inputs.technology is not None
    layout, technology = inputs.layout, inputs.technology
    if not (layout.die[2] > layout.die[0] and layout.die[3] > layout.die[1]):
        raise CircuitError(inputs.name, "placement", "has no die area", "give a DEF with DIEAREA")
    nets = np.flatnonzero(np.diff(trees.start) > 0)
    row = np.full(inputs.circuit.num_nets, -1, np.int64)
    row[nets] = np.arange(len(nets))
    farads, ohms = node_capacitance(trees, constants), edge_resistance(trees, constants)
    demand = Demand.of(trees, layout, technology)
    net = _net_features(inputs, trees, nets, demand, constants)
    sinks = np.flatnonzero((trees.place >= 0) & (trees.parent >= 0))
    of_wire, _ = tree_moments(trees, ohms, farads, None)
    in_all, _ = tree_moments(trees, ohms, farads, inputs.pin_capacitances)
    sink_net = row[trees.net[sinks]]
    sink = _sink_features(inputs, trees, sinks, sink_net, in_all[:, 0], of_wire[:, 0], demand, constants)
    return WireFeatures(
        nets=nets,
        net=net.astype(np.float32),
        capacitance=trees.net_sum(farads)[nets],
        resistance=trees.net_sum(ohms)[nets],
        place=trees.place[sinks].astype(np.int64),
        sink_net=sink_net,
        sink=sink.astype(np.float32),
        wire_delay=of_wire[sinks, 0],
        pin_delay=in_all[sinks, 0] - of_wire[sinks, 0],
    )


@dataclass(frozen=True, eq=False)
class Demand:
    """How much wire, how many pins and how much cell area stand in each cell of a grid, as sums over the grid.

    ``sums`` is float64 [4, gy + 1, gx + 1]: horizontal and vertical wire as a share of the tracks, pins per row height
    squared, share of area under cells (each counts as one row high, where its middle is); summed from the lower left, so
    that the mean over a box is four reads.
    """

    sums: FloatArray
    side: float
    x0: float
    y0: float

    @classmethod
    def of(cls, trees: NetTrees, layout: Layout, technology: Technology) -> Demand:
        """The demand of all trees of a design; an edge's wire lies evenly in its bounding box."""
        side = GRID_ROWS * row_height(technology)
        x0, y0, x1, y1 = layout.die
        gx, gy = max(1, int(np.ceil((x1 - x0) / side))), max(1, int(np.ceil((y1 - y0) / side)))
        empty = np.zeros((4, gy + 1, gx + 1))
        found = cls(empty, side, x0, y0)
        edge = np.flatnonzero(trees.parent >= 0)
        boxes = found.boxes(trees, edge)
        up = trees.parent[edge]
        dx, dy = np.abs(trees.x[edge] - trees.x[up]), np.abs(trees.y[edge] - trees.y[up])
        area = side * side
        for layer, length in enumerate((dx, dy)):
            pitch = _pitch(technology, ("horizontal", "vertical")[layer])
            empty[layer, :-1, :-1] = _spread(boxes, length * pitch / area, gx, gy)
        pins = np.flatnonzero(trees.place >= 0)
        column, line = found.cell(trees.x[pins], trees.y[pins])
        unit = row_height(technology) ** 2 / area
        empty[2, :-1, :-1] = np.bincount(line * gx + column, minlength=gx * gy).reshape(gy, gx) * unit
        placed = ~(np.isnan(layout.cell_x) | np.isnan(layout.cell_width))
        column, line = found.cell(layout.cell_x[placed] + layout.cell_width[placed] / 2, layout.cell_y[placed])
        covered = layout.cell_width[placed] * row_height(technology) / area
        empty[3, :-1, :-1] = np.bincount(line * gx + column, covered, minlength=gx * gy).reshape(gy, gx)
        sums = np.zeros_like(empty)
        sums[:, 1:, 1:] = np.cumsum(np.cumsum(empty[:, :-1, :-1], axis=1), axis=2)
        return cls(sums, side, x0, y0)

    def cell(self, x: FloatArray, y: FloatArray) -> tuple[LongArray, LongArray]:
        """Column and line of points; those outside the die belong to the nearest cell."""
        gy, gx = self.sums.shape[1] - 1, self.sums.shape[2] - 1
        column = np.clip(((x - self.x0) / self.side).astype(np.int64), 0, gx - 1)
        return column, np.clip(((y - self.y0) / self.side).astype(np.int64), 0, gy - 1)

    def boxes(self, trees: NetTrees, edge: LongArray) -> LongArray:
        """First and last column, first and last line of the bounding box of each edge, int64 [E, 4]."""
        up = trees.parent[edge]
        left, low = self.cell(np.minimum(trees.x[edge], trees.x[up]), np.minimum(trees.y[edge], trees.y[up]))
        right, high = self.cell(np.maximum(trees.x[edge], trees.x[up]), np.maximum(trees.y[edge], trees.y[up]))
        return np.stack([left, right, low, high], axis=1)

    def mean(self, boxes: LongArray) -> FloatArray:
        """Mean demand over boxes, float64 [E, 4]."""
        left, right, low, high = boxes.T
        area = (right - left + 1) * (high - low + 1)
        top, bottom = high + 1, low
        sums = self.sums
        found = sums[:, top, right + 1] - sums[:, bottom, right + 1] - sums[:, top, left] + sums[:, bottom, left]
        return np.asarray((found / area).T)


def row_height(technology: Technology) -> float:
    """Height of a row, m; of 10 wire pitches where the technology has no site."""
    height = technology.row_height
    return height if np.isfinite(height) and height > 0 else 10 * _pitch(technology, "horizontal")


def _pitch(technology: Technology, direction: str) -> float:
    """One over the tracks per metre of all layers of a direction above the first metal, m."""
    tracks = [
        1.0 / layer.pitch for layer in technology.layers[1:] if layer.direction == direction and layer.pitch > 0
    ] or [1.0 / layer.pitch for layer in technology.layers if layer.pitch > 0]
    return 1.0 / float(np.sum(tracks)) if tracks else 1e-6


def _spread(boxes: LongArray, weight: FloatArray, gx: int, gy: int) -> FloatArray:
    """Weights spread evenly over the cells of boxes, float64 [gy, gx]."""
    left, right, low, high = boxes.T
    each = weight / ((right - left + 1) * (high - low + 1))
    corner = np.zeros((gy + 1) * (gx + 1))
    wide = gx + 1
    for line, column, sign in ((low, left, 1), (high + 1, left, -1), (low, right + 1, -1), (high + 1, right + 1, 1)):
        corner += sign * np.bincount(line * wide + column, each, minlength=len(corner))
    return np.cumsum(np.cumsum(corner.reshape(gy + 1, wide), axis=0), axis=1)[:-1, :-1]


def _net_features(
    inputs: TimingInputs, trees: NetTrees, nets: LongArray, demand: Demand, constants: WireConstants
) -> FloatArray:
    assert inputs.layout is not None
    assert inputs.technology is not None
    circuit, layout, row = inputs.circuit, inputs.layout, row_height(inputs.technology)
    owner = trees.net
    first = trees.start[nets]
    pins = trees.net_pins[nets].astype(np.float64)
    length = trees.net_length[nets]
    box = _boxes_of_nets(trees, nets)
    width, height = box[:, 1] - box[:, 0], box[:, 3] - box[:, 2]
    half = width + height
    edge = np.flatnonzero(trees.parent >= 0)
    up = trees.parent[edge]
    vertical = _sums(owner[edge], np.abs(trees.y[edge] - trees.y[up]), circuit.num_nets)[nets]
    longest = _most(owner[edge], trees.length[edge], circuit.num_nets)[nets]
    way = _most(owner, way_lengths(trees), circuit.num_nets)[nets]
    on_edge = demand.mean(demand.boxes(trees, edge))
    weight = trees.length[edge] + 0.01 * row
    total = _sums(owner[edge], weight, circuit.num_nets)[nets]
    along = [_sums(owner[edge], weight * on_edge[:, k], circuit.num_nets)[nets] / total for k in range(4)]
    crowded = _most(owner[edge], on_edge[:, 0] + on_edge[:, 1], circuit.num_nets)[nets]
    vertical_share = vertical / np.maximum(length, 1e-12)
    across = vertical_share * along[1] + (1 - vertical_share) * along[0]
    is_pin = (trees.place >= 0) & (trees.parent >= 0)
    sinks = np.maximum(pins - 1, 1)
    is_port = is_pin & (trees.place >= circuit.num_pins)
    is_diode = np.zeros(len(trees.place), np.bool_)
    on_pin = np.flatnonzero(is_pin & ~is_port)
    alone = np.array([all(p.direction != Direction.OUTPUT for p in kind.ports) for kind in circuit.types], np.bool_)
    is_diode[on_pin] = alone[circuit.cell_type[circuit.pin_cell[trees.place[on_pin]]]]
    driver = trees.place[first]
    from_port = driver >= circuit.num_pins
    wide = np.full(len(nets), row)
    wide[~from_port] = np.nan_to_num(layout.cell_width[circuit.pin_cell[driver[~from_port]]], nan=row)
    load = np.zeros(len(trees.place))
    load[is_pin] = inputs.pin_capacitances[trees.place[is_pin], 0]
    unit = max(constants.c1, 1e-12) * row
    clock = _clock_nets(inputs)[nets]
    die_w, die_h = layout.die[2] - layout.die[0], layout.die[3] - layout.die[1]
    whole = demand.mean(np.array([[0, demand.sums.shape[2] - 2, 0, demand.sums.shape[1] - 2]]))[0]
    columns = [
        np.log(pins),
        _log(length, row),
        _log(half, row),
        np.log((length + 0.1 * row) / (half + 0.1 * row)),
        _log(width, row),
        _log(height, row),
        _log(longest, row),
        vertical_share,
        _log(way, row),
        clock.astype(np.float64),
        from_port.astype(np.float64),
        _sums(owner, is_port.astype(np.float64), circuit.num_nets)[nets] / sinks,
        _sums(owner, is_diode.astype(np.float64), circuit.num_nets)[nets] / sinks,
        np.log(wide / row),
        np.log(_sums(owner, load, circuit.num_nets)[nets] / unit + 0.01),
        *along[:2],
        across,
        crowded,
        *along[2:],
        *np.repeat(whole[[0, 1, 3]][:, None], len(nets), axis=1),
        np.full(len(nets), np.log(die_w / row / 50)),
        np.full(len(nets), np.log(die_h / row / 50)),
        np.full(len(nets), np.log(length.mean() / row / 10)),
    ]
    return np.stack(columns, axis=1)


def _sink_features(
    inputs: TimingInputs,
    trees: NetTrees,
    sinks: LongArray,
    sink_net: LongArray,
    delay: FloatArray,
    of_wire: FloatArray,
    demand: Demand,
    constants: WireConstants,
) -> FloatArray:
    assert inputs.technology is not None
    row = row_height(inputs.technology)
    owner = trees.net[sinks]
    root = trees.start[owner]
    way = way_lengths(trees)[sinks]
    distance = np.abs(trees.x[sinks] - trees.x[root]) + np.abs(trees.y[sinks] - trees.y[root])
    children = np.bincount(trees.parent[trees.parent >= 0], minlength=len(trees.place))
    branches = down(trees, (children > 1).astype(np.float64))[sinks]
    unit = max(constants.c1, 1e-12) * row
    load = inputs.pin_capacitances[trees.place[sinks], 0] / unit
    count = np.bincount(sink_net)
    mean = np.bincount(sink_net, delay[sinks]) / np.maximum(count, 1)
    length = trees.net_length[owner]
    boxes = np.concatenate([demand.cell(trees.x[sinks], trees.y[sinks]), demand.cell(trees.x[root], trees.y[root])])
    boxes = boxes.reshape(4, -1)
    around = np.stack(
        [
            np.minimum(boxes[0], boxes[2]),
            np.maximum(boxes[0], boxes[2]),
            np.minimum(boxes[1], boxes[3]),
            np.maximum(boxes[1], boxes[3]),
        ],
        axis=1,
    )
    crowd = demand.mean(around)[:, :2].sum(axis=1)
    columns = [
        _log(way, row),
        _log(distance, row),
        np.log((way + 0.1 * row) / (distance + 0.1 * row)),
        np.log1p(branches),
        np.log(load + 0.01),
        way / np.maximum(length, 1e-12),
        np.log((delay[sinks] + 1e-16) / (mean[sink_net] + 1e-16)),
        1.0 - of_wire[sinks] / np.maximum(delay[sinks], 1e-18),
        crowd,
        (trees.place[sinks] >= inputs.circuit.num_pins).astype(np.float64),
    ]
    return np.stack(columns, axis=1)


def way_lengths(trees: NetTrees) -> FloatArray:
    """Length of the way from the driver to each node, float64 [K], m."""
    return down(trees, trees.length)


def down(trees: NetTrees, values: FloatArray) -> FloatArray:
    """Sum of a value over the nodes from the driver (without its own) to each node, float64 [K]; by doubling."""
    found = np.where(trees.parent >= 0, values, 0.0)
    parent = trees.parent.astype(np.int64)
    while (parent >= 0).any():
        has = np.flatnonzero(parent >= 0)
        found[has] = found[has] + found[parent[has]]
        parent[has] = parent[parent[has]]
    return found


def _clock_nets(inputs: TimingInputs) -> npt.NDArray[np.bool_]:
    """Nets that a clock reaches before a register, bool [N]."""
    found = np.zeros(inputs.circuit.num_nets, np.bool_)
    nodes = np.fromiter(inputs.prepared.clock_edges, np.int64, len(inputs.prepared.clock_edges))
    nets = inputs.prepared.nodes.net[nodes]
    found[nets[nets >= 0]] = True
    return found


def _boxes_of_nets(trees: NetTrees, nets: LongArray) -> FloatArray:
    """Left, right, low and high of each net's nodes, float64 [M, 4]."""
    first = trees.start[nets]
    return np.stack(
        [how.reduceat(values, first) for values in (trees.x, trees.y) for how in (np.minimum, np.maximum)], axis=1
    )


def _log(length: FloatArray, row: float) -> FloatArray:
    return np.log(length / row + 0.1)


def _sums(owner: LongArray, values: FloatArray, count: int) -> FloatArray:
    return np.bincount(owner, values, minlength=count)


def _most(owner: LongArray, values: FloatArray, count: int) -> FloatArray:
    found = np.zeros(count)
    np.maximum.at(found, owner, values)
    return found
