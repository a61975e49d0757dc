"""The graph that static timing analysis walks: nodes, net arcs, cell arcs, checks, levels; constants taken out.

Nodes: pin p of the circuit is node p, terminal t is node P + t; a bidirectional pin or terminal has a second node
    behind
them, its load half, while its own number is the driver half.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.levels import find_loop, loop_error, sort_levels
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.constraints import Constraints
from circuitgraph.errors import CircuitError, Notes, quoted
from circuitgraph.library import LAST_DELAY, Library, Sense, TimingType

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]
BoolArray = npt.NDArray[np.bool_]

RISE_RISE, RISE_FALL, FALL_RISE, FALL_FALL = 1, 2, 4, 8
ALL_EDGES = 15
EDGE_ARCS = (TimingType.RISING_EDGE, TimingType.FALLING_EDGE)
NOT_SEARCHED = (TimingType.PRESET, TimingType.CLEAR)
"""Arcs that are not walked: OpenSTA's default (``sta_preset_clear_arcs_enabled`` 0)."""


@dataclass(frozen=True, eq=False)
class Nodes:
    """Nodes of pins and terminals; V nodes.

    | field | type, shape | meaning |
    |---|---|---|
    | count | int | V |
    | load_half | int32 [P + T] | node that reads the net: the place itself, or the second node of a bidirectional one |
    | place | int32 [V] | pin or terminal of each node |
    | net | int32 [V] | net of each node, -1 none |
    | drives, loads | bool [V] | whether the node drives or reads its net |
    """

    count: int
    load_half: IntArray
    place: IntArray
    net: IntArray
    drives: BoolArray
    loads: BoolArray


def nodes_of(circuit: Circuit) -> Nodes:
    """The nodes of a circuit; pins of unknown direction (black boxes) only read their nets."""
    places = circuit.num_pins + circuit.num_ports
    net = np.concatenate([circuit.pin_net, circuit.port_net]).astype(np.int32)
    flipped = np.array([0, Direction.OUTPUT, Direction.INPUT, Direction.INOUT], np.int8)
    direction = np.concatenate([circuit.pin_direction, flipped[circuit.port_direction]])
    both = np.flatnonzero(direction == Direction.INOUT).astype(np.int32)
    load_half = np.arange(places, dtype=np.int32)
    load_half[both] = places + np.arange(len(both), dtype=np.int32)
    connected = net >= 0
    drives = connected & ((direction == Direction.OUTPUT) | (direction == Direction.INOUT))
    loads = connected & ((direction == Direction.INPUT) | (direction == Direction.UNKNOWN))
    return Nodes(
        places + len(both),
        load_half,
        np.concatenate([np.arange(places, dtype=np.int32), both]),
        np.concatenate([net, net[both]]),
        np.concatenate([drives, np.zeros(len(both), np.bool_)]),
        np.concatenate([loads, connected[both]]),
    )


@dataclass(frozen=True, eq=False)
class Arcs:
    """Arcs between nodes; E arcs.

    | field | type, shape | meaning |
    |---|---|---|
    | source, target | int32 [E] | nodes |
    | library_arc | int32 [E] | row in the library, -1 for a net arc |
    | mask | uint8 [E] | edges that carry arrivals: rise to rise 1, rise to fall 2, fall to rise 4, fall to fall 8;
      the same in the upper four bits: edges that give slews |
    """

    source: IntArray
    target: IntArray
    library_arc: IntArray
    mask: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.source)

    def take(self, rows: npt.NDArray[np.generic]) -> Arcs:
        """The given arcs, in their order."""
        return Arcs(self.source[rows], self.target[rows], self.library_arc[rows], self.mask[rows])

    @classmethod
    def joined(cls, first: Arcs, second: Arcs) -> Arcs:
        """Arcs of both, the first before."""
        return cls(
            np.concatenate([first.source, second.source]),
            np.concatenate([first.target, second.target]),
            np.concatenate([first.library_arc, second.library_arc]),
            np.concatenate([first.mask, second.mask]),
        )


def library_rows(
    circuit: Circuit, library: Library, *, black_box: bool = False, notes: Notes | None = None
) -> IntArray:
    """Row in the library of each type of the circuit, int32; -1 for opaque types and, if allowed, unknown ones.

    Raises:
        CircuitError: a type is in the library no more and is no black box.
    """
    rows = np.array([library.index.get(cell_type.name, -1) for cell_type in circuit.types], np.int32)
    used = (
        np.bincount(circuit.cell_type, minlength=len(circuit.types))
        if circuit.num_cells
        else np.zeros(len(rows), np.int64)
    )
    missing = [row for row in np.flatnonzero((rows < 0) & (used > 0)) if not circuit.types[row].is_opaque]
    if missing and not black_box:
        names = quoted([circuit.types[row].name for row in missing])
        rule = f"type {names} is in no library read"
        raise CircuitError(
            circuit.place or circuit.name, "circuit", rule, "add --liberty, or --black-box to keep it opaque"
        )
    for row in np.flatnonzero((rows < 0) & (used > 0)):
        if notes is not None:
            notes.add("cell without timing (black box)", circuit.types[row].name, int(used[row]))
    return rows


