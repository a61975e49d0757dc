"""An AIG as arrays in topological order: what the exact functions on AIGs (sketch, cuts, miters) work on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.levels import cell_levels
from circuitgraph.analysis.simulation import free_nets
from circuitgraph.cell_types import AND2, LATCH
from circuitgraph.circuit import Circuit
from circuitgraph.errors import CircuitError

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class AndGraph:
    """Variables of an AIG: F free nets, K constant nets that are read, then A ANDs, fan-ins first; V = F + K + A.

    | field | type, shape | meaning |
    |---|---|---|
    | free | int | F; free nets are in the order of :func:`~circuitgraph.analysis.simulation.free_nets` |
    | constant | uint8 [K] | value of each constant variable (x counts as 0, as in simulation) |
    | fan_in | int32 [A, 2] | variables that each AND reads, in pin order |
    | inverted | uint8 [A, 2] | 1 where the fan-in is complemented |
    | net | int32 [V] | net of each variable |
    | variable | int32 [N] | variable of each net, -1 for one that is not driven, or constant and not read |
    | cell | int32 [A] | cell of each AND |
    """

    free: int
    constant: ByteArray
    fan_in: IntArray
    inverted: ByteArray
    net: IntArray
    variable: IntArray
    cell: IntArray

    @property
    def first_and(self) -> int:
        """Variable of the first AND, F + K."""
        return self.free + len(self.constant)

    @property
    def num_ands(self) -> int:
        """Number of ANDs, A."""
        return len(self.fan_in)

    @property
    def num_variables(self) -> int:
        """Number of variables, V."""
        return len(self.net)

    @property
    def and_net(self) -> IntArray:
        """Net of each AND, int32 [A]."""
        return self.net[self.first_and :]


def and_graph(circuit: Circuit) -> AndGraph:
    """The arrays of an AIG.

    The order is that of the cells where it is topological, else by level.

    Raises:
        CircuitError: a cell is neither AND2 nor LATCH, a pin is unconnected, a net is read without a driver or has
            several, or there is a loop.

    >>> from circuitgraph.circuit import CircuitBuilder
    >>> builder = CircuitBuilder("nor")
    >>> nets = [builder.input("a"), builder.input("b"), builder.net("y")]
    >>> _ = builder.cell("", AND2, nets, [True, True, False])
    >>> graph = and_graph(builder.build())
    >>> graph.free, graph.fan_in.tolist(), graph.inverted.tolist()
    (2, [[0, 1]], [[1, 1]])
    """
    place = circuit.place or circuit.name
    is_and = _and_cells(circuit, place)
    free, ands = free_nets(circuit), np.flatnonzero(is_and)
    pins = circuit.pin_net[circuit.pin_start[ands][:, None] + np.arange(3)] if len(ands) else np.zeros((0, 3), np.int32)
    if (pins < 0).any():
        row, column = np.argwhere(pins < 0)[0]
        pin = circuit.pin_text(int(circuit.pin_start[ands[row]] + column))
        raise CircuitError(place, f"pin {pin!r}", "is unconnected", "connect it or remove the cell")
    read = np.zeros(circuit.num_nets, np.bool_)
    read[pins[:, :2]] = True
    constant = np.flatnonzero((circuit.net_constant >= 0) & read)
    _check_drivers(circuit, free, constant, pins, read, place)
    first = len(free) + len(constant)
    variable = np.full(circuit.num_nets, -1, np.int32)
    variable[free] = np.arange(len(free))
    variable[constant] = len(free) + np.arange(len(constant))
    variable[pins[:, 2]] = first + np.arange(len(ands))
    if (variable[pins[:, :2]] >= (first + np.arange(len(ands)))[:, None]).any():
        order = np.argsort(cell_levels(circuit)[ands], kind="stable")
        ands, pins = ands[order], pins[order]
        variable[pins[:, 2]] = first + np.arange(len(ands))
    inverted = np.zeros((len(ands), 2), np.uint8)
    if circuit.pin_inverted is not None:
        inverted = circuit.pin_inverted[circuit.pin_start[ands][:, None] + np.arange(2)].astype(np.uint8)
    return AndGraph(
        free=len(free),
        constant=(circuit.net_constant[constant] == 1).astype(np.uint8),
        fan_in=np.ascontiguousarray(variable[pins[:, :2]]),
        inverted=inverted,
        net=np.concatenate([free, constant, pins[:, 2]]).astype(np.int32),
        variable=variable,
        cell=ands.astype(np.int32),
    )


def _and_cells(circuit: Circuit, place: str) -> npt.NDArray[np.bool_]:
    """Which cells are ANDs, bool [C]; the others are latches."""
    if not circuit.num_cells:
        return np.zeros(0, np.bool_)
    for row in np.unique(circuit.cell_type).tolist():
        if circuit.types[row] not in {AND2, LATCH}:
            raise CircuitError(
                place,
                f"type {circuit.types[row].name!r}",
                "is neither AND2 nor LATCH, and only AIGs have these functions",
                "synthesise it to an AIG",
            )
    flags = np.array([cell_type == AND2 for cell_type in circuit.types], np.bool_)
    return flags[circuit.cell_type]


def _check_drivers(
    circuit: Circuit,
    free: LongArray,
    constant: npt.NDArray[np.intp],
    pins: IntArray,
    read: npt.NDArray[np.bool_],
    place: str,
) -> None:
    """Every net that an AND reads has one driver, and no net that an AND drives has another."""
    drivers = np.bincount(np.concatenate([free, constant, pins[:, 2]]).astype(np.int64), minlength=circuit.num_nets)
    silent = np.flatnonzero(read & (drivers == 0))
    if len(silent):
        name = circuit.net_names.text(int(silent[0]))
        raise CircuitError(place, f"net {name!r}", "is read but has no driver", "drive it or remove its readers")
    crowded = np.flatnonzero(drivers > 1)
    if len(crowded):
        name = circuit.net_names.text(int(crowded[0]))
        raise CircuitError(place, f"net {name!r}", f"has {drivers[crowded[0]]} drivers", "an AIG needs exactly one")


__all__ = ["AndGraph", "and_graph"]
