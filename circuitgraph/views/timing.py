"""The timing view: pins and terminals; net arcs from driver to sink, cell arcs from input to output, checks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.levels import sort_levels
from circuitgraph.analysis.sta_graph import Arcs, edge_masks, is_walked, levelled, net_arcs, nodes_of
from circuitgraph.circuit import CellType, Circuit, Direction, Role
from circuitgraph.errors import Notes
from circuitgraph.library import Library, TimingType
from circuitgraph.views.view import Feature, View, kind_number, node_kinds, sorted_edges

IntArray = npt.NDArray[np.int32]
FloatArray = npt.NDArray[np.float64]

FEATURES = (
    Feature("log fan-out", "ln(1 + sinks) / ln 5", "0 to 9", "net that the pin drives; 0 at sinks"),
    Feature("is driver", "-", "0 or 1", "drives its net"),
    Feature("is terminal", "-", "0 or 1", "terminal of the circuit"),
    Feature("log level", "ln(1 + level) / ln 33", "0 to 4", "longest path to the pin over net and cell arcs"),
    Feature("log depth left", "ln(1 + levels) / ln 33", "0 to 4", "longest path from the pin"),
    Feature(
        "log capacitance",
        "ln(C / median) / 2",
        "-4 to 4",
        "pin, by the library's median input pin; 0 where unknown or none",
    ),
    Feature(
        "log drive resistance", "ln(R / median) / 2", "-4 to 4", "slope of the delay tables over the load; 0 at sinks"
    ),
    Feature("log area", "ln(area / median) / 2", "-4 to 4", "cell, by the library's median; 0 where unknown"),
    Feature("log ports", "ln(1 + ports) / ln 5", "0 to 4", "of the cell's type; 0 at terminals"),
    Feature("is sequential", "-", "0 or 1", "cell's type"),
    Feature("is clock pin", "-", "0 or 1", "role of the port"),
    Feature("is opaque", "-", "0 or 1", "cell's type"),
)
"""Columns 5 to 11 describe the cell (or its pin); they and the node kind are what masking a unit hides."""

EDGE_FEATURES = (
    Feature(
        "log delay",
        "ln(mean / median) / 2",
        "-4 to 4",
        "mean of the arc's delay tables, by the library's median; 0 of others",
    ),
    Feature("rises", "-", "0 or 1", "a rising start can raise the end (net arcs: 1)"),
    Feature("falls", "-", "0 or 1", "a rising start can lower the end"),
    Feature("launches", "-", "0 or 1", "clock to output"),
    Feature("conditional", "-", "0 or 1", "holds only under a condition"),
    Feature("is check", "-", "0 or 1", "setup, hold, recovery or removal"),
)
RELATIONS = ("net", "cell", "check")
ORDERING = (True, True, False)
LIMIT = 4.0


def timing_view(
    circuit: Circuit, library: Library | None = None, *, break_loops: bool = False, notes: Notes | None = None
) -> View:
    """A circuit as a graph of pins.

    Nodes: connected pins in the circuit's order, connected terminals, load halves of bidirectional ones (their own
        row is
    the driver half). Relations: ``net`` from every driver to every sink of its net; ``cell`` one edge a
    Liberty delay arc; ``check`` from the clock pin to the data pin, and the arcs that timing does not walk (preset,
    clear,
    data through a latch). ``check`` does not order. ``unit`` numbers the cells that have a node.

    Without a library, or for types that it does not have, a ``cell`` edge goes from each input that a function reads
    to its
    output, from the clock to the outputs of a sequential cell, and a ``check`` edge from its clock to its other
    inputs; columns that need a library are 0.

    Features (name | unit | range | from) are in :data:`FEATURES` and :data:`EDGE_FEATURES`; none depends on wires.

    Args:
        circuit: cells, nets, terminals.
        library: gives arcs, capacitances, areas, delays.
        break_loops: cut one edge of each combinational loop, into the smallest pin of the loop; counted in *notes*.

        notes: where cut loops are counted.

    Raises:
        CircuitError: there is a combinational loop and *break_loops* is not set; its pins are printed.
    """
    notes = Notes() if notes is None else notes
    nodes = nodes_of(circuit)
    table = _TypeArcs.of(circuit, library)
    of_cells, columns = _expanded(circuit, table, nodes.load_half)
    wires = net_arcs(nodes, circuit.num_nets)
    kept_nodes = np.flatnonzero(nodes.net >= 0)
    relation = np.concatenate([np.zeros(len(wires), np.int8), np.where(columns.walks, 1, 2).astype(np.int8)])
    every = Arcs.joined(wires, of_cells)
    orders = relation < 2
    walked, level, _ = levelled(every.take(orders), nodes, circuit, break_loops=break_loops, notes=notes)
    if len(walked) < int(orders.sum()):
        keep = ~orders | _still_there(every, walked, nodes.count)
        every, relation = every.take(keep), relation[keep]
        columns = columns.take(keep[len(wires) :])
        wires = wires.take(keep[: len(wires)])
    left, _ = sort_levels(walked.target, walked.source, nodes.count)
    edge_features = np.zeros((len(every), len(EDGE_FEATURES)), np.float32)
    edge_features[: len(wires), 1] = 1.0
    edge_features[len(wires) :] = columns.features
    row = np.full(nodes.count, -1, np.int32)
    row[kept_nodes] = np.arange(len(kept_nodes), dtype=np.int32)
    arc = np.concatenate([np.full(len(wires), -1, np.int32), columns.arc])
    index, sorted_columns = sorted_edges(row[every.source], row[every.target], relation, edge_features, arc)
    place = nodes.place[kept_nodes]
    is_pin = place < circuit.num_pins
    pin = np.where(is_pin, place, -1).astype(np.int32)
    cell = np.where(is_pin, circuit.pin_cell[np.where(is_pin, place, 0)] if circuit.num_pins else -1, -1).astype(
        np.int32
    )
    own_level = level[kept_nodes]
    return View(
        kind="timing",
        graph_id=circuit.graph_id,
        node_kind=_kinds(circuit, cell, nodes.drives[kept_nodes]),
        features=_features(
            circuit, library, pin, cell, nodes.drives[kept_nodes], nodes.net[kept_nodes], own_level, left[kept_nodes]
        ),
        feature_table=FEATURES,
        edge_index=index,
        edge_relation=sorted_columns[0].astype(np.int8, copy=False),
        relations=RELATIONS,
        ordering=ORDERING,
        edge_features=sorted_columns[1].astype(np.float32, copy=False),
        edge_feature_table=EDGE_FEATURES,
        level=own_level,
        order=np.argsort(own_level, kind="stable").astype(np.int32),
        unit=_units(circuit, cell),
        cell=cell,
        pin=pin,
        net=nodes.net[kept_nodes],
        port=np.where(is_pin, -1, place - circuit.num_pins).astype(np.int32),
        edge_arc=sorted_columns[2].astype(np.int32, copy=False),
        name=circuit.name,
    )


# -- arcs --------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Columns:
    """What an edge of a cell carries: row in the library, whether it is walked, features."""

    arc: IntArray
    walks: npt.NDArray[np.bool_]
    features: npt.NDArray[np.float32]

    def take(self, rows: npt.NDArray[np.generic]) -> _Columns:
        return _Columns(self.arc[rows], self.walks[rows], self.features[rows])


@dataclass(frozen=True, eq=False)
class _TypeArcs:
    """Arcs of every type of the circuit, by type: CSR start, ports of the circuit's type, columns."""

    start: npt.NDArray[np.int64]
    source: IntArray
    target: IntArray
    columns: _Columns

    @classmethod
    def of(cls, circuit: Circuit, library: Library | None) -> _TypeArcs:
        walks = is_walked(library) if library is not None else np.zeros(0, np.bool_)
        features = _arc_features(library) if library is not None else np.zeros((0, len(EDGE_FEATURES)), np.float32)
        source: list[int] = []
        target: list[int] = []
        arcs: list[int] = []
        plain: list[tuple[bool, list[float]]] = []
        start = [0]
        for cell_type in circuit.types:
            row = library.index.get(cell_type.name, -1) if library is not None else -1
            if row >= 0:
                assert library is not None
                ports = [cell_type.port_index(port.name) for port in library.types[row].ports]
                for arc in range(int(library.arc_start[row]), int(library.arc_start[row + 1])):
                    first, second = ports[library.arc_from[arc]], ports[library.arc_to[arc]]
                    if first >= 0 and second >= 0:
                        source.append(first)
                        target.append(second)
                        arcs.append(arc)
                        plain.append((bool(walks[arc]), features[arc].tolist()))
            else:
                for first, second, is_walked_arc, values in _plain_arcs(cell_type):
                    source.append(first)
                    target.append(second)
                    arcs.append(-1)
                    plain.append((is_walked_arc, values))
            start.append(len(source))
        columns = _Columns(
            np.array(arcs, np.int32),
            np.array([walked for walked, _ in plain], np.bool_),
            np.array([values for _, values in plain], np.float32).reshape(-1, len(EDGE_FEATURES)),
        )
        return cls(np.array(start, np.int64), np.array(source, np.int32), np.array(target, np.int32), columns)