def port_map(circuit: Circuit, library: Library, rows: IntArray) -> tuple[IntArray, LongArray]:
    """For each port of the library its place among the ports of the circuit's type, and where each type begins.

    Returns:
        place int32, by ``start[type] + library port``, and start int64 [types + 1].
    """
    maps: list[int] = []
    start = [0]
    for cell_type, row in zip(circuit.types, rows.tolist(), strict=True):
        if row >= 0:
            maps += [cell_type.port_index(port.name) for port in library.types[row].ports]
        start.append(len(maps))
    return np.array(maps, np.int32), np.array(start, np.int64)


def cell_arcs(circuit: Circuit, library: Library, rows: IntArray, nodes: Nodes) -> tuple[Arcs, IntArray, Arcs]:
    """All Liberty arcs of all cells into connected pins, checks included, and the cell of each, in cell order.

    Behind them the delay arcs to unconnected outputs: nothing follows, but their starts are no dead ends.

    An arc from an unconnected pin stays: no arrival comes through it, but a slew, that of a pin at rest (0).
    """
    maps, start = port_map(circuit, library, rows)
    kind = circuit.cell_type
    row = rows[kind] if circuit.num_cells else np.zeros(0, np.int32)
    known = np.flatnonzero(row >= 0)
    count = np.diff(library.arc_start)[row[known]]
    cell = np.repeat(known, count).astype(np.int32)
    first = np.repeat(library.arc_start[row[known]] - (np.cumsum(count) - count), count)
    arc = (first + np.arange(len(cell))).astype(np.int32)
    base = start[kind[cell]]
    source_port = maps[base + library.arc_from[arc]]
    target_port = maps[base + library.arc_to[arc]]
    usable = (source_port >= 0) & (target_port >= 0)
    source = circuit.pin_start[cell] + source_port
    target = circuit.pin_start[cell] + target_port
    connected = circuit.pin_net[np.where(usable, target, 0)] >= 0
    loose = usable & ~connected & ~library.is_check[arc]
    masks = edge_masks(library) * np.uint8(17)
    open_ended = Arcs(nodes.load_half[source[loose]], target[loose].astype(np.int32), arc[loose], masks[arc[loose]])
    usable &= connected
    source, target, arc, cell = source[usable], target[usable], arc[usable], cell[usable]
    is_check = library.is_check[arc]
    target = np.where(is_check, nodes.load_half[target], target).astype(np.int32)
    arcs = Arcs(nodes.load_half[source], target, arc, masks[arc])
    return arcs, cell, open_ended


def edge_masks(library: Library) -> npt.NDArray[np.uint8]:
    """Edges that each arc of the library carries, uint8 [A]; of a check 1 and 8: rising and falling data."""
    by_sense = np.array([ALL_EDGES, RISE_RISE | FALL_FALL, RISE_FALL | FALL_RISE, ALL_EDGES], np.uint8)
    mask = by_sense[library.arc_sense]
    timing = library.arc_timing
    mask = np.where(np.isin(timing, EDGE_ARCS), ALL_EDGES, mask)
    to_rise, to_fall = RISE_RISE | FALL_RISE, RISE_FALL | FALL_FALL
    from_rise, from_fall = RISE_RISE | RISE_FALL, FALL_RISE | FALL_FALL
    for kind, allowed in (
        (TimingType.RISING_EDGE, from_rise),
        (TimingType.FALLING_EDGE, from_fall),
        (TimingType.COMBINATIONAL_RISE, to_rise),
        (TimingType.COMBINATIONAL_FALL, to_fall),
        (TimingType.PRESET, to_rise),
        (TimingType.CLEAR, to_fall),
        (TimingType.THREE_STATE_ENABLE_RISE, to_rise),
        (TimingType.THREE_STATE_ENABLE_FALL, to_fall),
        (TimingType.THREE_STATE_DISABLE_RISE, to_rise),
        (TimingType.THREE_STATE_DISABLE_FALL, to_fall),
    ):
        mask = np.where(timing == kind, mask & allowed, mask)
    tables = library.arc_table
    check = library.is_check
    mask = np.where(~check & (tables[:, 0] < 0), mask & to_fall, mask)
    mask = np.where(~check & (tables[:, 1] < 0), mask & to_rise, mask)
    of_check = np.where(tables[:, 0] >= 0, RISE_RISE, 0) | np.where(tables[:, 1] >= 0, FALL_FALL, 0)
    return np.asarray(np.where(check, of_check, mask), np.uint8)


