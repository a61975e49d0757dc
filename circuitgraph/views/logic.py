"""The logic view: inputs, gates, latches and outputs; edges from fan-in to reader, with slot and inversion."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.levels import find_loop, loop_error, sort_levels
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.views.view import Feature, View, kind_number, node_kinds, sorted_edges

FEATURES = (
    Feature("log fan-in", "ln(1 + n) / ln 5", "0 to 6", "edges into the node"),
    Feature("log fan-out", "ln(1 + n) / ln 5", "0 to 9", "edges out of the node"),
    Feature("log level", "ln(1 + level) / ln 33", "0 to 4", "longest combinational path to the node"),
    Feature("log depth left", "ln(1 + levels) / ln 33", "0 to 4", "longest combinational path from the node"),
    Feature("is input", "-", "0 or 1", "terminal that drives"),
    Feature("is output", "-", "0 or 1", "terminal that reads"),
    Feature("is sequential", "-", "0 or 1", "the cell's type"),
    Feature("output inverted", "-", "0 or 1", "complemented output terminal"),
)
EDGE_FEATURES = (
    Feature("inverted", "-", "0 or 1", "complemented fan-in of an AIG"),
    Feature("slot", "index / 4", "0 to 16", "class of the fan-in (:attr:`CellType.slots`)"),
    Feature("state", "-", "0 or 1", "the edge ends at a sequential or opaque cell and does not order"),
)
RELATIONS = ("fan_in", "state")
ORDERING = (True, False)


def logic_view(circuit: Circuit, *, break_loops: bool = False) -> View:
    """A circuit as a graph of gates.

    Nodes: the circuit's input terminals, constant nets that are read, cells, output terminals, in this order.
    An edge goes from what drives a net to what reads it. Edges into sequential and opaque cells
    have the relation ``state`` and do not order, so latches, and what may be one, are cut. ``unit`` is the cell.

    Fan-ins that may be exchanged without changing the function share a slot, so a permutation of the fan-ins of
    an AND changes nothing.

    Args:
        break_loops: drop, of every combinational loop, the edge into its smallest cell, until none is left.

    Raises:
        CircuitError: there is a combinational loop and *break_loops* is not set.
    """
    inputs = np.flatnonzero((circuit.port_direction != Direction.OUTPUT) & (circuit.port_net >= 0))
    outputs = np.flatnonzero((circuit.port_direction != Direction.INPUT) & (circuit.port_net >= 0))
    read = circuit.net_load_count > 0
    constants = np.flatnonzero((circuit.net_constant >= 0) & read)
    cells = circuit.num_cells
    first_cell = len(inputs) + len(constants)
    nodes = first_cell + cells + len(outputs)
    source, target, inverted, slot = _edges(circuit, inputs, constants, outputs, first_cell)
    sequential = np.zeros(nodes, np.bool_)
    sequential[first_cell : first_cell + cells] = circuit.is_sequential
    cuts = np.zeros(nodes, np.bool_)
    opaque = np.array([t.is_opaque for t in circuit.types] or [False], np.bool_)
    cuts[first_cell : first_cell + cells] = circuit.is_sequential | opaque[circuit.cell_type]
    relation = cuts[target].astype(np.int8)
    if break_loops:
        keep = _without_loops(source, target, relation, nodes)
        source, target, inverted = source[keep], target[keep], inverted[keep]
        slot, relation = slot[keep], relation[keep]
    ordering = relation == 0
    level, waiting = sort_levels(source[ordering], target[ordering], nodes)
    if waiting.any():
        loop = find_loop(source[ordering], target[ordering], waiting)
        names = [circuit.cell_names.text(node - first_cell) for node in loop]
        raise loop_error(circuit.place or circuit.name, names)
    left, _ = sort_levels(target[ordering], source[ordering], nodes)
    edge_features = np.stack([inverted, slot / 4.0, relation], axis=1).astype(np.float32)
    index, columns = sorted_edges(source, target, relation, edge_features)
    kind = np.full(nodes, kind_number("input"), np.int32)
    kind[len(inputs) : first_cell] = kind_number("constant")
    numbers = {name: number for number, name in enumerate(node_kinds())}
    type_kind = np.array([numbers[t.kind] for t in circuit.types] or [0], np.int32)
    kind[first_cell : first_cell + cells] = type_kind[circuit.cell_type]
    kind[first_cell + cells :] = kind_number("output")
    back = _back(circuit, inputs, constants, outputs, first_cell, nodes)
    return View(
        kind="logic",
        graph_id=circuit.graph_id,
        node_kind=kind,
        features=_features(circuit, index, level, left, kind, sequential, outputs),
        feature_table=FEATURES,
        edge_index=index,
        edge_relation=columns[0].astype(np.int8, copy=False),
        relations=RELATIONS,
        ordering=ORDERING,
        edge_features=columns[1].astype(np.float32, copy=False),
        edge_feature_table=EDGE_FEATURES,
        level=level,
        order=np.argsort(level, kind="stable").astype(np.int32),
        unit=back["cell"],
        cell=back["cell"],
        pin=np.full(nodes, -1, np.int32),
        net=back["net"],
        port=back["port"],
        name=circuit.name,
    )


def _edges(
    circuit: Circuit,
    inputs: npt.NDArray[np.intp],
    constants: npt.NDArray[np.intp],
    outputs: npt.NDArray[np.intp],
    first_cell: int,
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """(source, target, inverted, slot) of every driver and reader of every net, by reader."""
    net, direction, pin_cell = circuit.pin_net, circuit.pin_direction, circuit.pin_cell
    drivers = np.flatnonzero((direction == Direction.OUTPUT) & (net >= 0))
    driver_net = np.concatenate([circuit.port_net[inputs], constants, net[drivers]])
    driver_node = np.concatenate([np.arange(first_cell), first_cell + pin_cell[drivers].astype(np.int64)])
    readers = np.flatnonzero((direction == Direction.INPUT) & (net >= 0))
    reader_net = np.concatenate([net[readers], circuit.port_net[outputs]])
    reader_node = np.concatenate(
        [first_cell + pin_cell[readers].astype(np.int64), first_cell + circuit.num_cells + np.arange(len(outputs))]
    )
    slots = circuit.pin_values([cell_type.slots for cell_type in circuit.types], np.float32)
    slot = np.concatenate([slots[readers], np.zeros(len(outputs), np.float32)])
    pin_inverted = np.zeros(circuit.num_pins, np.float32) if circuit.pin_inverted is None else circuit.pin_inverted
    port_inverted = np.zeros(circuit.num_ports, np.float32) if circuit.port_inverted is None else circuit.port_inverted
    inverted = np.concatenate([pin_inverted[readers], port_inverted[outputs]])
    order = np.argsort(driver_net, kind="stable")
    start = np.zeros(circuit.num_nets + 1, np.int64)
    np.cumsum(np.bincount(driver_net, minlength=circuit.num_nets), out=start[1:])
    count = np.diff(start)[reader_net]
    row = np.repeat(np.arange(len(reader_net)), count)
    place = np.repeat(start[reader_net] - (np.cumsum(count) - count), count) + np.arange(len(row))
    source = driver_node[order[place]].astype(np.int32)
    return source, reader_node[row].astype(np.int32), inverted[row].astype(np.float32), slot[row].astype(np.float32)


def _without_loops(
    source: npt.NDArray[np.int32], target: npt.NDArray[np.int32], relation: npt.NDArray[np.int8], nodes: int
) -> npt.NDArray[np.bool_]:
    """Edges that stay when every loop loses the edge into its smallest node."""
    keep = np.ones(len(source), np.bool_)
    while True:
        rows = np.flatnonzero(keep & (relation == 0))
        _, waiting = sort_levels(source[rows], target[rows], nodes)
        if not waiting.any():
            return keep
        loop = find_loop(source[rows], target[rows], waiting)
        keep[rows[(source[rows] == loop[-1]) & (target[rows] == loop[0])]] = False


def _features(
    circuit: Circuit,
    index: npt.NDArray[np.int32],
    level: npt.NDArray[np.int32],
    left: npt.NDArray[np.int32],
    kind: npt.NDArray[np.int32],
    sequential: npt.NDArray[np.bool_],
    outputs: npt.NDArray[np.intp],
) -> npt.NDArray[np.float32]:
    nodes = len(level)
    features = np.zeros((nodes, len(FEATURES)), np.float32)
    features[:, 0] = np.log1p(np.bincount(index[1], minlength=nodes)) / np.log(5)
    features[:, 1] = np.log1p(np.bincount(index[0], minlength=nodes)) / np.log(5)
    features[:, 2] = np.log1p(level) / np.log(33)
    features[:, 3] = np.log1p(left) / np.log(33)
    features[:, 4] = kind == kind_number("input")
    features[:, 5] = kind == kind_number("output")
    features[:, 6] = sequential
    if circuit.port_inverted is not None and len(outputs):
        features[-len(outputs) :, 7] = circuit.port_inverted[outputs]
    return features


def _back(
    circuit: Circuit,
    inputs: npt.NDArray[np.intp],
    constants: npt.NDArray[np.intp],
    outputs: npt.NDArray[np.intp],
    first_cell: int,
    nodes: int,
) -> dict[str, npt.NDArray[np.int32]]:
    """Rows of the circuit behind each node."""
    cells = circuit.num_cells
    back = {name: np.full(nodes, -1, np.int32) for name in ("cell", "net", "port")}
    back["cell"][first_cell : first_cell + cells] = np.arange(cells)
    back["port"][: len(inputs)] = inputs
    back["net"][: len(inputs)] = circuit.port_net[inputs]
    back["net"][len(inputs) : first_cell] = constants
    drivers = np.flatnonzero((circuit.pin_direction == Direction.OUTPUT) & (circuit.pin_net >= 0))[::-1]
    back["net"][first_cell + circuit.pin_cell[drivers]] = circuit.pin_net[drivers]
    if len(outputs):
        back["port"][-len(outputs) :] = outputs
        back["net"][-len(outputs) :] = circuit.port_net[outputs]
    return back


__all__ = ["EDGE_FEATURES", "FEATURES", "logic_view"]