def _plain_arcs(cell_type: CellType) -> list[tuple[int, int, bool, list[float]]]:
    """Arcs that functions and roles give: (from port, to port, walked, features)."""
    found: list[tuple[int, int, bool, list[float]]] = []
    if cell_type.is_opaque:
        return found
    clocks = [
        place
        for place, port in enumerate(cell_type.ports)
        if port.role == Role.CLOCK or (port.role == Role.ENABLE and cell_type.kind.startswith("latch"))
    ]
    outputs = [place for place, port in enumerate(cell_type.ports) if port.direction == Direction.OUTPUT]
    if cell_type.is_sequential:
        found += [(clock, output, True, [0.0, 1.0, 1.0, 1.0, 0.0, 0.0]) for clock in clocks for output in outputs]
        found += [
            (clock, data, False, [0.0, 0.0, 0.0, 0.0, 0.0, 1.0])
            for clock in clocks
            for data, port in enumerate(cell_type.ports)
            if data not in clocks and port.direction == Direction.INPUT
        ]
        return found
    for output in cell_type.outputs:
        function = cell_type.functions[output]
        for port in function.inputs if function is not None else ():
            if port != output:
                rises, falls = function.senses(port) if function is not None else (True, True)
                found.append((port, output, True, [0.0, float(rises), float(falls), 0.0, 0.0, 0.0]))
    return found


