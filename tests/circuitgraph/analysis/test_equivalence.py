"""Candidates, proofs and near misses against all patterns; counts of public circuits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph import abc_program
from circuitgraph.abc_program import find_abc
from circuitgraph.analysis import equivalence
from circuitgraph.analysis.and_graph import and_graph
from circuitgraph.analysis.equivalence import candidates, hard_negatives, prove
from circuitgraph.analysis.signatures import input_patterns
from circuitgraph.analysis.simulation import exhaustive_patterns, simulate
from circuitgraph.cell_types import AND2
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.draws import seed_of
from circuitgraph.errors import CircuitError
from circuitgraph.formats.aiger import read_aiger
from tests.subjects import full_adder, random_aig

needs_abc = pytest.mark.skipif(find_abc() is None, reason="ABC is not installed: pip install pyosys")


def truth(circuit: Circuit) -> np.ndarray:
    """Values of all nets under all patterns, uint64 [N, words]."""
    return simulate(circuit, exhaustive_patterns(and_graph(circuit).free))


def are_equal(circuit: Circuit, pairs: np.ndarray, inverted: np.ndarray) -> np.ndarray:
    value = truth(circuit)
    left, right = value[pairs[:, 0]], value[pairs[:, 1]]
    return (left == np.where(inverted[:, None] == 1, ~right, right)).all(axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_candidates_are_all_equal_gates_of_a_small_circuit(seed: int) -> None:
    circuit = random_aig(seed, ands=120, inputs=6, latches=2)
    pairs, inverted = candidates(circuit)
    assert are_equal(circuit, pairs, inverted).all()
    value, first = truth(circuit), {}
    wanted = []
    for net in and_graph(circuit).and_net.tolist():
        row = value[net]
        key = (~row if row[0] & np.uint64(1) else row).tobytes()
        if first.setdefault(key, net) != net:
            wanted.append([first[key], net])
    assert pairs.tolist() == wanted
    assert pairs.dtype == np.int32


def test_candidates_do_not_depend_on_how_many_words_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = random_aig(1, ands=500, inputs=24, latches=0)
    wanted = candidates(circuit, 3)
    monkeypatch.setattr(equivalence, "WORDS_AT_ONCE", 1)
    for one, two in zip(candidates(circuit, 3), wanted, strict=True):
        np.testing.assert_array_equal(one, two)


@needs_abc
@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_proofs_agree_with_all_patterns(seed: int, simulated: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without refutation by simulation, so that SAT has to find the difference itself."""
    if not simulated:
        monkeypatch.setattr(equivalence, "_refuted", lambda circuit, graph, sides, flips: np.zeros(len(sides), bool))
    circuit = random_aig(seed, ands=150, inputs=10, latches=0)
    nets = and_graph(circuit).and_net
    rng = np.random.default_rng(seed)
    equal, flags = candidates(circuit)
    pairs = np.concatenate([equal, equal, rng.choice(nets, (60, 2)), [[0, int(nets[-1])]]])
    inverted = np.concatenate([flags, 1 - flags, rng.integers(0, 2, 61)])
    found = prove(circuit, pairs, inverted)
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, are_equal(circuit, pairs, inverted).astype(int))
    assert {0, 1} <= set(found.tolist())


def parity(order: list[int]) -> Circuit:
    """Two parities of 40 inputs, one of them in another order; nets of the last gates are the last two."""
    builder = CircuitBuilder()
    inputs = [builder.input(f"i{row}") for row in range(40)]
    ends = []
    for rows in (list(range(40)), order):
        net = inputs[rows[0]]
        for row in rows[1:]:
            both, none, out = builder.net(), builder.net(), builder.net()
            builder.cell("", AND2, [net, inputs[row], both])
            builder.cell("", AND2, [net, inputs[row], none], [True, True, False])
            builder.cell("", AND2, [both, none, out], [True, True, False])
            net = out
        ends.append(net)
    for net in ends:
        builder.output(f"o{net}", net)
    return builder.build()


