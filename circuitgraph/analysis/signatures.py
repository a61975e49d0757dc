"""Signatures: the values of nets under fixed patterns, and what two circuits of one function share.

Patterns depend on (seed, place of the input, word) and on nothing else: more words continue fewer, and two circuits
with inputs in the same order see the same patterns. Biased words cycle the densities 1/2, 1/4, 3/4, 1/8, 7/8, 1/32,
31/32, one density for all inputs in a word: that tells gates apart that uniform patterns never tell apart.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from circuitgraph.analysis.simulation import ALL, free_nets, next_states, port_values, simulate
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.draws import seed_of

Word = npt.NDArray[np.uint64]
LongArray = npt.NDArray[np.int64]

DENSITIES = ((1, False), (2, False), (2, True), (3, False), (3, True), (5, False), (5, True))
"""Of the words of a cycle: how many random words are joined, and whether by OR (else AND)."""

DIGITS = "0123456789"
NAMED_WORDS = 4
COLOUR_WORDS = 4
COLOUR_ROUNDS = 3
MAX_COLOURED = 8_192
"""Above this many inputs :func:`circuit_signature` refines colours in one round, above four times as many in none."""

_VALUES_AT_ONCE = 1 << 24
"""Words of simulated values that are held at a time: 128 MB."""


def input_patterns(inputs: int, words: int, seed: int = 0, *, biased: bool = True) -> Word:
    """Patterns of a number of inputs, uint64 [inputs, words].

    Args:
        biased: cycle :data:`DENSITIES` over the words; otherwise every word is uniform.

    >>> bool((input_patterns(3, 2) == input_patterns(5, 9)[:3, :2]).all())
    True
    """
    found = np.empty((inputs, words), np.uint64)
    for word in range(words):
        joined, by_or = DENSITIES[word % len(DENSITIES)] if biased else (1, False)
        generator = np.random.Philox(key=seed_of(seed, "signature", int(biased), word))
        raw = generator.random_raw(inputs * joined).astype(np.uint64).reshape(inputs, joined)
        found[:, word] = (np.bitwise_or if by_or else np.bitwise_and).reduce(raw, axis=1)
    return found


def biased_patterns(circuit: Circuit, words: int, seed: int = 0) -> Word:
    """Biased patterns for :func:`~circuitgraph.analysis.simulation.simulate`, uint64 [F, words]."""
    return input_patterns(len(free_nets(circuit)), words, seed)


def signatures(circuit: Circuit, words: int = 16, seed: int = 0, *, biased: bool = True) -> Word:
    """Values of every net under 64 * words patterns, uint64 [N, words]; any cells, latches cut.

    Args:
        biased: biased patterns, which tell more gates apart, or uniform ones.

    Raises:
        CircuitError: there is a loop.
    """
    return simulate(circuit, input_patterns(len(free_nets(circuit)), words, seed, biased=biased))


def normalised(values: Word) -> tuple[Word, npt.NDArray[np.bool_]]:
    """Signatures up to complement: the first pattern's bit is 0 in every row.

    Args:
        values: uint64 [R, words].

    Returns:
        The rows, uint64 [R, words], and which were complemented, bool [R].

    >>> rows, flag = normalised(np.array([[5], [~np.uint64(5)]], np.uint64))
    >>> rows.tolist(), flag.tolist()
    ([[18446744073709551610], [18446744073709551610]], [True, False])
    """
    flag = (values[:, 0] & np.uint64(1)).astype(np.bool_)
    return np.where(flag[:, None], ~values, values), flag


def group(rows: Word) -> LongArray:
    """First row of equal content for each row, int64 [R]; a row without an equal earlier one is its own.

    Args:
        rows: uint64 [R, words], as :func:`normalised` gives them.

    >>> group(np.array([[7], [3], [7]], np.uint64)).tolist()
    [0, 1, 0]
    """
    found = np.arange(len(rows))
    if not len(rows):
        return found
    key = np.zeros(len(rows), np.uint64)
    for word in range(rows.shape[1]):
        key = _mixed(key + rows[:, word])
    order = np.argsort(key, kind="stable")
    same = key[order[1:]] == key[order[:-1]]
    at = np.flatnonzero(same)
    same[at] = (rows[order[at + 1]] == rows[order[at]]).all(axis=1)
    start = np.concatenate([[0], np.flatnonzero(~same) + 1])
    found[order] = np.repeat(order[start], np.diff(np.append(start, len(rows))))
    return found


@dataclass(frozen=True)
class CircuitSignature:
    """What circuits of one function share; equal texts join two circuits into a family.

    Attributes:
        named: hash of the outputs, in name order, under 256 patterns given to the inputs in name order.
        anonymous: hash of the outputs that does not depend on names or on the order of terminals.
    """

    named: str
    anonymous: str


def circuit_signature(circuit: Circuit) -> CircuitSignature:
    """Two short hashes of a circuit's function: by names, and without them.

    Latches are cut: their outputs are inputs, their next states outputs, so a circuit and its combinational part have
    one anonymous signature. Names count only by their order, digits by value (``a2`` before ``a10``).
    *anonymous* gives every input a colour, at first the same, and patterns by its colour; then the change of the
    outputs when one input is complemented, summed over outputs, becomes part of its colour, and so on for three rounds.
    Inputs that change nothing are left out. Equal functions get equal signatures at any order of terminals; different
    ones nearly always different ones, save where they differ only between inputs of one colour.

    Raises:
        CircuitError: there is a loop.
    """
    free = free_nets(circuit)
    return CircuitSignature(_named(circuit, free), _anonymous(circuit, free))


def _named(circuit: Circuit, free: LongArray) -> str:
    place_of = {net: place for place, net in enumerate(free.tolist())}
    inputs = np.flatnonzero((circuit.port_direction != Direction.OUTPUT) & (circuit.port_net >= 0))
    ports = _by_name([circuit.port_names.text(int(row)) for row in inputs])
    order = [place_of.pop(net) for net in circuit.port_net[inputs[ports]].tolist() if net in place_of]
    states = sorted(place_of.values())
    cells = circuit.pin_cell[[_driver(circuit, int(free[place])) for place in states]]
    order += [states[row] for row in _by_name([circuit.cell_names.text(int(cell)) for cell in cells])]
    patterns = np.empty((len(free), NAMED_WORDS), np.uint64)
    patterns[order] = input_patterns(len(free), NAMED_WORDS, biased=False)
    value = simulate(circuit, patterns)
    outputs = np.flatnonzero((circuit.port_direction != Direction.INPUT) & (circuit.port_net >= 0))
    rows = port_values(circuit, value)[outputs[_by_name([circuit.port_names.text(int(row)) for row in outputs])]]
    stored, state = next_states(circuit, value)
    state = state[_by_name([circuit.cell_names.text(int(cell)) for cell in stored])]
    return _digest(np.concatenate([rows, state]))


def _driver(circuit: Circuit, net: int) -> int:
    """First output pin on a net that a sequential cell drives."""
    start, pins = circuit.net_pins
    on_net = pins[start[net] : start[net + 1]]
    drives = (circuit.pin_direction[on_net] == Direction.OUTPUT) & circuit.is_sequential[circuit.pin_cell[on_net]]
    return int(on_net[drives][0])


def _by_name(names: Sequence[str]) -> list[int]:
    """Rows in the order of their names, digits by value; signs between letters and digits do not count."""
    keys = []
    for name in names:
        parts = re.findall(r"[0-9]+|[^\W\d_]+", name)
        keys.append([(len(part.lstrip("0")), part.lstrip("0")) if part[0] in DIGITS else (-1, part) for part in parts])
    return sorted(range(len(names)), key=lambda row: (keys[row], names[row]))


def _anonymous(circuit: Circuit, free: LongArray) -> str:
    colour = np.zeros(len(free), np.uint64)
    changes = np.zeros(len(free), np.bool_)
    rounds = COLOUR_ROUNDS if len(free) <= MAX_COLOURED else 1 if len(free) <= 4 * MAX_COLOURED else 0
    for turn in range(rounds):
        influence = _influences(circuit, colour, turn)
        changes |= influence != 0
        colour = _mixed(colour + _mixed(influence))
    rows = _outputs(circuit, simulate(circuit, _coloured_patterns(colour, rounds)))
    inputs = np.sort(colour[changes])
    return _digest(rows[np.lexsort(rows.T[::-1])], inputs)


def _influences(circuit: Circuit, colour: Word, turn: int) -> Word:
    """What complementing each input changes, summed over the outputs, uint64 [F]; 0 where nothing changes."""
    base = _coloured_patterns(colour, turn)
    words = base.shape[1]
    before = _outputs(circuit, simulate(circuit, base))
    weight = np.zeros(len(before), np.uint64)
    for word in range(words):
        weight = _mixed(weight + before[:, word])
    found = np.zeros(len(colour), np.uint64)
    at_once = max(1, _VALUES_AT_ONCE // max(1, circuit.num_nets * words))
    for start in range(0, len(colour), at_once):
        chosen = np.arange(start, min(start + at_once, len(colour)))
        patterns = np.tile(base[:, None], (1, len(chosen), 1))
        patterns[chosen, chosen - start] ^= ALL
        after = _outputs(circuit, simulate(circuit, patterns.reshape(len(base), -1)))
        change = after.reshape(len(before), len(chosen), words) ^ before[:, None]
        mixed = np.zeros(change.shape[:2], np.uint64)
        for word in range(words):
            mixed = _mixed(mixed + change[:, :, word])
        touched = change.any(axis=2)
        found[chosen] = np.where(touched, _mixed(mixed + weight[:, None]), np.uint64(0)).sum(axis=0, dtype=np.uint64)
    return found


def _coloured_patterns(colour: Word, turn: int) -> Word:
    """Patterns that depend on the colour of each input only, uint64 [F, words]; every second word is of density 1/4."""
    words = [_mixed(_mixed(colour + np.uint64(seed_of("colour", turn, word)))) for word in range(COLOUR_WORDS + 2)]
    found = np.stack(words[:COLOUR_WORDS], axis=1)
    found[:, 1] &= words[COLOUR_WORDS]
    found[:, 3] |= words[COLOUR_WORDS + 1]
    return found


def _outputs(circuit: Circuit, value: Word) -> Word:
    """Values at the outputs, then next states, uint64 [O, words]."""
    outputs = (circuit.port_direction != Direction.INPUT) & (circuit.port_net >= 0)
    return np.concatenate([port_values(circuit, value)[outputs], next_states(circuit, value)[1]])


def _mixed(value: Word) -> Word:
    """The finaliser of splitmix64, elementwise; 0 does not stay 0.

    Source: G. Steele, D. Lea, C. Flood, Fast splittable pseudorandom number generators (OOPSLA 2014).
    """
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ value >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ value >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return value ^ value >> np.uint64(31)


def _digest(*arrays: Word) -> str:
    """First 32 hexadecimal digits of the sha256 of some arrays and their shapes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(repr(array.shape).encode())
        digest.update(np.ascontiguousarray(array, "<u8").data)
    return digest.hexdigest()[:32]


__all__ = [
    "DENSITIES",
    "CircuitSignature",
    "biased_patterns",
    "circuit_signature",
    "group",
    "input_patterns",
    "normalised",
    "signatures",
]