def _arc_features(library: Library) -> npt.NDArray[np.float32]:
    """Edge features of every arc of the library, float32 [A, D]."""
    mask = edge_masks(library)
    features = np.zeros((library.num_arcs, len(EDGE_FEATURES)), np.float32)
    check = library.is_check
    means = _table_means(library)
    rows = library.arc_table[:, :2]
    value = np.where(rows >= 0, means[np.maximum(rows, 0)], np.nan) if len(means) else np.full(rows.shape, np.nan)
    count = np.maximum((~np.isnan(value)).sum(axis=1), 1)
    delay = np.where(check, np.nan, np.nansum(value, axis=1) / count)
    features[:, 0] = relative(delay)
    features[:, 1] = ~check & (mask & 9 > 0)
    features[:, 2] = ~check & (mask & 6 > 0)
    features[:, 3] = np.isin(library.arc_timing, (TimingType.RISING_EDGE, TimingType.FALLING_EDGE))
    features[:, 4] = library.arc_when >= 0
    features[:, 5] = check
    return features


def _table_means(library: Library) -> FloatArray:
    bank = library.tables
    if not len(bank):
        return np.zeros(0)
    size = bank.shape[:, 0].astype(np.int64) * bank.shape[:, 1]
    sums = np.add.reduceat(bank.values, bank.start)
    return np.asarray(sums / size, np.float64)


