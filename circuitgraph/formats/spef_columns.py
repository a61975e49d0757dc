"""From the entries of a SPEF file to Parasitics: what both readers share.

The readers give entries as they stand in the file; here nodes get their nets, couplings that stand twice become one,
and everything is put in an order that does not depend on the order of the entries.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from circuitgraph.errors import Notes
from circuitgraph.names import encode
from circuitgraph.parasitics import NodeKind, Parasitics, printed_table

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

TOTAL_TOLERANCE = 0.01
PIN, PORT = int(NodeKind.PIN), int(NodeKind.PORT)


@dataclass
class Entries:
    """The entries of a file; nodes are rows of the node columns, in order of first appearance.

    | field | type, shape | meaning |
    |---|---|---|
    | net_texts, net_total | list of str [M], float64 [M, c] | nets, and stated totals in farads |
    | net_prefix | int64 [M] | row of each net among ``prefixes`` |
    | prefixes | list of str | printed names before the delimiter, distinct |
    | suffixes | list of str | names after the delimiter, distinct |
    | node_prefix, node_suffix | int64 [K] | rows of them; suffix -1: none, below -1: the number -2 - suffix |
    | conn_net, conn_node, conn_direction | [n] | entries of *CONN |
    | ground_net, ground_node, ground | [n], [n], [n, c] | ground capacitors, farads |
    | pair_net, pair_nodes, pair | [n], [n, 2], [n, c] | coupling capacitors |
    | res_net, res_nodes, res | [n], [n, 2], [n, c] | resistors, ohms |
    """

    name: str
    net_texts: list[str]
    net_total: FloatArray
    net_prefix: LongArray
    prefixes: list[str]
    suffixes: list[str]
    node_prefix: LongArray
    node_suffix: LongArray
    conn_net: LongArray
    conn_node: LongArray
    conn_direction: LongArray
    ground_net: LongArray
    ground_node: LongArray
    ground: FloatArray
    pair_net: LongArray
    pair_nodes: LongArray
    pair: FloatArray
    res_net: LongArray
    res_nodes: LongArray
    res: FloatArray
    notes: Notes = field(default_factory=Notes)
    place: str = ""


def assemble(entries: Entries) -> Parasitics:
    """The Parasitics of a file's entries."""
    nets = len(entries.net_texts)
    nodes = len(entries.node_prefix)
    corners = entries.net_total.shape[1]
    kind, number, inner_net = _kinds(entries)
    owner = _owners(entries, inner_net, nodes)
    loose_inner = (owner < 0) & (kind == 0)
    if loose_inner.any():
        kind[loose_inner] = PIN
    order = _order(entries, kind, number, owner)
    moved = np.empty(nodes, np.int64)
    moved[order] = np.arange(nodes)
    owner, kind, number = owner[order], kind[order], number[order]
    prefix, suffix = entries.node_prefix[order], entries.node_suffix[order]
    start = np.searchsorted(np.where(owner < 0, nets, owner), np.arange(nets + 1))
    node_name = number.copy()
    pins, ports = np.flatnonzero(kind == PIN), np.flatnonzero(kind == PORT)
    cells, node_name[pins] = _renumbered(prefix[pins])
    terminals, node_name[ports] = _renumbered(prefix[ports])
    pin_names, node_pin = _pin_names(entries, suffix, pins, nodes)
    direction = np.zeros(nodes, np.int8)
    direction[moved[entries.conn_node][::-1]] = entries.conn_direction[::-1]
    ground = np.zeros((nodes, corners))
    np.add.at(ground, moved[entries.ground_node], entries.ground)
    pair_nodes, pair, listed = _couplings(entries, moved)
    loops = entries.res_nodes[:, 0] == entries.res_nodes[:, 1] if len(entries.res) else np.zeros(0, np.bool_)
    if loops.any():
        entries.notes.add("resistor from a node to itself dropped", times=int(loops.sum()))
    kept = np.flatnonzero(~loops)
    kept = kept[np.argsort(entries.res_net[kept], kind="stable")]
    _check_totals(entries)
    return Parasitics(
        name=entries.name,
        net_names=printed_table(entries.net_texts),
        net_capacitance=entries.net_total,
        node_start=start.astype(np.int64),
        node_kind=kind.astype(np.int8),
        node_name=node_name.astype(np.int32),
        node_pin=node_pin,
        node_direction=direction,
        node_capacitance=ground,
        cell_names=printed_table(entries.prefixes[row] for row in cells.tolist()),
        port_names=printed_table(entries.prefixes[row] for row in terminals.tolist()),
        pin_names=pin_names,
        coupling_nodes=pair_nodes.astype(np.int32),
        coupling_capacitance=pair,
        coupling_listed=listed,
        resistor_nodes=moved[entries.res_nodes[kept]].astype(np.int32).reshape(len(kept), 2),
        resistance=entries.res[kept],
        resistor_start=np.searchsorted(entries.res_net[kept], np.arange(nets + 1)).astype(np.int64),
        corner=1 if corners == 3 else 0,
        listed={
            "ground_capacitances": len(entries.ground),
            "coupling_capacitances": len(entries.pair),
            "resistors": len(entries.res),
        },
        notes=entries.notes,
        place=entries.place,
    )