@needs_abc
def test_what_the_limits_do_not_reach_is_undecided() -> None:
    circuit = parity(np.random.default_rng(0).permutation(40).tolist())
    ends = circuit.port_net[-2:][None]
    assert prove(circuit, ends, np.zeros(1), conflicts=2).tolist() == [-1]
    assert prove(circuit, ends, np.zeros(1), time_limit=0).tolist() == [-1]
    assert prove(circuit, ends, np.ones(1), time_limit=0).tolist() == [0]
    assert prove(circuit, np.zeros((0, 2), int), np.zeros(0)).shape == (0,)


@needs_abc
def test_many_miters_go_through_several_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equivalence, "_refuted", lambda circuit, graph, sides, flips: np.zeros(len(sides), bool))
    monkeypatch.setattr(equivalence, "SAT_OUTPUTS", 7)
    circuit = random_aig(2, ands=80, inputs=9, latches=0)
    pairs = np.random.default_rng(1).choice(and_graph(circuit).and_net, (40, 2))
    found = prove(circuit, pairs, np.zeros(40))
    np.testing.assert_array_equal(found, are_equal(circuit, pairs, np.zeros(40)).astype(int))


def test_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = random_aig(0)
    with pytest.raises(CircuitError, match="neither AND2 nor LATCH"):
        candidates(full_adder())
    with pytest.raises(CircuitError, match="no AND drives"):
        hard_negatives(circuit, np.array([[20, 0]]))
    builder = CircuitBuilder()
    builder.input("a")
    builder.net("ghost")
    with pytest.raises(CircuitError, match="nothing drives or reads"):
        prove(builder.build(), np.array([[0, 1]]), np.zeros(1))
    monkeypatch.setattr(abc_program, "find_abc", lambda: None)
    gate = int(and_graph(circuit).and_net[0])
    with pytest.raises(CircuitError, match="needs ABC"):
        prove(circuit, np.array([[gate, gate]]), np.zeros(1))


@pytest.mark.parametrize("seed", range(3))
def test_hard_negatives_are_the_nearest_gates_that_differ(seed: int) -> None:
    circuit = random_aig(seed, ands=200, inputs=8, latches=0)
    gates = and_graph(circuit).and_net
    pairs, _ = candidates(circuit)
    found, inverted = hard_negatives(circuit, pairs, 5)
    value = truth(circuit)
    near = np.unpackbits(
        simulate(circuit, input_patterns(8, 4, seed_of("near", 0))).view(np.uint8), axis=1, bitorder="little"
    )
    wanted, flags = [], []
    for _, gate in pairs.tolist():
        ranked = []
        for place, other in enumerate(gates.tolist()):
            if (value[other] == value[gate]).all() or (value[other] == ~value[gate]).all():
                continue
            distance = int((near[other] != near[gate]).sum())
            ranked.append((min(distance, 256 - distance), place, other, int(distance > 128)))
        for _, _, other, flag in sorted(ranked)[:5]:
            wanted.append([gate, other])
            flags.append(flag)
    assert found.tolist() == wanted
    assert inverted.tolist() == flags


def test_a_circuit_with_fewer_gates_than_asked_for() -> None:
    builder = CircuitBuilder()
    a, b, x, y, z = *(builder.input(name) for name in "ab"), *(builder.net() for _ in range(3))
    builder.cell("", AND2, [a, b, x])
    builder.cell("", AND2, [b, a, y])
    builder.cell("", AND2, [a, b, z], [True, True, False])
    circuit = builder.build()
    pairs, inverted = candidates(circuit)
    assert (pairs.tolist(), inverted.tolist()) == ([[x, y]], [0])
    found, flags = hard_negatives(circuit, pairs)
    assert found.tolist() == [[y, z]]
    assert len(flags) == 1
    assert hard_negatives(circuit, pairs[:0])[0].shape == (0, 2)


@needs_abc
@pytest.mark.data
@pytest.mark.parametrize(("name", "equal"), [("router", 0), ("i2c", 12), ("priority", 0), ("cavlc", 2), ("ctrl", 4)])
def test_proven_pairs_of_epfl(shared_data: Callable[[str], Path], name: str, equal: int) -> None:
    """Counts as proven before by a miter a candidate and ``&fraig -C 1000``."""
    circuit = read_aiger(shared_data("digital/aiger") / "epfl" / f"{name}.aig")
    pairs, inverted = candidates(circuit)
    found = prove(circuit, pairs, inverted)
    assert (found == 1).sum() == equal
    assert not (found == -1).any()
