"""Cuts of an AIG: at most 12 sets of up to four leaves a gate, their truth tables, and what they match.

A cut of a gate is a set of variables that every path from the inputs to the gate crosses; the gate is a function of
them. Of the cuts that no smaller one contains, 12 a gate are kept: fewest leaves first, then the largest volume, then
the structural colour of the leaves. Volume is the number of ANDs between leaves and gate, counted once a path and cut
at 255. Neither the order of cells nor that of the two pins of an AND decides, save between latches of equal fan-out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.and_graph import AndGraph, and_graph
from circuitgraph.analysis.npn import NPN_CLASSES, npn_class, npn_table
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.errors import CircuitError

IntArray = npt.NDArray[np.int32]

MAX_LEAVES = 4
CUTS_PER_GATE = 12

XOR2, XOR3, MAJ3 = 1, 2, 4
"""Bits of :func:`roots`."""

_ROOT_TABLES = ((XOR2, 2, 0x6666), (XOR3, 3, 0x9696), (MAJ3, 3, 0xE8E8))
"""Bit, number of leaves, a table of the class."""


@dataclass(frozen=True, eq=False)
class Cuts:
    """Kept cuts of A ANDs, c slots each; the gate itself as its own only leaf is not among them.

    | field | type, shape | meaning |
    |---|---|---|
    | count | uint8 [A] | slots in use |
    | leaf | int32 [A, c, k] | variables, ascending; -1 behind the last |
    | size | uint8 [A, c] | number of leaves |
    | volume | uint8 [A, c] | ANDs from the leaves to the gate, counted once a path, at most 255 |
    | table | uint16 [A, c] | function of the leaves, the first one fastest, repeated up to 16 bits |
    """

    count: npt.NDArray[np.uint8]
    leaf: IntArray
    size: npt.NDArray[np.uint8]
    volume: npt.NDArray[np.uint8]
    table: npt.NDArray[np.uint16]

    @property
    def used(self) -> npt.NDArray[np.bool_]:
        """Slots in use, bool [A, c]."""
        found: npt.NDArray[np.bool_] = np.arange(self.size.shape[1]) < self.count[:, None]
        return found


def find_cuts(circuit: Circuit, graph: AndGraph, leaves: int = MAX_LEAVES, limit: int = CUTS_PER_GATE) -> Cuts:
    """Priority cuts of every AND; 20 bytes a slot of four leaves, so 240 MB for a million ANDs.

    Args:
        graph: :func:`and_graph` of the circuit.
        leaves: most leaves of a cut, 2 to 4.
        limit: most cuts of a gate.

    Raises:
        CircuitError: *leaves* or *limit* is out of range.

    Source: A. Mishchenko, S. Cho, S. Chatterjee, R. Brayton, Combinational and sequential mapping with priority cuts
    (ICCAD 2007).
    """
    if not (2 <= leaves <= MAX_LEAVES and 1 <= limit <= 64):
        rule = f"must be 2 to 4 and 1 to 64, not {leaves} and {limit}"
        raise CircuitError("cuts", "leaves, limit", rule, "use 4 and 12")
    from circuitgraph.analysis.cut_kernels import kernel_cuts

    ands = graph.num_ands
    found = Cuts(
        np.zeros(ands, np.uint8),
        np.full((ands, limit, leaves), -1, np.int32),
        np.zeros((ands, limit), np.uint8),
        np.zeros((ands, limit), np.uint8),
        np.zeros((ands, limit), np.uint16),
    )
    if ands:
        kernel_cuts(
            graph.fan_in,
            graph.inverted,
            graph.constant,
            graph.free,
            _colours(circuit, graph),
            found.count,
            found.leaf,
            found.size,
            found.volume,
            found.table,
        )
    return found


def cut_classes(circuit: Circuit) -> npt.NDArray[np.int16]:
    """NPN class of the best cut of each AND, int16 [N]; -1 for nets that no AND drives.

    Best is the kept cut with the most leaves (up to four), then with the largest volume, then of the lowest class.

    Raises:
        CircuitError: the circuit is no AIG.
    """
    graph = and_graph(circuit)
    cuts = find_cuts(circuit, graph)
    npn = npn_table()[cuts.table]
    score = cuts.size.astype(np.int32) << 18 | cuts.volume.astype(np.int32) << 9 | (NPN_CLASSES - npn)
    score[~cuts.used] = -1
    found = np.full(circuit.num_nets, -1, np.int16)
    if graph.num_ands:
        found[graph.and_net] = np.take_along_axis(npn, score.argmax(axis=1)[:, None], 1)[:, 0]
    return found


def roots(circuit: Circuit) -> npt.NDArray[np.uint8]:
    """Which nets are XORs of two or three, or majorities of three, of other nets, uint8 [N].

    Bits XOR2 = 1, XOR3 = 2, MAJ3 = 4; operands and result may be complemented.

    Raises:
        CircuitError: the circuit is no AIG.
    """
    graph = and_graph(circuit)
    cuts = find_cuts(circuit, graph, 3)
    found = np.zeros(circuit.num_nets, np.uint8)
    for bit, _, _ in _ROOT_TABLES:
        found[graph.and_net[_matches(cuts, bit).any(axis=1)]] |= np.uint8(bit)
    return found


def adders(circuit: Circuit) -> IntArray:
    """Full adders: (net of an XOR3, net of a MAJ3) over the same three nets, int32 [M, 2], ascending.

    Operands and results may be complemented, so a full subtractor is one too; a sum with several such carries stands
    in several rows.

    Raises:
        CircuitError: the circuit is no AIG.
    """
    graph = and_graph(circuit)
    cuts = find_cuts(circuit, graph, 3)
    sums, carries = (np.argwhere(_matches(cuts, bit)) for bit in (XOR3, MAJ3))
    leaves = np.concatenate([cuts.leaf[rows[:, 0], rows[:, 1]] for rows in (sums, carries)])
    _, group = np.unique(leaves, axis=0, return_inverse=True)
    group = group.reshape(-1)
    return _joined(graph, sums[:, 0], group[: len(sums)], carries[:, 0], group[len(sums) :])


def half_adders(circuit: Circuit) -> IntArray:
    """Half adders: (net of an XOR2, net of an AND) over the same two nets, int32 [M, 2], ascending.

    The ANDs that an XOR2 is made of are over the same two nets; such a one is a carry only if something else reads it.

    Raises:
        CircuitError: the circuit is no AIG.
    """
    graph = and_graph(circuit)
    cuts = find_cuts(circuit, graph, 3)
    sums = np.argwhere(_matches(cuts, XOR2))
    leaves = np.concatenate([cuts.leaf[sums[:, 0], sums[:, 1], :2], np.sort(graph.fan_in, axis=1)])
    _, group = np.unique(leaves, axis=0, return_inverse=True)
    group = group.reshape(-1)
    pairs = _joined(graph, sums[:, 0], group[: len(sums)], np.arange(graph.num_ands), group[len(sums) :])
    parts = graph.fan_in[graph.variable[pairs[:, 0]] - graph.first_and]
    inside = (parts == graph.variable[pairs[:, 1]][:, None]).any(axis=1)
    found: IntArray = pairs[circuit.net_load_count[pairs[:, 1]] > inside]
    return found


def _matches(cuts: Cuts, bit: int) -> npt.NDArray[np.bool_]:
    """Slots whose function is of the class of one bit, bool [A, c]."""
    leaves, table = next((leaves, table) for known, leaves, table in _ROOT_TABLES if known == bit)
    found: npt.NDArray[np.bool_] = cuts.used & (cuts.size == leaves) & (npn_table()[cuts.table] == npn_class(table))
    return found


def _joined(
    graph: AndGraph,
    left: npt.NDArray[np.intp],
    left_group: npt.NDArray[np.intp],
    right: npt.NDArray[np.intp],
    right_group: npt.NDArray[np.intp],
) -> IntArray:
    """Nets of all (left, right) ANDs of equal group, each pair once, int32 [M, 2]."""
    order = np.argsort(right_group, kind="stable")
    start = np.searchsorted(right_group[order], left_group)
    count = np.searchsorted(right_group[order], left_group, side="right") - start
    place = np.repeat(start - (np.cumsum(count) - count), count) + np.arange(count.sum())
    pairs = np.stack([np.repeat(left, count), right[order[place]]], axis=1)
    nets: IntArray = graph.and_net[pairs[pairs[:, 0] != pairs[:, 1]]].reshape(-1, 2)
    found: IntArray = np.unique(nets, axis=0)
    return found


def _colours(circuit: Circuit, graph: AndGraph) -> npt.NDArray[np.uint64]:
    """A hash of the structure below each variable, uint64 [V].

    An input's is of its place among the ports, a latch's of its fan-out, a constant's of its value.
    """
    from circuitgraph.analysis.cut_kernels import kernel_colours

    inputs = len(np.unique(circuit.port_net[(circuit.port_direction != Direction.OUTPUT) & (circuit.port_net >= 0)]))
    start = np.arange(1, graph.num_variables + 1, dtype=np.uint64)
    fan_out = circuit.net_load_count[graph.net[inputs : graph.free]].astype(np.uint64)
    start[inputs : graph.free] = fan_out + np.uint64(1 << 40)
    start[graph.free : graph.first_and] = graph.constant.astype(np.uint64) + np.uint64(1 << 41)
    kernel_colours(graph.fan_in, graph.inverted, start)
    return start


__all__ = [
    "CUTS_PER_GATE",
    "MAJ3",
    "MAX_LEAVES",
    "XOR2",
    "XOR3",
    "Cuts",
    "adders",
    "cut_classes",
    "find_cuts",
    "half_adders",
    "npn_class",
    "roots",
]