def relative(values: FloatArray, reference: FloatArray | None = None) -> FloatArray:
    """ln(value / median) / 2 within the limit; 0 where a value is absent or not above 0.

    The median is that of the positive values of *reference* (the values themselves where None).

    >>> relative(np.array([1.0, 2.0, 4.0, np.nan, 0.0])).round(3).tolist()
    [-0.347, 0.0, 0.347, 0.0, 0.0]
    """
    reference = values if reference is None else reference
    known = reference[np.nan_to_num(reference, nan=0.0) > 0]
    if not len(known):
        return np.zeros(values.shape)
    usable = np.nan_to_num(values, nan=0.0) > 0
    return np.where(usable, np.clip(np.log(np.where(usable, values, 1.0) / np.median(known)) / 2, -LIMIT, LIMIT), 0.0)


def _expanded(circuit: Circuit, table: _TypeArcs, load_half: IntArray) -> tuple[Arcs, _Columns]:
    """The arcs of all cells between connected pins, in cell order."""
    kind = circuit.cell_type
    count = np.diff(table.start)[kind] if circuit.num_cells else np.zeros(0, np.int64)
    cell = np.repeat(np.arange(circuit.num_cells), count)
    first = (
        np.repeat(table.start[kind] - (np.cumsum(count) - count), count) if circuit.num_cells else np.zeros(0, np.int64)
    )
    arc = first + np.arange(len(cell))
    base = circuit.pin_start[cell]
    source, target = base + table.source[arc], base + table.target[arc]
    usable = (circuit.pin_net[source] >= 0) & (circuit.pin_net[target] >= 0)
    source, target, arc = source[usable], target[usable], arc[usable]
    columns = table.columns.take(arc)
    target = np.where(columns.walks, target, load_half[target])
    empty = np.zeros(len(source), np.uint8)
    return Arcs(load_half[source], target.astype(np.int32), columns.arc, empty), columns


def _still_there(every: Arcs, walked: Arcs, count: int) -> npt.NDArray[np.bool_]:
    """Whether each arc is among those that are left after loops were cut."""
    key = every.source.astype(np.int64) * count + every.target
    return np.isin(key, walked.source.astype(np.int64) * count + walked.target)


# -- nodes -------------------------------------------------------------------------------------


def _kinds(circuit: Circuit, cell: IntArray, drives: npt.NDArray[np.bool_]) -> IntArray:
    numbers = {name: number for number, name in enumerate(node_kinds())}
    by_type = np.array([numbers[t.kind] for t in circuit.types] or [0], np.int32)
    of_cell = by_type[circuit.cell_type[np.maximum(cell, 0)]] if circuit.num_cells else np.zeros(len(cell), np.int32)
    terminal = np.where(drives, kind_number("input"), kind_number("output"))
    return np.where(cell >= 0, of_cell, terminal).astype(np.int32)


def _units(circuit: Circuit, cell: IntArray) -> IntArray:
    """Number of each node's cell among the cells that have a node; -1 of terminals."""
    has = np.zeros(circuit.num_cells + 1, np.bool_)
    has[cell] = True
    has[-1] = False
    number = (np.cumsum(has) - 1).astype(np.int32)
    return np.where(cell >= 0, number[cell], -1).astype(np.int32)


def _features(
    circuit: Circuit,
    library: Library | None,
    pin: IntArray,
    cell: IntArray,
    drives: npt.NDArray[np.bool_],
    net: IntArray,
    level: IntArray,
    left: IntArray,
) -> npt.NDArray[np.float32]:
    features = np.zeros((len(pin), len(FEATURES)), np.float32)
    features[:, 0] = np.where(drives, np.log1p(circuit.net_load_count[net]), 0.0) / np.log(5)
    features[:, 1] = drives
    features[:, 2] = cell < 0
    features[:, 3] = np.log1p(level) / np.log(33)
    features[:, 4] = np.log1p(left) / np.log(33)
    pins = np.flatnonzero(pin >= 0)
    if len(pins):
        features[pins, 5:] = _cell_features(circuit, library, pin[pins], drives[pins])
    return features


