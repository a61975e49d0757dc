r"""Parasitics: RC networks of nets, columnar, and their match with a circuit.

Names are held as the package prints them (``u1/data[3]``, ``lane\[0\].ra[8]``), whatever the file's divider and
escapes were. Values are in farads and ohms, one column a corner.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from circuitgraph.circuit import Circuit, Direction
from circuitgraph.errors import CircuitError, Notes, quoted
from circuitgraph.names import NameTable, decode, encode

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.int8]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

MATCH_SHARE = 0.9
"""Least share of the nets with a driver and a load that must have parasitics."""


class NodeKind(enum.IntEnum):
    """What a node of an RC network is."""

    INTERNAL = 0
    PIN = 1
    PORT = 2


@dataclass(frozen=True, eq=False)
class Parasitics:
    """RC networks of M nets; K nodes, Q coupling capacitors, R resistors, c corners (1, or 3 from triplets).

    | column | type, shape | meaning |
    |---|---|---|
    | net_names | NameTable [M] | printed names, as bases |
    | net_capacitance | float64 [M, c] | total that the file states, farads, couplings included |
    | node_start | int64 [M + 1] | nodes of net m; nodes beyond the last are named by couplings only |
    | node_kind | int8 [K] | :class:`NodeKind` |
    | node_name | int32 [K] | internal: its number; pin: row of ``cell_names``; port: row of ``port_names`` |
    | node_pin | int32 [K] | pin: row of ``pin_names``, else -1 |
    | node_direction | int8 [K] | Direction of the pin or port as the file says; 0 where it does not |
    | node_capacitance | float64 [K, c] | to ground, farads |
    | coupling_nodes | int32 [Q, 2] | each unordered pair once, the lower node first |
    | coupling_capacitance | float64 [Q, c] | farads |
    | coupling_listed | int8 [Q] | 2 where both nets list the pair, else 1 |
    | resistor_nodes, resistance | int32 [R, 2], float64 [R, c] | ohms, sorted by net |
    | resistor_start | int64 [M + 1] | resistors of net m |
    | corner | int | the corner that one-dimensional results use |
    | listed | mapping | entries of the file: ground_capacitances, coupling_capacitances, resistors |
    """

    name: str
    net_names: NameTable
    net_capacitance: FloatArray
    node_start: LongArray
    node_kind: ByteArray
    node_name: IntArray
    node_pin: IntArray
    node_direction: ByteArray
    node_capacitance: FloatArray
    cell_names: NameTable
    port_names: NameTable
    pin_names: tuple[str, ...]
    coupling_nodes: IntArray
    coupling_capacitance: FloatArray
    coupling_listed: ByteArray
    resistor_nodes: IntArray
    resistance: FloatArray
    resistor_start: LongArray
    corner: int = 0
    listed: Mapping[str, int] = field(default_factory=dict)
    notes: Notes = field(default_factory=Notes)
    place: str = ""

    @property
    def num_nets(self) -> int:
        """Number of nets, M."""
        return len(self.net_names)

    @property
    def num_nodes(self) -> int:
        """Number of nodes, K, those beyond the nets included."""
        return len(self.node_kind)

    @property
    def total(self) -> FloatArray:
        """Total capacitance of each net at the chosen corner, float64 [M], farads."""
        return self.net_capacitance[:, self.corner]

    @property
    def convention(self) -> str:
        """Which nets list a coupling capacitor: "both", "one", "mixed", or "none" where there are none."""
        if not len(self.coupling_listed):
            return "none"
        net = self.node_net
        across = net[self.coupling_nodes[:, 0]] != net[self.coupling_nodes[:, 1]]
        listed = self.coupling_listed[across] if across.any() else self.coupling_listed
        if (listed == 2).all():
            return "both"
        return "one" if (listed == 1).all() else "mixed"

    @cached_property
    def node_net(self) -> IntArray:
        """Net of each node, int32 [K]; -1 for nodes that only couplings name."""
        found = np.full(self.num_nodes, -1, np.int32)
        found[: self.node_start[-1]] = np.repeat(np.arange(self.num_nets, dtype=np.int32), np.diff(self.node_start))
        return found

    def at_corner(self, corner: int) -> Parasitics:
        """The same networks with another corner chosen."""
        return replace(self, corner=corner)

    def counts(self) -> dict[str, int]:
        """Sizes for reports: nets, and the entries that the file lists."""
        keys = ("ground_capacitances", "coupling_capacitances", "resistors")
        return {"nets": self.num_nets, **{key: int(self.listed.get(key, 0)) for key in keys}}

    def net_text(self, net: int) -> str:
        """Printed name of a net."""
        return decode(self.net_names.base(net))

    def node_text(self, node: int) -> str:
        """``net:3``, ``cell/pin`` or the port of a node."""
        kind, name = int(self.node_kind[node]), int(self.node_name[node])
        if kind == NodeKind.PORT:
            return decode(self.port_names.base(name))
        if kind == NodeKind.PIN:
            return f"{decode(self.cell_names.base(name))}/{self.pin_names[self.node_pin[node]]}"
        return f"{self.net_text(int(self.node_net[node]))}:{name}"

    def __eq__(self, other: object) -> bool:
        """Equal columns and names; notes, place and the counts of entries do not count."""
        if not isinstance(other, Parasitics):
            return NotImplemented
        for entry in fields(self):
            mine, yours = getattr(self, entry.name), getattr(other, entry.name)
            if entry.name in {"listed", "notes", "place"}:
                continue
            if isinstance(mine, NameTable):
                same = np.array_equal(mine.blob, yours.blob) and np.array_equal(mine.start, yours.start)
            elif isinstance(mine, np.ndarray):
                same = np.array_equal(mine, yours)
            else:
                same = mine == yours
            if not same:
                return False
        return True

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def from_trees(
        cls,
        circuit: Circuit,
        node_start: LongArray,
        node_pin: IntArray,
        node_parent: IntArray,
        resistance: FloatArray,
        capacitance: FloatArray,
        name: str = "",
    ) -> Parasitics:
        """The parasitics of RC trees over a circuit's nets.

        Args:
            circuit: gives the names; N nets, P pins, T terminals.
            node_start: int64 [N + 1], nodes of each net of the circuit; a net without nodes is left out.
            node_pin: int32 [K], the circuit's pin of each node, P + t for its terminal t, -1 for an internal node.
            node_parent: int32 [K], node towards the driver (a row of the same arrays), -1 at the root.
            resistance: float64 [K], ohms from the parent, 0 at the root.
            capacitance: float64 [K], farads to ground.
            name: of the design; the circuit's own when empty.

        Returns:
            One net a circuit net that has nodes, in the circuit's order; no couplings.
        """
        kept = np.flatnonzero(np.diff(node_start) > 0)
        owner = np.repeat(np.arange(circuit.num_nets), np.diff(node_start))
        pins = circuit.num_pins
        is_pin = (node_pin >= 0) & (node_pin < pins)
        is_port = node_pin >= pins
        group = np.where(is_port | is_pin, 0, 1)
        order = np.lexsort((np.arange(len(node_pin)), group, owner))
        moved = np.empty(len(order), np.int64)
        moved[order] = np.arange(len(order))
        pin = node_pin[order]
        start = np.concatenate([[0], np.cumsum(np.diff(node_start)[kept])]).astype(np.int64)
        kind = np.where(pin >= pins, int(NodeKind.PORT), np.where(pin >= 0, int(NodeKind.PIN), 0)).astype(np.int8)
        number = np.arange(len(pin)) - np.repeat(start[:-1], np.diff(start)) + 1
        node_name = np.where(kind == 0, number, 0).astype(np.int64)
        pin_column = np.full(len(pin), -1, np.int32)
        direction = np.zeros(len(pin), np.int8)
        rows = np.flatnonzero(kind == NodeKind.PIN)
        cells, cell_row = _first_seen(circuit.pin_cell[pin[rows]].astype(np.int64))
        node_name[rows] = cell_row
        texts = [
            circuit.types[kind_row].ports[port].name
            for kind_row, port in zip(
                circuit.cell_type[circuit.pin_cell[pin[rows]]].tolist(),
                circuit.pin_port[pin[rows]].tolist(),
                strict=True,
            )
        ]
        known = {text: row for row, text in enumerate(dict.fromkeys(texts))}
        pin_column[rows] = [known[text] for text in texts]
        direction[rows] = circuit.pin_direction[pin[rows]]
        ports = np.flatnonzero(kind == NodeKind.PORT)
        terminals, port_row = _first_seen((pin[ports] - pins).astype(np.int64))
        node_name[ports] = port_row
        direction[ports] = circuit.port_direction[pin[ports] - pins]
        edges = np.flatnonzero(node_parent >= 0)
        ends = np.stack([moved[node_parent[edges]], moved[edges]], axis=1).astype(np.int32)
        by_net = np.argsort(owner[edges], kind="stable")
        resistor_start = np.concatenate([[0], np.cumsum(np.bincount(owner[edges], minlength=circuit.num_nets)[kept])])
        total = np.bincount(owner, weights=capacitance, minlength=circuit.num_nets)[kept]
        return cls(
            name=name or circuit.name,
            net_names=printed_table(circuit.net_names.text(int(row)) for row in kept),
            net_capacitance=total[:, None].astype(np.float64),
            node_start=start,
            node_kind=kind,
            node_name=node_name.astype(np.int32),
            node_pin=pin_column,
            node_direction=direction,
            node_capacitance=np.ascontiguousarray(capacitance[order], np.float64)[:, None],
            cell_names=printed_table(circuit.cell_names.text(int(row)) for row in cells),
            port_names=printed_table(circuit.port_names.text(int(row)) for row in terminals),
            pin_names=tuple(known),
            coupling_nodes=np.zeros((0, 2), np.int32),
            coupling_capacitance=np.zeros((0, 1)),
            coupling_listed=np.zeros(0, np.int8),
            resistor_nodes=ends[by_net],
            resistance=np.ascontiguousarray(resistance[edges][by_net], np.float64)[:, None],
            resistor_start=resistor_start.astype(np.int64),
            listed={"ground_capacitances": int(np.count_nonzero(capacitance)), "resistors": len(edges)},
        )

    def resolve(self, circuit: Circuit) -> ResolvedParasitics:
        """Nets and nodes of the circuit that the names mean, and a report of what did not match.

        Names match as printed first, then without escapes; the other names of merged nets count.
        """
        net = _bulk(self.net_names, circuit.net_lookup, circuit.find_net)
        cell = _bulk(self.cell_names, circuit.cell_names.rows, circuit.cell_names.find)
        port = _bulk(self.port_names, circuit.port_names.rows, circuit.port_names.find)
        kind = self.node_kind
        node_pin = np.full(self.num_nodes, -1, np.int64)
        rows = np.flatnonzero(kind == NodeKind.PIN)
        if len(rows):
            index = np.array(
                [[one.port_index(name) for name in self.pin_names] for one in circuit.types], np.int64
            ).reshape(len(circuit.types), len(self.pin_names))
            owner = cell[self.node_name[rows]]
            found = owner >= 0
            rows, owner = rows[found], owner[found].astype(np.int64)
            place = index[circuit.cell_type[owner], self.node_pin[rows]]
            node_pin[rows] = np.where(place >= 0, circuit.pin_start[owner] + place, -1)
        rows = np.flatnonzero(kind == NodeKind.PORT)
        terminal = port[self.node_name[rows]].astype(np.int64)
        node_pin[rows] = np.where(terminal >= 0, circuit.num_pins + terminal, -1)
        net_of = np.full(circuit.num_nets, -1, np.int32)
        known = np.flatnonzero(net >= 0)[::-1]
        net_of[net[known]] = known
        twice = int(len(known) - np.count_nonzero(net_of >= 0))
        report = self._report(circuit, net, net_of, node_pin, twice)
        return ResolvedParasitics(self, net, net_of, node_pin, report)

    def _report(
        self, circuit: Circuit, net: IntArray, net_of: IntArray, node_pin: LongArray, twice: int
    ) -> MatchReport:
        wanted = (circuit.net_driver >= 0) & (circuit.net_load_count > 0) & (circuit.net_constant < 0)
        missing = np.flatnonzero(wanted & (net_of < 0))
        unknown = np.flatnonzero(net < 0)
        in_net = self.node_net >= 0
        lost = np.flatnonzero(in_net & (self.node_kind != NodeKind.INTERNAL) & (node_pin < 0))
        placed = np.flatnonzero(in_net & (node_pin >= 0))
        where = np.concatenate([circuit.pin_net, circuit.port_net])[node_pin[placed]]
        stated = net[self.node_net[placed]]
        moved = placed[(stated >= 0) & (where != stated)]
        return MatchReport(
            nets=int(np.count_nonzero(wanted)),
            matched=int(np.count_nonzero(wanted)) - len(missing),
            missing=tuple(circuit.net_names.text(int(row)) for row in missing[:3]),
            num_unknown=len(unknown),
            unknown=tuple(self.net_text(int(row)) for row in unknown[:3]),
            num_unknown_nodes=len(lost),
            unknown_nodes=tuple(self.node_text(int(row)) for row in lost[:3]),
            num_moved_nodes=len(moved),
            moved_nodes=tuple(self.node_text(int(row)) for row in moved[:3]),
            num_twice=twice,
        )


@dataclass(frozen=True)
class MatchReport:
    """How far parasitics and a circuit agree.

    | field | meaning |
    |---|---|
    | nets, matched | nets of the circuit that have a driver and a load (constants aside); those with parasitics |
    | missing | first three names of the others |
    | num_unknown, unknown | nets of the parasitics that are not in the circuit; first three |
    | num_unknown_nodes, unknown_nodes | pins and ports of nets that are not in the circuit; first three |
    | num_moved_nodes, moved_nodes | pins and ports that the circuit has on another net; first three |
    | num_twice | nets of the parasitics beyond the first for one net of the circuit |
    """

    nets: int
    matched: int
    missing: tuple[str, ...]
    num_unknown: int
    unknown: tuple[str, ...]
    num_unknown_nodes: int
    unknown_nodes: tuple[str, ...]
    num_moved_nodes: int
    moved_nodes: tuple[str, ...]
    num_twice: int

    @property
    def share(self) -> float:
        """Matched nets over nets that have a driver and a load; 1 where there are none."""
        return self.matched / self.nets if self.nets else 1.0

    def require(self, place: str, share: float = MATCH_SHARE) -> None:
        """Refuse parasitics that belong to another circuit.

        Args:
            place: the parasitics' file.
            share: least share of matched nets.

        Raises:
            CircuitError: fewer nets are matched.
        """
        if self.share < share:
            names = list(self.missing) + [""] * (self.nets - self.matched - len(self.missing))
            raise CircuitError(
                place,
                "nets",
                f"only {self.matched:,} of the {self.nets:,} nets with a driver and a load are in it, "
                f"less than {share:.0%} (missing: {quoted(names)})",
                "give the parasitics of this netlist",
            )


@dataclass(frozen=True, eq=False)
class ResolvedParasitics:
    """Parasitics with index arrays into a circuit of N nets and P pins.

    | column | type, shape | meaning |
    |---|---|---|
    | net | int32 [M] | the circuit's net of each net, -1 where there is none |
    | net_of | int32 [N] | the (first) net of the parasitics for each net of the circuit, -1 = none |
    | node_pin | int64 [K] | the circuit's pin of each node, P + t for terminal t, -1 for others |
    """

    parasitics: Parasitics
    net: IntArray
    net_of: IntArray
    node_pin: LongArray
    report: MatchReport


def printed_table(texts: object) -> NameTable:
    """A table whose bases are printed names.

    Args:
        texts: an iterable of str.
    """
    return NameTable.of([encode(text) for text in texts])  # type: ignore[attr-defined]


def table_texts(table: NameTable) -> list[str]:
    """The bases of a table as texts."""
    raw = table.blob.tobytes()
    edges = table.start.tolist()
    return [decode(raw[a:b]) for a, b in pairwise(edges)]


def _bulk(table: NameTable, rows: Mapping[str, int], find: object) -> IntArray:
    """Row of each name of a table by dictionary; only the misses are looked up one by one."""
    texts = table_texts(table)
    found = np.fromiter((rows.get(text, -1) for text in texts), np.int32, len(texts))
    for miss in np.flatnonzero(found < 0).tolist():
        found[miss] = find(texts[miss])  # type: ignore[operator]
    return found


def _first_seen(values: LongArray) -> tuple[LongArray, LongArray]:
    """Distinct values in order of first appearance, and the place of each value among them."""
    distinct, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[inverse]


__all__ = [
    "MATCH_SHARE",
    "Direction",
    "MatchReport",
    "NodeKind",
    "Parasitics",
    "ResolvedParasitics",
    "printed_table",
    "table_texts",
]
