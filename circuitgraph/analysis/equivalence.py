"""Equal gates of an AIG: candidates by simulation, proofs by ABC, and near misses.

Simulation alone is no label: in EPFL's arbiter thousands of gates agree on a million uniform patterns and none is equal
to another. So there are three answers: equal (proven), different (a pattern tells them apart), undecided.
"""

from __future__ import annotations

import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from circuitgraph.abc_program import AbcTimeout, run_abc
from circuitgraph.analysis.and_graph import AndGraph, and_graph
from circuitgraph.analysis.signatures import group, input_patterns
from circuitgraph.analysis.simulation import ALL, simulate
from circuitgraph.cell_types import AND2
from circuitgraph.circuit import Circuit, Direction
from circuitgraph.draws import seed_of
from circuitgraph.errors import CircuitError
from circuitgraph.formats.aiger import read_aiger
from circuitgraph.formats.aiger_writer import write_aiger
from circuitgraph.names import NameTable

IntArray = npt.NDArray[np.int32]
LongArray = npt.NDArray[np.int64]
ByteArray = npt.NDArray[np.uint8]
BoolArray = npt.NDArray[np.bool_]
Word = npt.NDArray[np.uint64]

EQUAL, DIFFERENT, UNDECIDED = 1, 0, -1

REFUTING_WORDS = 256
NEAR_WORDS = 4
WORDS_AT_ONCE = 16
SAT_OUTPUTS = 8_000
"""Most miters of one SAT run: ABC prints a line for each, and what it prints is read up to 1 MB."""

_COUNTEREXAMPLE = re.compile(r"CEX: Po = *([0-9]+)")