def _cell_features(
    circuit: Circuit, library: Library | None, pin: IntArray, drives: npt.NDArray[np.bool_]
) -> npt.NDArray[np.float32]:
    """Columns that describe a pin's cell, by type and port."""
    capacitance: list[list[float]] = []
    drive: list[list[float]] = []
    area: list[float] = []
    relative_capacitance, relative_drive, relative_area = _library_scales(library)
    for cell_type in circuit.types:
        row = library.index.get(cell_type.name, -1) if library is not None else -1
        ports = len(cell_type.ports)
        capacitance.append([0.0] * ports)
        drive.append([0.0] * ports)
        area.append(0.0)
        if row >= 0:
            assert library is not None
            area[-1] = float(relative_area[row])
            for place, port in enumerate(library.types[row].ports, int(library.port_start[row])):
                own = cell_type.port_index(port.name)
                if own >= 0:
                    capacitance[-1][own] = float(relative_capacitance[place])
                    drive[-1][own] = float(relative_drive[place])
    kind = circuit.cell_type[circuit.pin_cell[pin]]
    clock = [[port.role == Role.CLOCK for port in cell_type.ports] for cell_type in circuit.types]
    found = np.zeros((len(pin), 7), np.float32)
    found[:, 0] = _spread(circuit, capacitance)[pin]
    found[:, 1] = np.where(drives, _spread(circuit, drive)[pin], 0.0)
    found[:, 2] = np.array(area, np.float32)[kind]
    found[:, 3] = np.log1p(np.array([len(t.ports) for t in circuit.types], np.float32))[kind] / np.log(5)
    found[:, 4] = np.array([t.is_sequential for t in circuit.types])[kind]
    found[:, 5] = circuit.pin_values(clock, np.bool_)[pin]
    found[:, 6] = np.array([t.is_opaque for t in circuit.types])[kind]
    return found


def _spread(circuit: Circuit, by_type: list[list[float]]) -> FloatArray:
    """A value of each type's ports, spread over the pins, float64 [P]."""
    start = np.zeros(len(by_type) + 1, np.int64)
    np.cumsum([len(values) for values in by_type], out=start[1:])
    flat = np.array([value for values in by_type for value in values], np.float64)
    found: FloatArray = flat[start[circuit.cell_type[circuit.pin_cell]] + circuit.pin_port]
    return found


def _library_scales(library: Library | None) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Relative capacitance and drive resistance of every port, relative area of every type of the library."""
    if library is None:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    capacitance = library.port_capacitance[:, :2].mean(axis=1)
    is_input = np.array([port.direction == Direction.INPUT for t in library.types for port in t.ports], np.bool_)
    return relative(capacitance, capacitance[is_input]), relative(drive_resistances(library)), relative(library.area)


def drive_resistances(library: Library) -> FloatArray:
    """Drive resistance of every port, ohm [Q]: mean slope of the delay tables into it over the load; NaN where none."""
    bank = library.tables
    total = np.zeros(len(library.port_capacitance))
    count = np.zeros(len(total))
    slope = np.full(len(bank), np.nan)
    for row in np.flatnonzero(bank.shape[:, 1] > 1).tolist():
        first, second = int(bank.shape[row, 0]), int(bank.shape[row, 1])
        values = bank.values[bank.start[row] : bank.start[row] + first * second].reshape(first, second)
        at = int(bank.axis[row, 1])
        slope[row] = (values[:, -1] - values[:, 0]).mean() / (bank.axes[at + second - 1] - bank.axes[at])
    delays = np.flatnonzero(~library.is_check)
    for column in (0, 1):
        rows = library.arc_table[delays, column]
        value = np.where(rows >= 0, slope[np.maximum(rows, 0)], np.nan) if len(slope) else np.full(len(rows), np.nan)
        known = ~np.isnan(value)
        port = library.port_start[library.arc_type[delays]] + library.arc_to[delays]
        np.add.at(total, port[known], value[known])
        np.add.at(count, port[known], 1.0)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)


__all__ = ["EDGE_FEATURES", "FEATURES", "drive_resistances", "relative", "timing_view"]
