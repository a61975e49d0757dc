"""Bit-parallel simulation, 64 patterns a word, and signal probabilities by simulation and by arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.levels import cell_levels
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from circuitgraph.function import Function

Word = npt.NDArray[np.uint64]
ALL = ~np.uint64(0)

PLAIN_CELLS = 20_000
"""Below this many ANDs the numpy path runs: importing numba would take longer."""


def free_nets(circuit: Circuit) -> npt.NDArray[np.int64]:
    """Nets that a simulation sets: circuit inputs in port order, then outputs of sequential cells.

    Returns:
        int64 [F]; a net that two of them drive stands once, at its first place.
    """
    inputs = circuit.port_net[(circuit.port_direction != Direction.OUTPUT) & (circuit.port_net >= 0)]
    pins = np.flatnonzero(
        circuit.is_sequential[circuit.pin_cell] & (circuit.pin_direction == Direction.OUTPUT) & (circuit.pin_net >= 0)
    )
    nets = np.concatenate([inputs, circuit.pin_net[pins]]).astype(np.int64)
    _, first = np.unique(nets, return_index=True)
    return nets[np.sort(first)]


def exhaustive_patterns(inputs: int) -> Word:
    """All 2**inputs patterns, uint64 [inputs, words]; input 0 changes fastest.

    >>> [hex(int(row[0])) for row in exhaustive_patterns(2)]
    ['0xa', '0xc']
    """
    rows = np.arange(1 << inputs, dtype=np.uint64)
    words = max(1, (1 << inputs) // 64)
    out = np.zeros((inputs, words), np.uint64)
    for index in range(inputs):
        bits = rows >> np.uint64(index) & np.uint64(1)
        np.bitwise_or.at(out[index], rows >> np.uint64(6), bits << (rows & np.uint64(63)))
    return out


def random_patterns(circuit: Circuit, words: int, draws: Draws) -> Word:
    """Random patterns for :func:`simulate`, uint64 [F, words], fixed by the draws and the circuit's content."""
    count = len(free_nets(circuit)) * words
    high = draws.uniform("patterns high", [circuit.graph_id], [count])
    low = draws.uniform("patterns low", [circuit.graph_id], [count])
    half = np.float64(1 << 32)
    return ((high * half).astype(np.uint64) << np.uint64(32) | (low * half).astype(np.uint64)).reshape(-1, words)


def simulate(circuit: Circuit, patterns: Word) -> Word:
    """Value of every net under the given patterns.

    Args:
        patterns: uint64 [F, W], rows as :func:`free_nets`.

    Returns:
        uint64 [N, W]. Undriven nets and those behind unknown functions are 0; a net with several drivers
        takes the last one's value.

    Raises:
        CircuitError: a loop, or patterns of another number of rows.
    """
    free = free_nets(circuit)
    if len(patterns) != len(free):
        raise CircuitError(
            circuit.place or circuit.name, "patterns", f"need {len(free)} rows, not {len(patterns)}", "see free_nets"
        )
    words = patterns.shape[1] if patterns.ndim == 2 else 1
    value = np.zeros((circuit.num_nets + 1, words), np.uint64)
    value[:-1][circuit.net_constant == 1] = ALL
    value[free] = patterns
    level = cell_levels(circuit)
    names = {circuit.types[row].name for row in np.unique(circuit.cell_type)}
    if names <= {"AND2", "LATCH"} and circuit.num_cells >= PLAIN_CELLS:
        _simulate_ands(circuit, level, value)
    else:
        _simulate_cells(circuit, level, value)
    return value[:-1]


def port_values(circuit: Circuit, value: Word) -> Word:
    """Values at the terminals, inversions applied, uint64 [T, W]."""
    found: Word = value[circuit.port_net]
    found[circuit.port_net < 0] = 0
    if circuit.port_inverted is not None:
        found = np.where(circuit.port_inverted[:, None], ~found, found)
    return found


def next_states(circuit: Circuit, value: Word) -> tuple[npt.NDArray[np.int64], Word]:
    """What sequential cells store at the next clock, given the values of all nets.

    Args:
        value: uint64 [N, W], as :func:`simulate` gives it.

    Returns:
        Cells int64 [S], ascending, and their next states uint64 [S, W]. A sequential cell whose next state is not
        known stands once an input pin, with that pin's value.
    """
    if (circuit.pin_net < 0).any():  # an unconnected pin reads the last row
        value = np.concatenate([value, np.zeros((1, value.shape[1]), np.uint64)])
    cells: list[npt.NDArray[np.int64]] = [np.zeros(0, np.int64)]
    states: list[Word] = [np.zeros((0, value.shape[1]), np.uint64)]
    for row, cell_type in enumerate(circuit.types):
        own = np.flatnonzero(circuit.cell_type == row)
        if not cell_type.is_sequential or not len(own):
            continue
        start, function = circuit.pin_start[own], cell_type.next_state
        if function is not None and function.inputs:
            pins = {port: _column(circuit, value, start + port) for port in function.inputs}
            cells.append(own)
            states.append(function.evaluate(pins))
        else:
            for port in cell_type.inputs:
                cells.append(own)
                states.append(_column(circuit, value, start + port))
    found, state = np.concatenate(cells), np.concatenate(states)
    order = np.argsort(found, kind="stable")
    return found[order], state[order]


def _alike(circuit: Circuit, level: npt.NDArray[np.int32]) -> list[npt.NDArray[np.int64]]:
    """Combinational cells that share level and type, group by group, levels ascending."""
    order = np.lexsort((circuit.cell_type, level))
    order = order[level[order] > 0]
    if not len(order):
        return []
    key = level[order].astype(np.int64) * len(circuit.types) + circuit.cell_type[order]
    return list(np.split(order, np.flatnonzero(np.diff(key)) + 1))


