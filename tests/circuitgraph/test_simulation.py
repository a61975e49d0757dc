"""Simulation against a plain evaluation pattern by pattern; the compiled path against the numpy path; COP where it is exact."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from circuitgraph.analysis import simulation
from circuitgraph.analysis.simulation import (
    cop_probability,
    exhaustive_patterns,
    free_nets,
    port_values,
    random_patterns,
    simulate,
    simulated_probability,
)
from circuitgraph.cell_types import gate_type, table_type
from circuitgraph.circuit import Circuit, CircuitBuilder, Direction
from circuitgraph.draws import Draws
from circuitgraph.errors import CircuitError
from tests.subjects import full_adder, loop_of, random_aig, random_circuit


def plain_values(circuit: Circuit, free: dict[int, int]) -> dict[int, int]:
    """Value of each net for one pattern, cell by cell until nothing changes; only Function.value is used."""
    value = {net: {-1: 0, 0: 0, 1: 1, 2: 0}[int(c)] for net, c in enumerate(circuit.net_constant.tolist())} | free
    for _ in range(circuit.num_cells + 1):
        before = dict(value)
        for cell in range(circuit.num_cells):
            cell_type, start = circuit.types[circuit.cell_type[cell]], int(circuit.pin_start[cell])
            flips = circuit.pin_inverted
            pins = {
                port: value[int(circuit.pin_net[start + port])] ^ int(flips is not None and flips[start + port])
                for port in cell_type.inputs
            }
            for port in cell_type.outputs:
                function = cell_type.functions[port]
                if function is not None:
                    value[int(circuit.pin_net[start + port])] = function.value(pins)
        if value == before:
            break
    return value


def bit(words: np.ndarray, pattern: int) -> np.ndarray:
    return (words[:, pattern // 64] >> np.uint64(pattern % 64) & np.uint64(1)).astype(int)


SUBJECTS = [
    full_adder(),
    *(random_circuit(seed, gates=25) for seed in range(4)),
    *(random_aig(seed) for seed in range(3)),
]


@pytest.mark.parametrize("circuit", SUBJECTS, ids=lambda c: c.name)
def test_bits_are_the_plain_values(circuit: Circuit) -> None:
    patterns = random_patterns(circuit, 2, Draws(1))
    found = simulate(circuit, patterns)
    free = free_nets(circuit)
    for pattern in (0, 1, 31, 63, 64, 127):
        given = dict(zip(free.tolist(), bit(patterns, pattern).tolist(), strict=True))
        wanted = plain_values(circuit, given)
        assert bit(found, pattern).tolist() == [wanted[net] for net in range(circuit.num_nets)]


def test_the_full_adder_adds() -> None:
    circuit = full_adder()
    values = port_values(circuit, simulate(circuit, exhaustive_patterns(3)))
    for row in range(8):
        a, b, c, s, k = bit(values, row).tolist()
        assert (a, b, c) == (row & 1, row >> 1 & 1, row >> 2 & 1)
        assert 2 * k + s == a + b + c


@pytest.mark.parametrize("inputs", [0, 1, 5, 6, 7, 9])
def test_exhaustive_patterns_are_each_pattern_once(inputs: int) -> None:
    patterns = exhaustive_patterns(inputs)
    count = 1 << inputs
    assert patterns.shape == (inputs, max(1, count // 64))
    if inputs:
        rows = {tuple(bit(patterns, row).tolist()) for row in range(count)}
        assert rows == set(itertools.product((0, 1), repeat=inputs))


def test_the_compiled_path_is_the_numpy_path(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(3):
        circuit = random_aig(seed, ands=300, inputs=12, latches=5)
        patterns = random_patterns(circuit, 3, Draws(seed))
        plain = simulate(circuit, patterns)
        with monkeypatch.context() as patch:
            patch.setattr(simulation, "PLAIN_CELLS", 0)
            patch.setattr(simulation, "_simulate_cells", None)
            np.testing.assert_array_equal(simulate(circuit, patterns), plain)


def test_the_kernel_is_its_plain_twin() -> None:
    rng = np.random.default_rng(0)
    net = np.stack([rng.integers(0, 20, 30), rng.integers(0, 20, 30), rng.permutation(np.arange(20, 50))], 1).astype(
        np.int32
    )
    inverted = rng.integers(0, 2, (30, 3)).astype(np.uint8)
    start = rng.integers(0, 1 << 63, (50, 2)).astype(np.uint64)
    one, other = start.copy(), start.copy()
    simulation._kernel_ands(net, inverted, one)
    simulation._compiled_ands()(net, inverted, other)
    np.testing.assert_array_equal(one, other)


def test_constants_undriven_nets_and_inverted_outputs() -> None:
    builder = CircuitBuilder()
    one, ghost, y = builder.constant(1), builder.net("ghost"), builder.net("y")
    builder.cell("u", gate_type("OR", 2), [one, ghost, y])
    builder.cell("c", gate_type("CONST1", 0), [builder.net("c")])
    builder.output("y", y)
    builder.output("n", y, inverted=True)
    circuit = builder.build()
    values = simulate(circuit, np.zeros((0, 1), np.uint64))
    assert [hex(int(row[0]))[-1] for row in port_values(circuit, values)] == ["f", "0"]
    assert int(values[circuit.find_net("c"), 0]) == 2**64 - 1
    assert int(values[circuit.find_net("ghost"), 0]) == 0


def test_patterns_depend_on_draws_and_content_only() -> None:
    circuit = random_circuit(1)
    assert np.array_equal(random_patterns(circuit, 4, Draws(0)), random_patterns(random_circuit(1), 4, Draws(0)))
    assert not np.array_equal(random_patterns(circuit, 4, Draws(0)), random_patterns(circuit, 4, Draws(1)))
    share = np.bitwise_count(random_patterns(circuit, 512, Draws(0))).mean() / 64
    assert share == pytest.approx(0.5, abs=0.01)


def test_faults_are_errors() -> None:
    with pytest.raises(CircuitError, match="need 3 rows, not 2"):
        simulate(full_adder(), np.zeros((2, 1), np.uint64))
    with pytest.raises(CircuitError, match="u0 -> u1 -> u2 -> u0"):
        simulate(loop_of(3), np.zeros((0, 1), np.uint64))


def tree(seed: int, leaves: int = 8) -> Circuit:
    """Every net is read once: fan-ins are independent, and COP is exact."""
    rng = np.random.default_rng(seed)
    builder = CircuitBuilder(f"tree{seed}")
    ready = [builder.input(f"i{row}") for row in range(leaves)]
    while len(ready) > 1:
        width = min(len(ready), int(rng.integers(2, 4)))
        pins = [ready.pop(int(rng.integers(len(ready)))) for _ in range(width)]
        out = builder.net()
        if width == 3 and rng.random() < 0.5:
            cell_type = table_type(int(rng.integers(1, 255)), 3)
        else:
            cell_type = gate_type(["AND", "NAND", "OR", "NOR", "XOR", "XNOR"][rng.integers(6)], width)
        inverted = rng.integers(0, 2, width).astype(bool).tolist()
        builder.cell("", cell_type, [*pins, out], [*inverted, False])
        ready.append(out)
    builder.output("y", ready[0])
    return builder.build()


@pytest.mark.parametrize("seed", range(6))
def test_cop_is_exact_on_trees(seed: int) -> None:
    circuit = tree(seed)
    values = simulate(circuit, exhaustive_patterns(8))
    exact = np.bitwise_count(values).sum(axis=1) / 256.0
    np.testing.assert_allclose(cop_probability(circuit), exact, atol=1e-12)
    source = np.random.default_rng(seed).random(8)
    weight = np.ones(256)
    for row, one in enumerate(source):
        bits = np.arange(256) >> row & 1
        weight *= np.where(bits, one, 1 - one)
    bits = (values[:, :, None] >> np.arange(64, dtype=np.uint64) & np.uint64(1)).reshape(circuit.num_nets, 256)
    np.testing.assert_allclose(cop_probability(circuit, source), bits @ weight, atol=1e-12)


def test_cop_of_a_wide_gate_goes_along_its_program() -> None:
    builder = CircuitBuilder()
    nets = [builder.input(f"i{row}") for row in range(9)]
    for word, wanted in (("AND", 0.5**9), ("NOR", 0.5**9), ("XOR", 0.5)):
        y = builder.net(word)
        builder.cell(word, gate_type(word, 9), [*nets, y])
        found = cop_probability(builder.build())[y]
        assert found == pytest.approx(wanted)


def test_cop_is_wrong_where_paths_meet_again_and_simulation_is_not() -> None:
    builder = CircuitBuilder()
    a, n, y = builder.input("a"), builder.net("n"), builder.net("y")
    builder.cell("u1", gate_type("NOT", 1), [a, n])
    builder.cell("u2", gate_type("AND", 2), [a, n, y])
    builder.output("y", y)
    circuit = builder.build()
    assert cop_probability(circuit)[y] == pytest.approx(0.25)
    assert simulated_probability(circuit)[y] == 0.0


def test_sampled_probabilities_are_near_the_exact_ones() -> None:
    circuit = full_adder()
    exact = np.bitwise_count(simulate(circuit, exhaustive_patterns(3)) & np.uint64(255)).sum(axis=1) / 8.0
    error = np.abs(simulated_probability(circuit, 256) - exact)
    assert error.max() < 5 * 0.5 / np.sqrt(64 * 256)


def test_free_nets_are_inputs_then_states() -> None:
    circuit = random_circuit(2)
    inputs = circuit.port_net[circuit.port_direction == Direction.INPUT].tolist()
    assert free_nets(circuit).tolist()[: len(inputs)] == inputs
    assert len(free_nets(circuit)) == len(inputs) + int(circuit.is_sequential.sum())