def net_arcs(nodes: Nodes, nets: int) -> Arcs:
    """An arc from every driver of a net to each of its loads, by driver; half of a bidirectional pin not to itself."""
    drivers, loads = np.flatnonzero(nodes.drives), np.flatnonzero(nodes.loads)
    loads = loads[np.argsort(nodes.net[loads], kind="stable")]
    start = np.zeros(nets + 1, np.int64)
    np.cumsum(np.bincount(nodes.net[loads], minlength=nets), out=start[1:])
    count = np.diff(start)[nodes.net[drivers]]
    source = np.repeat(drivers, count)
    first = np.repeat(start[nodes.net[drivers]] - (np.cumsum(count) - count), count)
    target = loads[first + np.arange(len(source))]
    apart = nodes.place[source] != nodes.place[target]
    source, target = source[apart].astype(np.int32), target[apart].astype(np.int32)
    empty = np.full(len(source), -1, np.int32)
    return Arcs(source, target, empty, np.full(len(source), 17 * (RISE_RISE | FALL_FALL), np.uint8))


def disabled(arcs: Arcs, nodes: Nodes, constraints: Constraints) -> BoolArray:
    """Whether ``set_disable_timing`` takes an arc out, bool [E].

    A disabled pin or port lets nothing go on from it.
    """
    gone = np.zeros(len(arcs), np.bool_)
    source, target = nodes.place[arcs.source], nodes.place[arcs.target]
    if constraints.disabled_places:
        places = np.array(sorted(constraints.disabled_places), np.int64)
        gone |= np.isin(source, places)
    if constraints.disabled_arcs:
        pairs = np.array(sorted(constraints.disabled_arcs), np.int64)
        many = np.int64(nodes.count)
        key = source.astype(np.int64) * many + target
        gone |= np.isin(key, pairs[:, 0] * many + pairs[:, 1]) & (arcs.library_arc >= 0)
    return gone


def levelled(
    arcs: Arcs, nodes: Nodes, circuit: Circuit, *, break_loops: bool, notes: Notes
) -> tuple[Arcs, IntArray, IntArray]:
    """Arcs without loops, the level of every node and the nodes by (level, node).

    With ``break_loops`` one arc of each loop that is found is cut: the arc into the smallest node of the loop.

    Raises:
        CircuitError: there is a loop, which is printed, and ``break_loops`` is off.
    """
    while True:
        level, waiting = sort_levels(arcs.source, arcs.target, nodes.count)
        if not waiting.any():
            break
        loop = find_loop(arcs.source, arcs.target, waiting)
        if not break_loops:
            raise loop_error(circuit.place or circuit.name, [node_name(circuit, nodes, node) for node in loop], "pins")
        last, first = loop[-1], loop[0]
        cut = (arcs.source == last) & (arcs.target == first)
        notes.add("loop cut", f"{node_name(circuit, nodes, last)} -> {node_name(circuit, nodes, first)}")
        arcs = arcs.take(~cut)
    order = np.argsort(level, kind="stable").astype(np.int32)
    return arcs, level, order


def node_name(circuit: Circuit, nodes: Nodes, node: int) -> str:
    """Name of the pin or terminal behind a node."""
    place = int(nodes.place[node])
    if place < circuit.num_pins:
        return circuit.pin_text(place)
    return circuit.port_names.text(place - circuit.num_pins)


def is_walked(library: Library) -> BoolArray:
    """Whether each arc of the library carries delays and is walked, bool [A].

    Preset and clear arcs are not (OpenSTA's default), nor is the way of data through a transparent latch.
    """
    through = np.array([cell_type.kind.startswith("latch") for cell_type in library.types] or [False], np.bool_)
    latch = through[library.arc_type] & (library.arc_timing <= TimingType.COMBINATIONAL_FALL)
    walked = (library.arc_timing <= LAST_DELAY) & ~np.isin(library.arc_timing, NOT_SEARCHED)
    return np.asarray(walked & ~latch)


def sense_mask(positive: bool, negative: bool) -> int:
    """Edges that a sense allows."""
    return (RISE_RISE | FALL_FALL if positive else 0) | (RISE_FALL | FALL_RISE if negative else 0)


__all__ = [
    "ALL_EDGES",
    "Arcs",
    "Nodes",
    "Sense",
    "cell_arcs",
    "disabled",
    "edge_masks",
    "is_walked",
    "levelled",
    "library_rows",
    "net_arcs",
    "node_name",
    "nodes_of",
    "sense_mask",
]