def _simulate_cells(circuit: Circuit, level: npt.NDArray[np.int32], value: Word) -> None:
    """One numpy step for each (level, type)."""
    for cells in _alike(circuit, level):
        cell_type = circuit.types[circuit.cell_type[cells[0]]]
        start = circuit.pin_start[cells]
        for port in cell_type.outputs:
            function = cell_type.functions[port]
            if function is None:
                continue
            target = circuit.pin_net[start + port]
            if function.inputs:
                columns = {port: _column(circuit, value, start + port) for port in function.inputs}
                value[target] = function.evaluate(columns)
            else:
                value[target] = ALL if function.table else np.uint64(0)


def _column(circuit: Circuit, value: Word, pins: npt.NDArray[np.int64]) -> Word:
    """Values that some pins see, their inversions applied, uint64 [cells, W]."""
    found = value[circuit.pin_net[pins]]
    if circuit.pin_inverted is not None:
        found = np.where(circuit.pin_inverted[pins][:, None], ~found, found)
    return found


def _simulate_ands(circuit: Circuit, level: npt.NDArray[np.int32], value: Word) -> None:
    ands = np.flatnonzero(level > 0)
    if not (np.diff(level[ands]) >= 0).all():
        ands = ands[np.argsort(level[ands], kind="stable")]
    first = circuit.pin_start[ands]
    inverted = circuit.pin_inverted
    flags = np.zeros(circuit.num_pins, np.uint8) if inverted is None else inverted.view(np.uint8)
    pins = first[:, None] + np.arange(3)
    _compiled_ands()(np.ascontiguousarray(circuit.pin_net[pins]), np.ascontiguousarray(flags[pins]), value)


@lru_cache(maxsize=1)
def _compiled_ands() -> Callable[..., Any]:
    from circuitgraph.kernels import compiled

    return compiled("void(int32[:, ::1], uint8[:, ::1], uint64[:, ::1])")(_kernel_ands)


def _kernel_ands(net: Any, inverted: Any, value: Any) -> None:
    ones = ~np.uint64(0)
    for row in range(len(net)):
        left, right, out = net[row, 0], net[row, 1], net[row, 2]
        flip_left = ones if inverted[row, 0] else np.uint64(0)
        flip_right = ones if inverted[row, 1] else np.uint64(0)
        for word in range(value.shape[1]):
            value[out, word] = (value[left, word] ^ flip_left) & (value[right, word] ^ flip_right)


def simulated_probability(circuit: Circuit, words: int = 64, seed: int = 0) -> npt.NDArray[np.float64]:
    """Share of patterns under which each net is 1, free nets uniform, float64 [N].

    Its standard error is at most 0.5 / sqrt(64 * words).
    """
    value = simulate(circuit, random_patterns(circuit, words, Draws(seed)))
    ones: npt.NDArray[np.float64] = np.bitwise_count(value).sum(axis=1, dtype=np.int64) / (64.0 * words)
    return ones


def cop_probability(circuit: Circuit, source: npt.NDArray[np.float64] | None = None) -> npt.NDArray[np.float64]:
    """Probability that each net is 1, fan-ins taken for independent, float64 [N].

    Args:
        source: probability of each free net, [F]; 0.5 when None. Undriven nets count as 0.5.

    Source: F. Brglez, On testability analysis of combinational networks (ISCAS 1984), the controllability of COP.

    >>> from circuitgraph.cell_types import gate_type
    >>> from circuitgraph.circuit import CircuitBuilder
    >>> builder = CircuitBuilder()
    >>> nets = [builder.input("a"), builder.input("b"), builder.net("y")]
    >>> _ = builder.cell("u1", gate_type("AND", 2), nets)
    >>> float(cop_probability(builder.build())[2])
    0.25
    """
    free = free_nets(circuit)
    found = np.full(circuit.num_nets + 1, 0.5)
    found[:-1][circuit.net_constant >= 0] = np.array([0.0, 1.0, 0.5])[circuit.net_constant[circuit.net_constant >= 0]]
    found[free] = 0.5 if source is None else source
    level = cell_levels(circuit)
    inverted = circuit.pin_inverted
    for cells in _alike(circuit, level):
        cell_type = circuit.types[circuit.cell_type[cells[0]]]
        start = circuit.pin_start[cells]
        for port in cell_type.outputs:
            function = cell_type.functions[port]
            if function is None:
                continue
            columns = []
            for index in function.inputs:
                one = found[circuit.pin_net[start + index]]
                columns.append(one if inverted is None else np.where(inverted[start + index], 1 - one, one))
            found[circuit.pin_net[start + port]] = _probability(function, columns, len(cells))
    return found[:-1]


def _probability(function: Function, columns: list[npt.NDArray[np.float64]], cells: int) -> npt.NDArray[np.float64]:
    """Sum over the on-set of a table; a wide gate step by step along its program."""
    if function.table is not None:
        total = np.zeros(cells)
        for row in range(1 << len(columns)):
            if function.table >> row & 1:
                term = np.ones(cells)
                for place, one in enumerate(columns):
                    term = term * (one if row >> place & 1 else 1 - one)
                total += term
        return total
    assert function.program is not None
    by_port = dict(zip(function.inputs, columns, strict=True))
    stack: list[npt.NDArray[np.float64]] = []
    for step in function.program:
        if isinstance(step, int):
            stack.append(by_port[step])
        elif step == "not":
            stack.append(1 - stack.pop())
        elif step in {"0", "1"}:
            stack.append(np.full(cells, float(step)))
        else:
            right, left = stack.pop(), stack.pop()
            both = left * right
            stack.append(both if step == "and" else left + right - both if step == "or" else left + right - 2 * both)
    return stack.pop()