def _kinds(entries: Entries) -> tuple[LongArray, LongArray, LongArray]:
    """Kind of each node, its number where it is internal, and the net that its name says (-1 = none)."""
    net_of_prefix = np.full(len(entries.prefixes) + 1, -1, np.int64)
    net_of_prefix[entries.net_prefix[::-1]] = np.arange(len(entries.net_prefix))[::-1]
    net = net_of_prefix[entries.node_prefix]
    suffix = entries.node_suffix
    inner = (suffix < -1) & (net >= 0)
    kind = np.where(suffix == -1, PORT, np.where(inner, int(NodeKind.INTERNAL), PIN)).astype(np.int64)
    return kind, np.where(inner, -2 - suffix, 0), np.where(inner, net, -1)


def _owners(entries: Entries, inner_net: LongArray, nodes: int) -> LongArray:
    """Net of each node: what its name says, else where it is connected, else where it has a resistor or capacitor."""
    owner = np.full(nodes, -1, np.int64)
    owner[entries.ground_node[::-1]] = entries.ground_net[::-1]
    for side in (1, 0):
        owner[entries.res_nodes[::-1, side]] = entries.res_net[::-1]
    owner[entries.conn_node[::-1]] = entries.conn_net[::-1]
    return np.where(inner_net >= 0, inner_net, owner)


def _order(entries: Entries, kind: LongArray, number: LongArray, owner: LongArray) -> LongArray:
    """Nodes by net: connections in their order, other pins and ports by name, internal nodes by number."""
    nodes = len(owner)
    conn = np.full(nodes, len(entries.conn_node), np.int64)
    conn[entries.conn_node[::-1]] = np.arange(len(entries.conn_node))[::-1]
    rest = np.flatnonzero((kind != 0) & (conn == len(entries.conn_node)))
    rank = number.copy()
    if len(rest):

        def text(node: int) -> tuple[bytes, bytes]:
            suffix = int(entries.node_suffix[node])
            after = str(-2 - suffix) if suffix < -1 else ("" if suffix < 0 else entries.suffixes[suffix])
            return encode(entries.prefixes[entries.node_prefix[node]]), encode(after)

        for place, node in enumerate(sorted(rest.tolist(), key=text)):
            rank[node] = place
    net = np.where(owner < 0, len(entries.net_texts), owner)
    return np.lexsort((rank, kind == 0, conn, net))


def _renumbered(rows: LongArray) -> tuple[LongArray, LongArray]:
    """Distinct rows in order of first appearance, and the new number of each."""
    distinct, first, inverse = np.unique(rows, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return distinct[order], rank[inverse]


def _pin_names(entries: Entries, suffix: LongArray, pins: LongArray, nodes: int) -> tuple[tuple[str, ...], IntArray]:
    """Distinct pin names in order of first appearance, and the row of each pin node."""
    column = np.full(nodes, -1, np.int32)
    distinct, column[pins] = _renumbered(suffix[pins])
    names = [str(-2 - row) if row < -1 else entries.suffixes[row] for row in distinct.tolist()]
    return tuple(names), column


def _couplings(entries: Entries, moved: LongArray) -> tuple[LongArray, FloatArray, npt.NDArray[np.int8]]:
    """Each unordered pair once: nodes, capacitance, and in how many nets it is listed.

    The entries come net by net, so a stable sort by pair leaves the two nets of a pair in order.
    """
    if not len(entries.pair):
        return np.zeros((0, 2), np.int64), np.zeros((0, entries.net_total.shape[1])), np.zeros(0, np.int8)
    ends = np.sort(moved[entries.pair_nodes], axis=1)
    net = entries.pair_net
    order = np.argsort(ends[:, 0] * len(moved) + ends[:, 1], kind="stable")
    low, high, section = ends[order, 0], ends[order, 1], net[order]
    new_pair = np.concatenate([[True], (np.diff(low) != 0) | (np.diff(high) != 0)])
    new_section = new_pair | np.concatenate([[True], np.diff(section) != 0])
    part = np.cumsum(new_section) - 1
    summed = np.zeros((int(part[-1]) + 1, entries.pair.shape[1]))
    np.add.at(summed, part, entries.pair[order])
    first = np.flatnonzero(new_section)
    starts = np.flatnonzero(new_pair[first])
    sections = np.diff(np.append(starts, len(first)))
    twice = starts[sections > 1]
    if len(twice):
        other = ~np.isclose(summed[twice], summed[twice + 1], rtol=1e-6, atol=0).all(axis=1)
        if other.any():
            entries.notes.add(
                "coupling listed from its two nets with two values: the first kept", times=int(other.sum())
            )
    nodes = np.stack([low[first[starts]], high[first[starts]]], axis=1)
    return nodes, summed[starts], np.minimum(sections, 2).astype(np.int8)


def _check_totals(entries: Entries) -> None:
    """Note nets whose capacitors do not add up to the stated total."""
    nets = len(entries.net_texts)
    total = np.zeros(nets)
    np.add.at(total, entries.ground_net, entries.ground[:, 0])
    np.add.at(total, entries.pair_net, entries.pair[:, 0])
    stated = entries.net_total[:, 0]
    has = np.zeros(nets, np.bool_)
    has[entries.ground_net] = True
    has[entries.pair_net] = True
    wrong = has & (np.abs(total - stated) > TOTAL_TOLERANCE * np.maximum(np.abs(stated), np.abs(total)))
    for net in np.flatnonzero(wrong).tolist():
        entries.notes.add("total of a net differs from its capacitors by more than 1 %", entries.net_texts[net])
