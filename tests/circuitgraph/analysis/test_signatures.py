"""Patterns and their densities, equal rows against dictionaries, and hashes of functions under permutations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from circuitgraph.analysis import signatures as module
from circuitgraph.analysis.signatures import (
    _by_name,
    biased_patterns,
    circuit_signature,
    group,
    input_patterns,
    normalised,
    signatures,
)
from circuitgraph.analysis.simulation import free_nets, next_states, simulate
from circuitgraph.cell_types import AND2, DFF, LATCH, gate_type
from circuitgraph.circuit import Circuit, CircuitBuilder
from circuitgraph.formats import aiger, bench
from tests.circuitgraph.test_simulation import bit, plain_values
from tests.subjects import full_adder, permuted, random_aig, random_circuit


def test_a_word_depends_on_seed_input_and_word_only() -> None:
    whole = input_patterns(50, 20, 3)
    np.testing.assert_array_equal(input_patterns(20, 9, 3), whole[:20, :9])
    assert (input_patterns(50, 20, 4) != whole).mean() > 0.9
    assert (input_patterns(50, 20, 3, biased=False)[:, 1:] != whole[:, 1:]).mean() > 0.9


def test_densities_cycle_and_are_one_for_all_inputs_of_a_word() -> None:
    words = input_patterns(4000, 15, 0)
    density = np.bitwise_count(words).mean(axis=0) / 64
    cycle = [1 / 2, 1 / 4, 3 / 4, 1 / 8, 7 / 8, 1 / 32, 31 / 32]
    np.testing.assert_allclose(density, (cycle * 3)[:15], atol=0.005)
    uniform = np.bitwise_count(input_patterns(4000, 15, 0, biased=False)).mean(axis=0) / 64
    np.testing.assert_allclose(uniform, 0.5, atol=0.005)


def test_signatures_are_simulated_values_of_any_cells() -> None:
    for circuit in (full_adder(), random_circuit(1), random_aig(2)):
        found = signatures(circuit, 3, 5)
        patterns = biased_patterns(circuit, 3, 5)
        given = dict(zip(free_nets(circuit).tolist(), bit(patterns, 70).tolist(), strict=True))
        wanted = plain_values(circuit, given)
        assert bit(found, 70).tolist() == [wanted[net] for net in range(circuit.num_nets)]


def test_groups_are_rows_of_equal_content_up_to_complement() -> None:
    rng = np.random.default_rng(0)
    values = rng.integers(0, 4, (500, 3)).astype(np.uint64)
    values[::3] = ~values[::3]
    rows, flag = normalised(values)
    np.testing.assert_array_equal(np.where(flag[:, None], ~rows, rows), values)
    assert not (rows[:, 0] & np.uint64(1)).any()
    first: dict[bytes, int] = {}
    wanted = [first.setdefault(row.tobytes(), at) for at, row in enumerate(rows)]
    assert group(rows).tolist() == wanted
    assert group(rows[:0]).tolist() == []
    assert group(rows[:1]).tolist() == [0]


def test_rows_of_equal_hash_are_not_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_mixed", np.zeros_like)
    assert group(np.array([[1], [1], [2]], np.uint64)).tolist() == [0, 0, 2]


def test_next_states_are_those_of_the_cells() -> None:
    builder = CircuitBuilder()
    a, q, p = builder.input("a"), builder.net("q"), builder.net("p")
    builder.cell("one", LATCH, [a, q], [True, False])
    builder.cell("two", DFF, [q, p])
    builder.cell("", AND2, [q, p, builder.net("y")])
    circuit = builder.build()
    value = simulate(circuit, input_patterns(3, 2))
    cells, state = next_states(circuit, value)
    assert cells.tolist() == [0, 1]
    np.testing.assert_array_equal(state, [~value[a], value[q]])
    builder.cell("open", DFF, [-1, builder.net("r")])
    circuit = builder.build()
    value = simulate(circuit, ~np.zeros((4, 1), np.uint64))
    np.testing.assert_array_equal(next_states(circuit, value)[1], [~value[a], value[q], [0]])
    assert next_states(full_adder(), simulate(full_adder(), input_patterns(3, 2)))[1].shape == (0, 2)


def test_names_sort_digits_by_value() -> None:
    names = ["a[10]", "a[2]", "b", "a_2_x", "a\u00b2", "7", "12", "x" + "9" * 5000]
    wanted = ["a[2]", "a_2_x", "a[10]", "a\u00b2", "b", "x" + "9" * 5000, "7", "12"]
    assert [names[row] for row in _by_name(names)] == wanted


def adder(order: list[int], *, subtract: bool = False, rename: bool = False) -> Circuit:
    """A three-bit ripple adder, or subtractor, with its terminals in another order."""
    builder = CircuitBuilder()
    names = ["a0", "a1", "a2", "b0", "b1", "b2", "cin"]
    nets = {}
    for row in order:
        nets[names[row]] = builder.input(f"z{order.index(row)}" if rename else names[row])
    carry, sums = nets["cin"], []
    for place in range(3):
        a, b = nets[f"a{place}"], nets[f"b{place}"]
        if subtract:
            c = builder.net()
            builder.cell("", gate_type("NOT", 1), [b, c])
            b = c
        half, total, one, two, following = (builder.net() for _ in range(5))
        builder.cell("", gate_type("XOR", 2), [a, b, half])
        builder.cell("", gate_type("XOR", 2), [half, carry, total])
        builder.cell("", gate_type("AND", 2), [a, b, one])
        builder.cell("", gate_type("AND", 2), [half, carry, two])
        builder.cell("", gate_type("OR", 2), [one, two, following])
        sums.append(total)
        carry = following
    outputs = [*sums, carry]
    for row in order:
        if row < 4:
            builder.output(f"w{order.index(row)}" if rename else f"s{row}", outputs[row])
    return builder.build()


@pytest.mark.parametrize("seed", range(5))
def test_an_equal_function_has_equal_signatures_at_any_order_of_terminals(seed: int) -> None:
    order = np.random.default_rng(seed).permutation(7).tolist()
    wanted, found = circuit_signature(adder(list(range(7)))), circuit_signature(adder(order))
    assert found == wanted
    assert circuit_signature(adder(order, rename=True)).anonymous == wanted.anonymous


def test_another_function_of_the_same_interface_has_other_signatures() -> None:
    one, two = circuit_signature(adder(list(range(7)))), circuit_signature(adder(list(range(7)), subtract=True))
    assert one.named != two.named
    assert one.anonymous != two.anonymous


@pytest.mark.parametrize("places", [([0, 1], [0, 1, 2]), ([0, 1, 3], [0, 1, 2])])
def test_functions_that_agree_where_all_inputs_are_equal_differ(places: tuple[list[int], list[int]]) -> None:
    """a and not b, and so on: 0 wherever all inputs are equal."""
    found = set()
    for rows in places:
        builder = CircuitBuilder()
        inputs = [builder.input(name) for name in "abcd"]
        net = inputs[rows[0]]
        for row in rows[1:]:
            out = builder.net()
            builder.cell("", AND2, [net, inputs[row], out], [False, row in {1, 3}, False])
            net = out
        builder.output("y", net)
        found.add(circuit_signature(builder.build()).anonymous)
    assert len(found) == 2


@pytest.mark.parametrize("seed", range(6))
def test_cells_nets_and_ports_of_types_may_be_permuted(seed: int) -> None:
    circuit = random_circuit(seed)
    assert circuit_signature(permuted(circuit, seed)).anonymous == circuit_signature(circuit).anonymous
    other = circuit_signature(random_circuit(seed + 50))
    assert other.anonymous != circuit_signature(circuit).anonymous


def test_cut_latches_and_unread_inputs_do_not_count_in_the_anonymous_part() -> None:
    circuit = random_aig(4)
    builder = CircuitBuilder()
    for net in range(circuit.num_nets):
        builder.net(f"n{net}")
    builder.input("unread")
    for net in free_nets(circuit)[::-1].tolist():
        builder.input(f"i{net}", net)
    assert circuit.pin_inverted is not None
    assert circuit.port_inverted is not None
    for cell in range(circuit.num_cells):
        start = int(circuit.pin_start[cell])
        if circuit.types[circuit.cell_type[cell]] == LATCH:
            builder.output(f"d{cell}", int(circuit.pin_net[start]), bool(circuit.pin_inverted[start]))
        else:
            pins = slice(start, start + 3)
            builder.cell("", AND2, circuit.pin_net[pins].tolist(), circuit.pin_inverted[pins].tolist())
    for port in np.flatnonzero(circuit.port_direction == 2)[::-1]:
        builder.output(f"o{port}", int(circuit.port_net[port]), bool(circuit.port_inverted[port]))
    assert circuit_signature(builder.build()).anonymous == circuit_signature(circuit).anonymous


def test_a_circuit_without_anything() -> None:
    assert circuit_signature(CircuitBuilder().build()) == circuit_signature(CircuitBuilder("other").build())


EQUAL = [
    ("aiger/epfl/max.aig", "bench/openabcd/max_orig.bench"),
    ("bench/iscas85/c499.bench", "bench/iscas85/c1355.bench"),
    ("aiger/abc/i10.aig", "bench/openabcd/i10_orig.bench"),
    ("aiger/epfl/ctrl.aig", "bench/lut/ctrl_lut4.bench"),
]
OTHERS = ["aiger/epfl/i2c.aig", "aiger/epfl/sin.aig", "bench/iscas85/c432.bench", "bench/itc99/b12.bench"]


@pytest.mark.data
def test_doubles_of_the_public_data_are_found_and_nothing_else(shared_data: Callable[[str], Path]) -> None:
    def read(name: str) -> Circuit:
        form, rest = name.split("/", 1)
        reader = aiger.read_aiger if form == "aiger" else bench.read_bench
        return reader(shared_data(f"digital/{form}") / rest)

    pairs = [tuple(circuit_signature(read(name)) for name in pair) for pair in EQUAL]
    assert all(one == two for one, two in pairs)
    different = {one.anonymous for one, _ in pairs} | {circuit_signature(read(name)).anonymous for name in OTHERS}
    assert len(different) == len(EQUAL) + len(OTHERS)
    latched, cut = (circuit_signature(read(f"bench/itc99/{name}.bench")) for name in ("b03", "b03_C"))
    assert latched.anonymous == cut.anonymous