def candidates(circuit: Circuit, words: int = 4096 // 64, seed: int = 0) -> tuple[IntArray, ByteArray]:
    """Gates that agree with an earlier one, up to complement, on every pattern of a simulation.

    Args:
        words: uniform words of 64 patterns, and as many biased ones.

    Returns:
        Nets int32 [T, 2]: the first gate of each class and a later one, in topological order of the later one;
        inverted uint8 [T], 1 where one is the complement of the other.

    Raises:
        CircuitError: the circuit is no AIG.
    """
    graph = and_graph(circuit)
    leader, flag = _classes(circuit, graph, words, seed)
    later = np.flatnonzero(leader != np.arange(graph.num_ands))
    pairs = np.stack([graph.and_net[leader[later]], graph.and_net[later]], axis=1)
    return pairs, (flag[leader[later]] != flag[later]).astype(np.uint8)


def _classes(circuit: Circuit, graph: AndGraph, words: int, seed: int) -> tuple[LongArray, BoolArray]:
    """First AND that agrees with each AND (int64 [A]), and whether its signature was complemented (bool [A])."""
    leader = np.zeros(graph.num_ands, np.int64)
    flag = np.zeros(graph.num_ands, np.bool_)
    for turn, values in enumerate(_values(circuit, graph, graph.and_net, words, seed)):
        if not turn:
            flag = (values[:, 0] & np.uint64(1)).astype(np.bool_)
        values = np.where(flag[:, None], ~values, values)
        leader = group(np.concatenate([leader[:, None].astype(np.uint64), values], axis=1))
    return leader, flag


def _values(circuit: Circuit, graph: AndGraph, nets: npt.NDArray[np.integer], words: int, seed: int) -> Iterator[Word]:
    """Values of some nets under uniform, then under biased words, a few words at a time."""
    for biased in (False, True):
        patterns = input_patterns(graph.free, words, seed, biased=biased)
        for start in range(0, words, WORDS_AT_ONCE):
            yield simulate(circuit, np.ascontiguousarray(patterns[:, start : start + WORDS_AT_ONCE]))[nets]


def prove(
    circuit: Circuit,
    pairs: npt.NDArray[np.integer],
    inverted: npt.NDArray[np.integer],
    conflicts: int = 1000,
    time_limit: float = 60.0,
) -> npt.NDArray[np.int8]:
    """Whether pairs of nets are equal, by simulation and SAT, int8 [T]: 1 equal, 0 different, -1 undecided.

    New patterns refute what they can; SAT sweeping over one miter a pair proves; a SAT call a miter decides the rest.
    Latch outputs are free inputs. What is proven or refuted is so; only how much is left undecided depends on the
    limits.

    Args:
        pairs: nets, [T, 2].
        inverted: [T], 1 where equality with the complement is asked for.
        conflicts: most conflicts of a SAT call.
        time_limit: s, for all of ABC's runs together.

    Raises:
        CircuitError: the circuit is no AIG, a net has no driver, or ABC is not installed or fails.

    Source: A. Mishchenko, S. Chatterjee, R. Jiang, R. Brayton, FRAIGs: a unifying representation for logic synthesis
    and verification (2005).
    """
    graph = and_graph(circuit)
    place = circuit.place or circuit.name
    sides = graph.variable[np.asarray(pairs, np.int64).reshape(-1, 2)]
    if (sides < 0).any():
        raise CircuitError(place, "pairs", "name a net that nothing drives or reads", "give nets of gates or inputs")
    flips = np.asarray(inverted, np.bool_).reshape(-1)
    found = np.full(len(sides), UNDECIDED, np.int8)
    found[_refuted(circuit, graph, sides, flips)] = DIFFERENT
    end = time.monotonic() + time_limit
    rows = np.flatnonzero(found == UNDECIDED)
    if len(rows):
        commands = ["&r miters.aig", f"&fraig -C {int(conflicts)}", "&w -n -s answer.aig"]
        found[rows] = _asked(graph, sides[rows], flips[rows], commands, end, place)
    rows = np.flatnonzero(found == UNDECIDED)
    for start in range(0, len(rows), SAT_OUTPUTS):
        some = rows[start : start + SAT_OUTPUTS]
        commands = ["&r miters.aig", f"&sat -a -z -C {int(conflicts)}", "print_status", "&w -n -s answer.aig"]
        found[some] = _asked(graph, sides[some], flips[some], commands, end, place)
    return found


def _refuted(circuit: Circuit, graph: AndGraph, sides: IntArray, flips: BoolArray) -> BoolArray:
    """Pairs that some pattern tells apart, bool [T]."""
    found = np.zeros(len(sides), np.bool_)
    if not len(sides):
        return found
    nets, place = np.unique(graph.net[sides], return_inverse=True)
    place = place.reshape(-1, 2)
    for values in _values(circuit, graph, nets, REFUTING_WORDS // 2, seed_of("refute")):
        rows = np.flatnonzero(~found)
        change = values[place[rows, 0]] ^ values[place[rows, 1]]
        change[flips[rows]] ^= ALL
        found[rows] = change.any(axis=1)
    return found


def _asked(
    graph: AndGraph, sides: IntArray, flips: BoolArray, commands: list[str], end: float, place: str
) -> npt.NDArray[np.int8]:
    """Answer of one run of ABC for each pair; undecided where the time is over."""
    found = np.full(len(sides), UNDECIDED, np.int8)
    seconds = end - time.monotonic()
    if seconds <= 0:
        return found
    with tempfile.TemporaryDirectory(prefix="cg-equivalence-") as name:
        folder = Path(name)
        write_aiger(_miters(graph, sides, flips), folder / "miters.aig", ascii=False)
        try:
            text = run_abc(commands, folder, "answer.aig", seconds, place, "equivalence")
        except AbcTimeout:
            return found
        answer = read_aiger(folder / "answer.aig")
    found[[int(row) for row in _COUNTEREXAMPLE.findall(text)]] = DIFFERENT
    ports = np.flatnonzero(answer.port_direction == Direction.OUTPUT)
    constant = answer.net_constant[answer.port_net[ports]] == 0
    inverted = np.zeros(len(ports), np.bool_) if answer.port_inverted is None else answer.port_inverted[ports]
    found[constant & ~inverted] = EQUAL
    found[constant & inverted] = DIFFERENT
    return found


def _miters(graph: AndGraph, sides: IntArray, flips: BoolArray) -> Circuit:
    """An AIG of the free nets and one output a pair, 1 where the two differ; its nets are the graph's variables.

    Of a pair (a, b): up = a and not b, down = b and not a, and the output is the complement of (not up and not down).
    """
    pairs, variables = len(sides), graph.num_variables
    up, down, same = (variables + part * pairs + np.arange(pairs) for part in range(3))
    own = np.column_stack([graph.fan_in, np.arange(graph.first_and, variables)])
    a, b = sides[:, 0], sides[:, 1]
    triples = np.concatenate([own, *(np.column_stack(one) for one in ((a, b, up), (a, b, down), (up, down, same)))])
    flags = np.zeros((len(triples), 3), np.bool_)
    flags[: len(own), :2] = graph.inverted
    flags[len(own) : len(own) + pairs, 1] = ~flips
    flags[len(own) + pairs : len(own) + 2 * pairs, 0] = True
    flags[len(own) + pairs : len(own) + 2 * pairs, 1] = flips
    flags[len(own) + 2 * pairs :, :2] = True
    nets = variables + 3 * pairs
    constant = np.full(nets, -1, np.int8)
    constant[graph.free : graph.first_and] = graph.constant
    return Circuit(
        name="miters",
        types=(AND2,),
        cell_type=np.zeros(len(triples), np.int32),
        pin_start=3 * np.arange(len(triples) + 1),
        pin_net=triples.ravel().astype(np.int32),
        pin_inverted=flags.ravel(),
        port_net=np.concatenate([np.arange(graph.free), same]).astype(np.int32),
        port_direction=np.repeat(np.array([Direction.INPUT, Direction.OUTPUT], np.int8), [graph.free, pairs]),
        port_inverted=np.repeat([False, True], [graph.free, pairs]),
        port_names=NameTable.unnamed(graph.free + pairs),
        net_constant=constant,
        cell_names=NameTable.unnamed(len(triples)),
        net_names=NameTable.unnamed(nets),
    )


def hard_negatives(
    circuit: Circuit, pairs: npt.NDArray[np.integer], count: int = 10, words: int = 64, seed: int = 0
) -> tuple[IntArray, ByteArray]:
    """The gates nearest to the second gate of each pair that are different from it.

    Distance is the number of 256 biased patterns on which two gates differ, or agree if that is less. A gate is
    different if one of 64 * words uniform and as many biased patterns tells it apart; of equal distances the first in
    topological order is taken.

    Args:
        pairs: nets of gates, [T, 2], as :func:`candidates` gives them.
        count: negatives a pair; fewer where the circuit has no more.

    Returns:
        Nets int32 [M, 2], (gate, negative), nearest first for each gate, in the order of *pairs*; inverted uint8 [M],
        1 where the negative is near to the complement.

    Raises:
        CircuitError: the circuit is no AIG, or a pair names a net that no AND drives.
    """
    graph = and_graph(circuit)
    anchors = graph.variable[np.asarray(pairs, np.int64).reshape(-1, 2)[:, 1]] - graph.first_and
    if (anchors < 0).any():
        raise CircuitError(circuit.place or circuit.name, "pairs", "name a net that no AND drives", "give gates")
    leader, _ = _classes(circuit, graph, words, seed)
    rows = simulate(circuit, input_patterns(graph.free, NEAR_WORDS, seed_of("near", seed)))[graph.and_net]
    most, ands = 64 * NEAR_WORDS, graph.num_ands
    nets: list[IntArray] = [np.zeros((0, 2), np.int32)]
    flags: list[ByteArray] = [np.zeros(0, np.uint8)]
    for anchor in anchors.tolist():
        differ = np.bitwise_count(rows ^ rows[anchor]).sum(axis=1, dtype=np.int64)
        key = np.minimum(differ, most - differ) * ands + np.arange(ands)
        key[leader == leader[anchor]] = most * ands
        nearest = np.sort(np.partition(key, min(count, ands - 1))[:count])
        chosen = nearest[nearest < most * ands] % ands
        nets.append(np.stack([np.full(len(chosen), graph.and_net[anchor]), graph.and_net[chosen]], axis=1))
        flags.append((differ[chosen] > most // 2).astype(np.uint8))
    return np.concatenate(nets), np.concatenate(flags)


__all__ = ["DIFFERENT", "EQUAL", "UNDECIDED", "candidates", "hard_negatives", "prove"]
